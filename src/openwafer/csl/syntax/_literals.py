"""The values of number, character and string literals."""

from __future__ import annotations

import re

MAX_DIGITS = 1024
"""Longest number literal, in characters: bounds the time to convert it (assumed; CSL documents no limit)."""

_INT = re.compile(
    r"0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0o[0-7]+(?:_[0-7]+)*|0b[01]+(?:_[01]+)*"
    r"|[0-9]+(?:_[0-9]+)*"
)
_FLOAT = re.compile(
    r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+)?"
    r"|0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*(?:\.[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)?(?:[pP][+-]?[0-9]+)?"
)
_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]{2})|u\{(?P<code>[0-9a-fA-F]{1,6})\}|(?P<simple>[nrt\\'\"0]))"
)
_PIECE = re.compile(r"[^\\]+|\\(?:x[0-9a-fA-F]{0,2}|u\{[^}]*\}?|.)", re.DOTALL)
_SIMPLE = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\", "'": b"'", '"': b'"', "0": b"\0"}


class LiteralError(Exception):
    """A literal that has no value; `start` and `end` are offsets in its spelling."""

    def __init__(self, id: str, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.id, self.message, self.start, self.end = id, message, start, end


def number_value(text: str) -> int | float:
    """An int for `10`, `0xff`, `0o17`, `0b01`, `1_000`; a float for `1.5`, `1e-3`, `0x1.8p3`.

    Errors: lex-bad-number."""
    if len(text) > MAX_DIGITS:
        raise _bad_number(text, f"number of {len(text)} characters; at most {MAX_DIGITS}")
    plain = text.replace("_", "")
    if _INT.fullmatch(text):
        return int(plain, 0 if plain[1:2] in ("x", "X", "o", "b") else 10)
    if not _FLOAT.fullmatch(text):
        raise _bad_number(text, f"`{text[:40]}` is not a number")
    return _float(text, plain)


def _float(text: str, plain: str) -> float:
    try:
        value = float.fromhex(plain) if plain[1:2] in ("x", "X") else float(plain)
    except OverflowError:
        value = float("inf")
    if value == float("inf"):
        raise _bad_number(text, f"`{text[:40]}` is larger than any 64-bit float")
    return value


def _bad_number(text: str, message: str) -> LiteralError:
    return LiteralError("lex-bad-number", message, 0, len(text))


def string_value(text: str) -> str:
    """The value of a string literal with its quotes. Bytes that are not UTF-8 (`\\xff`) are lone surrogates:
    `value.encode("utf-8", "surrogateescape")` gives the bytes. Errors: lex-bad-escape."""
    if "\\" not in text and text.isascii():
        return text[1:-1]
    return _bytes(text).decode("utf-8", "surrogateescape")


def char_value(text: str) -> int:
    """The code of a character literal with its quotes. Errors: lex-bad-escape, lex-bad-char."""
    data = _bytes(text)
    value = data.decode("utf-8", "surrogateescape")
    if len(value) != 1:
        message = f"expected one character between `'`, found {len(value)}"
        raise LiteralError("lex-bad-char", message, 0, len(text))
    return data[0] if len(data) == 1 else ord(value)


def _bytes(text: str) -> bytes:
    pieces = _PIECE.finditer(text, 1, len(text) - 1)
    return b"".join(_piece(piece[0], piece.start()) for piece in pieces)


def _piece(piece: str, start: int) -> bytes:
    if piece[0] != "\\":
        try:
            return piece.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise _bad_escape("text is not valid Unicode", start, len(piece)) from None
    match = _ESCAPE.fullmatch(piece)
    if match is None:
        raise _bad_escape(f"unknown escape `{piece}`", start, len(piece))
    if match["hex"]:
        return bytes([int(match["hex"], 16)])
    return _SIMPLE[match["simple"]] if match["simple"] else _code_point(piece, int(match["code"], 16), start)


def _code_point(piece: str, code: int, start: int) -> bytes:
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise _bad_escape(f"`{piece}` is not a Unicode character", start, len(piece))
    return chr(code).encode()


def _bad_escape(message: str, start: int, length: int) -> LiteralError:
    return LiteralError("lex-bad-escape", message, start, start + length)
