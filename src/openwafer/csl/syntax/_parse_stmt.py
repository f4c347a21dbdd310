"""Statements and variable declarations."""

from __future__ import annotations

from typing import cast

from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._lexer import Token
from openwafer.csl.syntax._parse_base import Storage, SyntaxFailure, UnclosedBlock
from openwafer.csl.syntax._parse_expr import ExprParser
from openwafer.diag import Diagnostic, Label

_ASSIGN = frozenset(("=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "|=", "^="))
_ENDS_VALUE = frozenset((";", ",", "}", ")", "else", "eof"))
_CONTINUES = frozenset((")", "]", ",", ";", "else", "."))
_STARTS_STATEMENT = frozenset(("const", "var", "return", "while", "for", "if", "switch", "break", "continue"))
_ONLY_TOP_LEVEL = frozenset(("fn", "task", "param", "export", "eof"))


class StmtParser(ExprParser):
    # --- blocks and recovery ---

    def block(self, label: Token | None = None) -> ast.Block:
        """`{ … }`; a statement that is wrong is reported and skipped. The caller has taken `label:`."""
        start = label.start if label else self.token.start
        self.deepen()
        opener = self.expect("{", "before a block")
        statements: list[ast.Stmt] = []
        while self.kind != "}":
            if self.kind in _ONLY_TOP_LEVEL:
                self._fail_unclosed(opener)
            statement = self._recovering_statement()
            if statement:
                statements.append(statement)
        self.advance()
        self.depth -= 1
        return ast.Block(tuple(statements), label.text if label else None, span=self.span(start))

    def _fail_unclosed(self, opener: Token) -> None:
        message = f"expected `}}` at the end of the block, found {self.found()}"
        labels = (Label(self.span_of(opener), "`{` opened here"),)
        raise UnclosedBlock(
            Diagnostic("syntax-expected-token", message, self.span_of(self.token), labels=labels)
        )

    def _recovering_statement(self) -> ast.Stmt | None:
        position, depth = self.position, self.depth
        try:
            return self.statement()
        except UnclosedBlock:
            raise
        except SyntaxFailure as failure:
            self.report(failure.diagnostic)
            self.depth = depth
            self._skip_statement(position)
            return None

    def _skip_statement(self, started: int) -> None:
        """Goes on behind the next `;` or block, or in front of a line that starts a statement."""
        nested = max(self._open_braces(started), 0)
        if self.accept(";"):
            return
        while self.kind != "eof":
            kind, fresh = self.kind, self.position > started and self.starts_line()
            if kind == "}" and nested == 0:
                return
            if fresh and (kind in _ONLY_TOP_LEVEL or (nested == 0 and kind in _STARTS_STATEMENT)):
                return
            nested += (kind in "([{") - (kind in ")]}" and nested > 0)
            self.advance()
            if nested == 0 and (kind == ";" or (kind == "}" and self.kind not in _CONTINUES)):
                return

    def _open_braces(self, started: int) -> int:
        kinds = [token.kind for token in self.tokens[started : self.position]]
        return kinds.count("{") - kinds.count("}")

    # --- statements ---

    def statement(self) -> ast.Stmt:
        """A statement with its `;`."""
        self.deepen()
        statement = self.open_statement()
        if needs_semicolon(statement):
            self.terminate(_DESCRIPTION.get(type(statement), "the statement"))
        self.depth -= 1
        return statement

    def open_statement(self) -> ast.Stmt:
        """A statement without its `;`."""
        start = self.token.start
        match self.kind:
            case "{":
                return self.block()
            case "const" | "var":
                return self.var_decl(start)
            case "if":
                return self._if(start)
            case "switch":
                return self.switch(statement=True)
            case "while" | "for" | "inline":
                return self._loop(start, None)
            case "return":
                self.advance()
                value = None if self.at(*_ENDS_VALUE) else self.expr()
                return ast.Return(value, span=self.span(start))
            case "break":
                return self._break(start)
            case "continue":
                self.advance()
                return ast.Continue(self._jump_label(), span=self.span(start))
            case "comptime":
                return self._comptime(start)
            case "else":
                help = "remove the `;` in front of it" if self.tokens[self.position - 1].kind == ";" else None
                self.fail("syntax-stray-else", "`else` without `if`", self.span_of(self.token), help=help)
            case _:
                return self._labelled(start) if self._has_label() else self.assignment()

    def _has_label(self) -> bool:
        return self.kind == "ident" and self.peek().kind == ":"

    def _labelled(self, start: int) -> ast.Stmt:
        label = self.advance()
        self.advance()
        if self.kind == "{":
            return self.block(label)
        if self.kind not in ("while", "for", "inline"):
            self.fail_expected(f"a loop or a block after label `{label.text}`")
        return self._loop(start, label.text)

    def assignment(self) -> ast.Assign | ast.ExprStmt:
        """`target op value`, or an expression."""
        start = self.token.start
        target = self.expr()
        if self.kind not in _ASSIGN:
            return ast.ExprStmt(target, span=target.span)
        op = cast(ast.AssignOp, self.advance().kind)
        value = self.expr()
        return ast.Assign(op, target, value, span=self.span(start))

    def _if(self, start: int) -> ast.If:
        self.advance()
        condition = self.condition("if")
        then = self._body()
        otherwise = None
        if self.accept("else"):
            otherwise = self._body()
        return ast.If(condition, then, otherwise, span=self.span(start))

    def _body(self) -> ast.Stmt:
        """What `if`, `else` and loops govern, without its `;`."""
        if self.kind in ("const", "var"):
            self.fail_expected("a statement or a block")
        self.deepen()
        body = self.open_statement()
        self.depth -= 1
        return body

    def _loop(self, start: int, label: str | None) -> ast.Stmt:
        inline = self.accept("inline")
        if self.kind == "while":
            return self._while(start, label, inline)
        if self.kind != "for":
            self.fail_expected("`for` or `while` after `inline`")
        return self._for(start, label, inline)

    def _while(self, start: int, label: str | None, inline: bool) -> ast.While:
        self.advance()
        condition, step = self.condition("while"), None
        if self.accept(":"):
            if self.kind != "(":
                self.fail_expected("`(` after `:`")
            opener = self.advance()
            step = self.assignment()
            self.expect_close(")", opener, "after the step of the loop")
        body = self._body()
        return ast.While(condition, step, body, label, inline, span=self.span(start))

    def _for(self, start: int, label: str | None, inline: bool) -> ast.For:
        self.advance()
        if self.kind != "(":
            self.fail_expected("`(` after `for`")
        opener = self.advance()
        iterable = self.expr()
        first = self.expr() if self.accept(",") else None
        self.expect_close(")", opener, "after the range of the loop")
        if not self.at("|"):
            self.fail_expected("`|` before the variables of the loop")
        by_pointer = self.peek().kind == "*"
        variables = self.listed(self._loop_variable, "|", "after the variables of the loop")
        if not 1 <= len(variables) <= 2:
            message = f"expected one or two variables in `for`, found {len(variables)}"
            self.fail("syntax-loop-variables", message, self.span(start))
        body = self._body()
        return ast.For(iterable, first, variables, body, label, inline, by_pointer, span=self.span(start))

    def _loop_variable(self) -> str:
        if self.tokens[self.position - 1].kind == "|":
            self.accept("*")
        return self.expect_name("a variable name")

    def _break(self, start: int) -> ast.Break:
        self.advance()
        label = self._jump_label()
        value = self.expr() if label and self.kind not in _ENDS_VALUE else None
        return ast.Break(label, value, span=self.span(start))

    def _jump_label(self) -> str | None:
        return self.expect_name("a label after `:`") if self.accept(":") else None

    def _comptime(self, start: int) -> ast.Stmt:
        self.advance()
        if self.kind in ("const", "var"):
            return self.var_decl(start, comptime=True)
        body = self._body()
        return ast.ComptimeStmt(body, span=self.span(start))

    # --- switch ---

    def switch(self, *, statement: bool) -> ast.Switch:
        """As a statement, its arms are statements: an `if` there may assign, and need not have a value."""
        start = self.advance().start
        subject = self.condition("switch")
        if self.kind != "{":
            self.fail_expected("`{` after the subject of `switch`")
        arm = self._statement_arm if statement else self._value_arm
        arms = self.listed(arm, "}", "after the arms of the switch")
        return ast.Switch(subject, arms, span=self.span(start))

    def _statement_arm(self) -> ast.SwitchArm:
        return self._arm(statement=True)

    def _value_arm(self) -> ast.SwitchArm:
        return self._arm(statement=False)

    def _arm(self, *, statement: bool) -> ast.SwitchArm:
        start = self.token.start
        patterns = () if self.accept("else") else self._patterns()
        self.expect("=>", "after the pattern")
        capture = None
        if self.accept("|"):
            capture = self.expect_name("a variable name")
            self.expect("|", "after the variable")
        body = self._arm_body(statement)
        return ast.SwitchArm(patterns, body, capture, span=self.span(start))

    def _patterns(self) -> tuple[ast.Expr, ...]:
        patterns = [self.expr()]
        while self.accept(",") and self.kind != "=>":
            patterns.append(self.expr())
        return tuple(patterns)

    def _arm_body(self, statement: bool) -> ast.Expr | ast.Stmt:
        """A block is a `Block`, other statements are themselves, an expression is bare."""
        if not statement and self.kind in ("if", "switch", "comptime"):
            return self.expr()
        body = self._body()
        return body.expr if isinstance(body, ast.ExprStmt) else body

    # --- variables ---

    def var_decl(self, start: int, *, storage: str = "", comptime: bool = False) -> ast.VarDecl:
        """`const`/`var` without its `;`; `start` is where its first modifier begins."""
        const = self.advance().kind == "const"
        name = self.expect_name("a variable name")
        type_ = self.type() if self.accept(":") else None
        attributes = self.attributes("align", "linksection", "linkname")
        value = self.expr() if self.accept("=") else None
        return ast.VarDecl(
            name,
            const,
            type_,
            value,
            align=attributes.get("align"),
            linksection=attributes.get("linksection"),
            linkname=attributes.get("linkname"),
            storage=cast(Storage, storage),
            comptime=comptime,
            span=self.span(start),
        )

    def attributes(self, *allowed: str) -> dict[str, ast.Expr]:
        """`align(16) linksection("s")` in any order."""
        found: dict[str, ast.Expr] = {}
        while self.kind in allowed:
            token = self.advance()
            if token.kind in found:
                self.fail("syntax-duplicate-attribute", f"second `{token.kind}`", self.span_of(token))
            found[token.kind] = self.condition(token.kind)
        return found


_DESCRIPTION: dict[type[ast.Node], str] = {
    ast.VarDecl: "variable declaration",
    ast.Assign: "assignment",
    ast.ExprStmt: "expression",
    ast.Return: "`return`",
    ast.Break: "`break`",
    ast.Continue: "`continue`",
}


def needs_semicolon(statement: ast.Stmt) -> bool:
    """Whether its last part is not a block."""
    match statement:
        case ast.Block() | ast.Switch():
            return False
        case ast.If(then=then, otherwise=otherwise):
            return needs_semicolon(otherwise or then)
        case ast.While(body=body) | ast.For(body=body) | ast.ComptimeStmt(body=body):
            return needs_semicolon(body)
        case _:
            return True
