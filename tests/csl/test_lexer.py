"""Tokens, their spans, and the values of literals."""

from __future__ import annotations

import pytest

from openwafer.csl.syntax._lexer import Token, tokenize
from openwafer.csl.syntax._literals import LiteralError, char_value, number_value, string_value
from openwafer.diag import Source


def kinds(text: str) -> list[str]:
    tokens, diagnostics = tokenize(Source("t.csl", text))
    assert diagnostics == []
    return [t.kind for t in tokens[:-1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("// only\n/// comments\n//! here", []),
        ("fn f", ["fn", "ident"]),
        ("fnx _ align alignx", ["ident", "ident", "align", "ident"]),
        ("@as @fmacs", ["builtin", "builtin"]),
        ("a<<=b<<c<=d<e", ["ident", "<<=", "ident", "<<", "ident", "<=", "ident", "<", "ident"]),
        ("p.*.x", ["ident", ".*", ".", "ident"]),
        ("|i|{N}->a", ["|", "ident", "|", "{", "ident", "}", "->", "ident"]),
        ("0xe+1", ["number", "+", "number"]),
        ("1.5e-3-2", ["number", "-", "number"]),
        ("1.x", ["number", ".", "ident"]),
        (r'"a\"b" "c"', ["string", "string"]),
        (r"'\'' 'x'", ["char", "char"]),
        ("a // b\nc", ["ident", "ident"]),
        ('"// no comment"', ["string"]),
        ("\ufeffconst", ["const"]),
        ("- -1 !!x ~-y", ["-", "-", "number", "!", "!", "ident", "~", "-", "ident"]),
    ],
)
def test_kinds(text: str, expected: list[str]) -> None:
    assert kinds(text) == expected


def test_a_token_knows_where_it_stands() -> None:
    tokens, _ = tokenize(Source("t.csl", "  var x; // c\n"))
    assert tokens == [
        Token("var", "var", 2, 5),
        Token("ident", "x", 6, 7),
        Token(";", ";", 7, 8),
        Token("eof", "", 14, 14),
    ]


@pytest.mark.parametrize(
    ("text", "id", "message", "at"),
    [
        ('x = "abc', "lex-unterminated-string", 'expected `"` before the end of the line', 4),
        ("x = 'a\n'b'", "lex-unterminated-char", "expected `'` before the end of the line", 4),
        ("a && b", "lex-unknown-operator", "unknown operator `&&`", 2),
        ("a || b", "lex-unknown-operator", "unknown operator `||`", 2),
        ("a # b", "lex-unknown-character", "unexpected character `#`", 2),
        ("a\x00", "lex-unknown-character", "unexpected character `U+0000`", 1),
        ("größe", "lex-unknown-character", "unexpected character `öß`", 2),
    ],
)
def test_what_is_no_token_is_reported(text: str, id: str, message: str, at: int) -> None:
    _, (diagnostic,) = tokenize(Source("t.csl", text))
    assert (diagnostic.id, diagnostic.message) == (id, message)
    assert diagnostic.span is not None and diagnostic.span.start == at


def test_reports_are_limited() -> None:
    tokens, diagnostics = tokenize(Source("t.csl", "# " * 1000 + "x"))
    assert [t.text for t in tokens] == ["x", ""]
    assert len(diagnostics) == 20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("007", 7),
        ("1_000", 1000),
        ("0xFF_ff", 0xFFFF),
        ("0b1010", 10),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1_0.2_5", 10.25),
        ("1e3", 1000.0),
        ("2.5E-1", 0.25),
        ("0x1.8p1", 3.0),
        ("0x1p-2", 0.25),
        ("9" * 1024, 10**1024 - 1),
        ("1e-999", 0.0),
    ],
)
def test_numbers(text: str, value: float) -> None:
    found = number_value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1__0", "`1__0` is not a number"),
        ("1_", "`1_` is not a number"),
        ("0x", "`0x` is not a number"),
        ("0b12", "`0b12` is not a number"),
        ("12ab", "`12ab` is not a number"),
        ("1e", "`1e` is not a number"),
        ("1e999", "`1e999` is larger than any 64-bit float"),
        ("0x1p99999", "`0x1p99999` is larger than any 64-bit float"),
        ("1" * 5000, "number of 5000 characters; at most 1024"),
        ("0x" + "f" * 100_000, "number of 100002 characters; at most 1024"),
    ],
)
def test_bad_numbers(text: str, message: str) -> None:
    with pytest.raises(LiteralError) as info:
        number_value(text)
    assert (info.value.id, info.value.message) == ("lex-bad-number", message)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('""', ""),
        (r'"a\n\t\r\\\"\'"', "a\n\t\r\\\"'"),
        (r'"\x41\u{1F44D}"', "A👍"),
        (r'"\xf0\x9f\x91\x8d"', "👍"),
        ('"é"', "é"),
        (r'"\xff"', "\udcff"),
        (r'"nul\x00x\0"', "nul\0x\0"),
    ],
)
def test_strings(text: str, value: str) -> None:
    assert string_value(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a'", 97),
        (r"'\n'", 10),
        (r"'\x0a'", 10),
        (r"'\xff'", 255),
        (r"'\''", 39),
        ("'é'", 0xE9),
        ("'\"'", 34),
    ],
)
def test_characters(text: str, value: int) -> None:
    assert char_value(text) == value


@pytest.mark.parametrize(
    ("text", "message", "start", "end"),
    [
        (r'"ab\q"', r"unknown escape `\q`", 3, 5),
        (r'"\x4"', r"unknown escape `\x4`", 1, 4),
        (r'"\u{110000}"', r"`\u{110000}` is not a Unicode character", 1, 11),
        (r'"\u{d800}"', r"`\u{d800}` is not a Unicode character", 1, 9),
        ('"\ud800\\n"', "text is not valid Unicode", 1, 2),
    ],
)
def test_bad_escapes(text: str, message: str, start: int, end: int) -> None:
    with pytest.raises(LiteralError) as info:
        string_value(text)
    error = info.value
    assert (error.id, error.message, error.start, error.end) == ("lex-bad-escape", message, start, end)


@pytest.mark.parametrize("text", ["''", "'ab'"])
def test_a_character_literal_has_one_character(text: str) -> None:
    with pytest.raises(LiteralError, match="expected one character"):
        char_value(text)
