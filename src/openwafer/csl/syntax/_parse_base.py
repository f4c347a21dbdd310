"""The token cursor that the parsers share: look, take, expect, fail, recover."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NoReturn, TypeAlias, TypeVar

from openwafer.csl.syntax._lexer import MAX_ERRORS, Token, tokenize
from openwafer.diag import Diagnostic, Label, Source, Span

T = TypeVar("T")
Storage: TypeAlias = Literal["", "export", "extern"]

MAX_DEPTH = 128
"""Deepest tree: bounds the recursion here and in everything that walks the tree afterwards."""


class SyntaxFailure(Exception):
    """Unwinds the parser to the nearest place where it can go on."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class UnclosedBlock(SyntaxFailure):
    """Only a new top-level declaration ends it."""


class TooManyErrors(Exception):
    """Ends the parse; what was found is reported."""


class Cursor:
    """Position in the tokens of one source. `kind` is the kind of the token at the position."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens, self.diagnostics = tokenize(source)
        self._lexical_lines = {self._line(d) for d in self.diagnostics}
        self.position = 0
        self.token = self.tokens[0]
        self.kind = self.token.kind
        self.end = 0
        self.depth = 0

    # --- looking and taking ---

    def advance(self) -> Token:
        """Takes the token; at the end it stays."""
        token = self.token
        self.end = token.end
        if token.kind != "eof":
            self._move_to(self.position + 1)
        return token

    def _move_to(self, position: int) -> None:
        self.position = position
        self.token = self.tokens[position]
        self.kind = self.token.kind

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.position + ahead, len(self.tokens) - 1)]

    def accept(self, kind: str) -> bool:
        if self.kind != kind:
            return False
        self.advance()
        return True

    def at(self, *kinds: str) -> bool:
        return self.kind in kinds

    def at_word(self, word: str) -> bool:
        """Whether the token is `word`, which is a name elsewhere."""
        return self.kind == "ident" and self.token.text == word

    def starts_line(self) -> bool:
        """Whether the token is the first of its line."""
        before = self.tokens[self.position - 1].end if self.position else 0
        return self.position == 0 or "\n" in self.source.text[before : self.token.start]

    def expect(self, kind: str, where: str) -> Token:
        """Takes a token of this kind; `where` reads on from "expected `=`"."""
        if self.kind != kind:
            self.fail_expected(f"`{kind}` {where}")
        return self.advance()

    def terminate(self, what: str) -> None:
        """Takes a `;`; where only that is missing at the end of a line, reports it and goes on."""
        if self.accept(";"):
            return
        message = f"expected `;` after {what}, found {self.found()}"
        end = Span(self.source, self.end, self.end)
        diagnostic = Diagnostic("syntax-expected-token", message, end)
        if not self.starts_line():
            raise SyntaxFailure(diagnostic)
        self.report(diagnostic)

    def expect_name(self, what: str) -> str:
        if self.kind != "ident":
            self.fail_expected(what)
        return self.advance().text

    def expect_close(self, kind: str, opener: Token, where: str) -> None:
        """Takes the closing bracket, or fails with a label on the opening one."""
        if self.kind != kind:
            label = Label(self.span_of(opener), f"`{opener.text}` opened here")
            self.fail_expected(f"`{kind}` {where}", labels=(label,))
        self.advance()

    def listed(self, item: Callable[[], T], close: str, where: str) -> tuple[T, ...]:
        """From the opening bracket to the closing one: items between commas; a last comma is allowed."""
        self.deepen()
        opener = self.advance()
        items: list[T] = []
        while self.kind != close:
            items.append(item())
            if not self.accept(","):
                break
        self.expect_close(close, opener, where)
        self.depth -= 1
        return tuple(items)

    # --- spans ---

    def span(self, start: int) -> Span:
        """From an offset to the end of the last taken token."""
        return Span(self.source, start, self.end)

    def span_of(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    # --- errors ---

    def found(self) -> str:
        if self.kind == "eof":
            return "end of file"
        text = self.token.text
        return f"`{text if len(text) <= 40 else text[:37] + '…'}`"

    def fail(self, id: str, message: str, span: Span, *, help: str | None = None) -> NoReturn:
        raise SyntaxFailure(Diagnostic(id, message, span, help=help))

    def fail_expected(
        self, what: str, *, labels: tuple[Label, ...] = (), help: str | None = None
    ) -> NoReturn:
        """Fails at the token."""
        span = self.span_of(self.token)
        message = f"expected {what}, found {self.found()}"
        raise SyntaxFailure(Diagnostic("syntax-expected-token", message, span, labels=labels, help=help))

    def deepen(self, levels: int = 1) -> None:
        """Counts nesting; the caller subtracts again, and recovery restores it."""
        self.depth += levels
        if self.depth > MAX_DEPTH:
            span = self.span_of(self.token)
            self.fail("syntax-too-deep", f"nested more than {MAX_DEPTH} levels deep", span)

    def report(self, diagnostic: Diagnostic) -> None:
        """Keeps an error and goes on; not those that follow from an unreadable token on the same line."""
        if self._line(diagnostic) in self._lexical_lines:
            return
        self.diagnostics.append(diagnostic)
        if len(self.diagnostics) >= MAX_ERRORS:
            raise TooManyErrors

    def _line(self, diagnostic: Diagnostic) -> int:
        return self.source.position(diagnostic.span.start)[0] if diagnostic.span else 0
