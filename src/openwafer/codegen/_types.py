"""How the types of the typed IR look in LLVM.

In registers: `iN`/`uN` are iN, bool i1, f16 its 16 bits as i16 (`half` would bring in library calls), f32
float, a DSD a vector of 16 i16. In memory: integers 1, 2, 4 or 8 bytes, extended by their sign; bool 2
bytes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
POINTER = ir.PointerType()
DSD = ir.VectorType(I16, 16)
DSD_SIZE = 32


def is_float(type_: str) -> bool:
    return type_ in ("f16", "f32")


def is_signed(type_: str) -> bool:
    return type_.startswith("i")


def bits_of(type_: str) -> int:
    """Width of an integer type."""
    return int(type_[1:])


@cache
def register_type(type_: str) -> Any:
    """The LLVM type of a value."""
    match type_:
        case "bool":
            return I1
        case "f16":
            return I16
        case "f32":
            return F32
        case "dsd":
            return DSD
        case _:
            return ir.IntType(bits_of(type_))


@cache
def size_of(type_: str) -> int:
    """Bytes in the PE's memory."""
    match type_:
        case "bool" | "f16":
            return 2
        case "f32":
            return 4
        case "dsd":
            return DSD_SIZE
        case _:
            return next(size for size in (1, 2, 4, 8) if 8 * size >= bits_of(type_))


def memory_type(type_: str) -> Any:
    """The LLVM type of a value in the PE's memory."""
    return register_type(type_) if type_ in ("f32", "dsd") else ir.IntType(8 * size_of(type_))


def zero(type_: str) -> ir.Constant:
    """The value that slots hold at the start."""
    return ir.Constant(register_type(type_), None)


def resize(builder: ir.IRBuilder, value: Any, bits: int, *, signed: bool) -> Any:
    """An integer value with another width."""
    if value.type.width == bits:
        return value
    if value.type.width > bits:
        return builder.trunc(value, ir.IntType(bits))
    return builder.sext(value, ir.IntType(bits)) if signed else builder.zext(value, ir.IntType(bits))


def to_memory(builder: ir.IRBuilder, type_: str, value: Any) -> Any:
    """A value as it lies in memory."""
    if type_ in ("f32", "dsd"):
        return value
    return resize(builder, value, 8 * size_of(type_), signed=is_signed(type_))


def from_memory(builder: ir.IRBuilder, type_: str, value: Any) -> Any:
    """The value of what lies in memory."""
    if type_ in ("f32", "dsd", "f16"):
        return value
    if type_ == "bool":
        return builder.icmp_unsigned("!=", value, value.type(0))
    return resize(builder, value, bits_of(type_), signed=False)


def from_word(builder: ir.IRBuilder, type_: str, word: Any) -> Any:
    """The value in the low bits of a 32- or 64-bit word (an argument, a parameter cell)."""
    if type_ == "f32":
        return builder.bitcast(resize(builder, word, 32, signed=False), F32)
    if type_ == "bool":
        return builder.icmp_unsigned("!=", word, word.type(0))
    return resize(builder, word, 16 if type_ == "f16" else bits_of(type_), signed=False)


def to_word(builder: ir.IRBuilder, type_: str, value: Any) -> Any:
    """The bits of a scalar in an i32."""
    if type_ == "f32":
        return builder.bitcast(value, I32)
    return resize(builder, value, 32, signed=is_signed(type_))
