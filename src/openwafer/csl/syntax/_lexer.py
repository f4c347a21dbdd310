"""Text to tokens: one regular expression, one pass. `_literals` reads what numbers and strings mean."""

from __future__ import annotations

import re
from typing import NamedTuple

from openwafer.diag import Diagnostic, Source, Span

KEYWORDS = frozenset((
    "align", "and", "break", "comptime", "const", "continue", "else", "enum", "export", "extern", "false",
    "fn", "for", "if", "inline", "linkname", "linksection", "or", "param", "return", "struct", "switch",
    "task", "true", "union", "var", "while",
))  # fmt: skip

MAX_ERRORS = 20


class Token(NamedTuple):
    """`kind` is the text itself for keywords and punctuation, else one of
    `ident`, `builtin`, `number`, `string`, `char`, `eof`. `start` and `end` are character offsets."""

    kind: str
    text: str
    start: int
    end: int


_PUNCTUATION = (
    "<<=", ">>=", "<<", ">>", "<=", ">=", "==", "!=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "=>",
    "->", ".*", "(", ")", "[", "]", "{", "}", ",", ";", ":", ".", "=", "<", ">", "+", "-", "*", "/", "%",
    "&", "|", "^", "!", "~",
)  # fmt: skip

_HINTS = {"&&": "write `and`", "||": "write `or`", "++": "write `+= 1` to increment"}

_TOKEN = re.compile(
    r"(?:[ \t\r\n\f\v]+|//[^\n]*)*"
    r"(?:(?P<ident>[A-Za-z_]\w*)"
    r"|(?P<hint>&&|\|\||\+\+)"
    rf"|(?P<punctuation>{'|'.join(map(re.escape, _PUNCTUATION))})"
    r"|(?P<number>0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]+)?(?:[pP][+-]?[0-9_]+)?\w*"
    r"|[0-9][0-9_]*(?:\.[0-9][0-9_]*)?(?:[eE][+-]?[0-9_]+)?\w*)"
    r"|(?P<builtin>@[A-Za-z_]\w*)"
    r'|(?P<string>"(?:[^"\\\n]|\\[^\n])*")'
    r"|(?P<char>'(?:[^'\\\n]|\\[^\n])*')"
    r'|(?P<open_string>"[^\n]*)'
    r"|(?P<open_char>'[^\n]*)"
    r"|(?P<eof>\Z)"
    r"|(?P<bad>[^\x00-\x7f]+|.))",
    re.ASCII,
)


def tokenize(source: Source) -> tuple[list[Token], list[Diagnostic]]:
    """All tokens, the last of kind `eof`, and what could not be read; a token that is wrong in itself is
    reported and replaced by the nearest right one, so that the parser can go on."""
    text = source.text
    tokens: list[Token] = []
    diagnostics: list[Diagnostic] = []
    for match in _TOKEN.finditer(text, 1 if text.startswith("\ufeff") else 0):
        group = match.lastgroup or "eof"
        spelling = match[group]
        start, end = match.span(group)
        if group == "punctuation" or (group == "ident" and spelling in KEYWORDS):
            tokens.append(Token(spelling, spelling, start, end))
        elif group in _REPAIRS:
            diagnostics.append(_problem(group, spelling, Span(source, start, end)))
            kind = _REPAIRS[group]
            if kind:
                tokens.append(Token(kind, spelling, start, end))
        else:
            tokens.append(Token(group, spelling, start, end))
            if group == "eof":
                break
    return tokens, diagnostics[:MAX_ERRORS]


# What stands in for a wrong token; "" leaves it out. For an operator of C, see `_problem`.
_REPAIRS = {"hint": "+", "open_string": "open", "open_char": "open", "bad": ""}


def _problem(group: str, text: str, span: Span) -> Diagnostic:
    if group == "hint":
        return Diagnostic("lex-unknown-operator", f"unknown operator `{text}`", span, help=_HINTS[text])
    if group == "open_string":
        return Diagnostic("lex-unterminated-string", 'expected `"` before the end of the line', span)
    if group == "open_char":
        return Diagnostic("lex-unterminated-char", "expected `'` before the end of the line", span)
    shown = text if text.isprintable() else " ".join(f"U+{ord(c):04X}" for c in text[:4])
    return Diagnostic("lex-unknown-character", f"unexpected character `{shown[:24]}`", span)
