"""DSD values as typed IR: records of 16 words, and changing one word of them."""

from __future__ import annotations

from openwafer import tir
from openwafer.tir import DsdWord

ZERO = tir.Const("u16", 0)


def make(words: dict[DsdWord, tir.Expr | int]) -> tir.DsdMake:
    """A record with the given words, the rest 0."""
    out: list[tir.Expr] = [ZERO] * len(DsdWord)
    for word, value in words.items():
        out[word] = tir.Const("u16", value & 0xFFFF) if isinstance(value, int) else as_word(value)
    return tir.DsdMake(tuple(out))


def as_word(ir: tir.Expr) -> tir.Expr:
    """`ir` as a 16-bit word."""
    if isinstance(ir, tir.Const):
        return tir.Const("u16", int(ir.value) & 0xFFFF)
    return ir if ir.type in ("u16", "i16") else tir.Cast("u16", ir)


def get(record: tir.Expr, word: DsdWord) -> tir.Expr:
    if isinstance(record, tir.DsdMake):
        return record.words[word]
    return tir.DsdGet(record, word)


def replaced(record: tir.Expr, word: DsdWord, value: tir.Expr) -> tir.Expr:
    """`record` with one word replaced."""
    if isinstance(record, tir.DsdMake):
        words = list(record.words)
        words[word] = as_word(value)
        return tir.DsdMake(tuple(words))
    return tir.DsdWith(record, word, as_word(value))


def scaled(number: tir.Expr, size: int) -> tir.Expr:
    """A number of elements as bytes, modulo 2**16; also any other constant factor."""
    if isinstance(number, tir.Const):
        return tir.Const("u16", (int(number.value) * size) & 0xFFFF)
    word = as_word(number)
    return word if size == 1 else tir.Binary("mul", word.type, word, tir.Const(word.type, size))


def times(a: tir.Expr, b: tir.Expr) -> tir.Expr:
    """Product of two words; constants are folded."""
    if isinstance(a, tir.Const) and isinstance(b, tir.Const):
        return tir.Const("u16", (int(a.value) * int(b.value)) & 0xFFFF)
    for x, y in ((a, b), (b, a)):
        if isinstance(y, tir.Const):
            return scaled(x, int(y.value))
    return tir.Binary("mul", "u16", as_u16(a), as_u16(b))


def as_u16(ir: tir.Expr) -> tir.Expr:
    word = as_word(ir)
    return word if word.type == "u16" else tir.Cast("u16", word)


def plus(a: tir.Expr, b: tir.Expr) -> tir.Expr:
    """Sum of two words; constants and addresses are folded."""
    if isinstance(b, tir.Const) and int(b.value) == 0:
        return a
    if isinstance(a, tir.Addr) and isinstance(b, tir.Const):
        signed = int(b.value) - 0x10000 if int(b.value) >= 0x8000 else int(b.value)
        return tir.Addr(a.symbol, a.offset + signed)
    b = b if b.type == a.type else tir.Cast(a.type, b)
    return tir.Binary("add", a.type, a, b)


def fitted(record: tir.Expr, element_bytes: int) -> tir.Expr:
    """A memory DSD whose elements are so wide: strides count elements of the operation, whatever the array
    holds.

    Only a record whose element width is known at compile time changes; operations fit the others as they
    begin."""
    if not isinstance(record, tir.DsdMake):
        return record
    old = record.words[DsdWord.ELEMENT_BYTES]
    if not isinstance(old, tir.Const) or int(old.value) in (0, element_bytes):
        return record
    words = list(record.words)
    for at in (DsdWord.STRIDE0, DsdWord.STRIDE1, DsdWord.STRIDE2, DsdWord.STRIDE3):
        words[at] = _rescaled(words[at], int(old.value), element_bytes)
    words[DsdWord.ELEMENT_BYTES] = tir.Const("u16", element_bytes)
    return tir.DsdMake(tuple(words))


STRIDES = (DsdWord.STRIDE0, DsdWord.STRIDE1, DsdWord.STRIDE2, DsdWord.STRIDE3)


def fitted_at_run_time(record: tir.Expr, element_bytes: int, dimensions: int) -> list[tir.Expr]:
    """The strides of the first dimensions of a record of any element width, fitted to another."""
    old = get(record, DsdWord.ELEMENT_BYTES)
    is_same = tir.Binary("eq", "bool", old, tir.Const("u16", element_bytes))
    op = "shl" if element_bytes > 2 else "shr"
    out: list[tir.Expr] = []
    for word in STRIDES[:dimensions]:
        stride = tir.Cast("i16", as_u16(get(record, word)))
        other = tir.Binary(op, "i16", stride, tir.Const("u16", 1))
        out.append(as_word(tir.Select("i16", is_same, stride, other)))
    return out


def _rescaled(stride: tir.Expr, old: int, new: int) -> tir.Expr:
    """A signed stride of elements of `old` bytes as one of `new` bytes."""
    if isinstance(stride, tir.Const):
        signed = (int(stride.value) ^ 0x8000) - 0x8000
        return tir.Const("u16", signed // old * new & 0xFFFF)
    counted = tir.Binary("div", "i16", tir.Cast("i16", stride), tir.Const("i16", old))
    return as_word(tir.Binary("mul", "i16", counted, tir.Const("i16", new)))
