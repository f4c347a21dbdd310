"""Arithmetic on known numbers, with the wrap-around and rounding of their types."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from openwafer.csl.values import _types as ty

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}
MAX_COMPTIME_BITS = 4096
"""Widest comptime_int: a bound on what a compile-time loop of multiplications can cost."""


class NumberError(Exception):
    """An operation without a result; `args` are the diagnostic id and the message."""


def round_float(value: float, t: ty.Type) -> float:
    """`value` rounded once to the type; comptime_float is double."""
    if t is ty.F32:
        with np.errstate(over="ignore"):
            return float(np.float32(value))
    if t is ty.F16:
        with np.errstate(over="ignore"):
            return float(np.float16(value))
    if t is ty.BF16:
        return _round_bits(value, 8)
    if t is ty.CB16:
        return _round_bits(value, 10)
    return float(value)


def _round_bits(value: float, precision: int) -> float:
    """Round to `precision` significant bits, ties to even (range is not limited)."""
    if value == 0 or not math.isfinite(value):
        return value
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * (1 << precision)), exponent - precision)


def convert(value: Any, t: ty.Type) -> Any:
    """What `@as` gives: integers wrap, floats truncate towards zero into integers and round into floats."""
    if t is ty.BOOL:
        return value != 0 or value != value
    if isinstance(t, ty.IntType):
        return t.wrap(_to_int(value, t))
    if t is ty.COMPTIME_INT:
        return int(value)
    return round_float(value, t)


def _to_int(value: Any, t: ty.IntType) -> int:
    if not isinstance(value, float):
        return int(value)
    if math.isnan(value):
        return 0
    return t.low if value <= t.low else t.high if value >= t.high else int(value)


def binary(op: str, t: ty.Type, a: Any, b: Any) -> Any:
    """`a op b` for operands already of type `t`; raises NumberError."""
    if ty.is_float(t):
        return _float_binary(op, t, float(a), float(b))
    result = _INT_OPS[op](a, b)
    if isinstance(t, ty.IntType):
        return t.wrap(result)
    if result.bit_length() > MAX_COMPTIME_BITS:
        raise NumberError("comptime-overflow", f"comptime_int of more than {MAX_COMPTIME_BITS} bits")
    return result


def shift(op: str, t: ty.Type, a: int, amount: int) -> int:
    """`a << amount`, `a >> amount`; shifts by the width or more give 0 (-1 for negative `>>`)."""
    if amount < 0:
        raise NumberError("negative-shift", f"shift by {amount}")
    if not isinstance(t, ty.IntType):
        if op == "<<" and amount > MAX_COMPTIME_BITS:
            raise NumberError("comptime-overflow", f"shift of a comptime_int by {amount}")
        return a << amount if op == "<<" else a >> amount
    amount = min(amount, t.bits)
    return t.wrap(a << amount if op == "<<" else a >> amount)


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise NumberError("divide-by-zero", f"{a} / 0")
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder(a: int, b: int) -> int:
    if b == 0:
        raise NumberError("divide-by-zero", f"{a} % 0")
    return a - b * _divide(a, b)


def _multiply(a: int, b: int) -> int:
    if a.bit_length() + b.bit_length() > 2 * MAX_COMPTIME_BITS:
        raise NumberError("comptime-overflow", f"comptime_int of more than {MAX_COMPTIME_BITS} bits")
    return a * b


_INT_OPS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": _multiply,
    "/": _divide,
    "%": _remainder,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
}


def _float_binary(op: str, t: ty.Type, a: float, b: float) -> float:
    match op:
        case "+":
            result = a + b
        case "-":
            result = a - b
        case "*":
            result = a * b
        case "/":
            result = _float_divide(t, a, b)
        case "%":
            if b == 0:
                raise NumberError("divide-by-zero", f"{a} % 0")
            result = math.fmod(a, b)
        case _:
            raise NumberError("bad-operand", f"`{op}` needs integers, not {t}")
    return round_float(result, t)


def _float_divide(t: ty.Type, a: float, b: float) -> float:
    if b != 0:
        return a / b
    if t is ty.COMPTIME_FLOAT:
        raise NumberError("divide-by-zero", f"{a} / 0.0")
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def encode(value: Any, t: ty.Type) -> bytes:
    """Little-endian bytes of a known scalar in PE memory."""
    if isinstance(t, ty.FloatType):
        if t is ty.F32:
            return struct.pack("<f", value) if math.isfinite(value) else np.float32(value).tobytes()
        if t is ty.F16:
            return np.float16(value).tobytes()
        raise NumberError("not-supported-fp16", f"{t} at run time")
    size = ty.size_of(t)
    return (int(value) & ((1 << (8 * size)) - 1)).to_bytes(size, "little")


def to_bits(value: Any, t: ty.Type) -> int:
    """The bit pattern of a known scalar as an unsigned integer."""
    if t is ty.CB16 or t is ty.BF16:
        return _narrow_bits(value, t)
    return int.from_bytes(encode(value, t), "little")


def from_bits(bits: int, t: ty.Type) -> Any:
    """The scalar of type `t` with this bit pattern."""
    if isinstance(t, ty.IntType):
        return t.wrap(bits)
    if t is ty.F32:
        return float(np.uint32(bits).view(np.float32))
    if t is ty.F16:
        return float(np.uint16(bits).view(np.float16))
    if t is ty.BOOL:
        return bool(bits)
    return bits


def _narrow_bits(value: float, t: ty.Type) -> int:
    """bf16 (8 exponent bits) and cb16 (6 exponent bits, bias 42) patterns of finite normal values."""
    mantissa_bits, bias, exponent_bits = (7, 127, 8) if t is ty.BF16 else (9, 42, 6)
    if value == 0 or not math.isfinite(value):
        return 0x8000 if math.copysign(1, value) < 0 else 0
    mantissa, exponent = math.frexp(abs(value))
    field = (exponent - 1 + bias) & ((1 << exponent_bits) - 1)
    fraction = round((mantissa * 2 - 1) * (1 << mantissa_bits))
    return (0x8000 if value < 0 else 0) | ((field << mantissa_bits) + fraction)
