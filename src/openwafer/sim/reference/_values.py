"""Scalars of the reference engine: how each type is represented and what each operation gives.

An integer is a Python int in the range of its type, a bool 0 or 1, a float *its bits*, a DSD a tuple of 16
words. Floats round once, to nearest even; sums, products, quotients and roots of f16 and f32 are computed in
f64, whose 53 bits make the second rounding harmless (2·24 + 2 ≤ 53).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

Value: TypeAlias = int | tuple[int, ...]
DSD_WORDS = 16

_FLOATS = {"f16": ("<e", "<H"), "f32": ("<f", "<I")}
_BITS = {"f16": 16, "f32": 32, "bool": 1, "dsd": 256, "void": 0}
_SIGN = {"f16": 0x8000, "f32": 0x8000_0000}
_INFINITY = {"f16": 0x7C00, "f32": 0x7F80_0000}


def is_float(type: str) -> bool:
    return type in _FLOATS


def is_signed(type: str) -> bool:
    return type[0] == "i"


@cache
def bits_of(type: str) -> int:
    """Width in bits."""
    return _BITS[type] if type in _BITS else int(type[1:])


@cache
def size_of(type: str) -> int:
    """Bytes in memory: 1, 2, 4 or 8; bool 2, a DSD 32."""
    if type in ("bool", "dsd"):
        return 2 if type == "bool" else 2 * DSD_WORDS
    bits = bits_of(type)
    return next(size for size in (1, 2, 4, 8) if bits <= 8 * size)


def zero_of(type: str) -> Value:
    return (0,) * DSD_WORDS if type == "dsd" else 0


@cache
def wrapper(type: str) -> Callable[[int], int]:
    """The function that reduces any integer to the range of an integer type (or to the bits of a float)."""
    mask = (1 << bits_of(type)) - 1
    if not is_signed(type):
        return lambda n: n & mask
    half = (mask + 1) >> 1
    return lambda n: ((n + half) & mask) - half


def to_float(type: str, bits: int) -> float:
    """The number that the bits of an f16 or f32 stand for."""
    as_float, as_int = _FLOATS[type]
    return struct.unpack(as_float, struct.pack(as_int, bits))[0]


def from_float(type: str, number: float) -> int:
    """Bits of the f16 or f32 nearest to `number`, ties to even, infinity beyond the range."""
    as_float, as_int = _FLOATS[type]
    try:
        return struct.unpack(as_int, struct.pack(as_float, number))[0]
    except OverflowError:
        return _INFINITY[type] | (_SIGN[type] if number < 0 else 0)


def from_integer(type: str, n: int) -> int:
    """Bits of the float nearest to an integer of any size; rounded once."""
    spare = abs(n).bit_length() - 53
    if spare > 0:  # keep 53 bits, the last one saying whether anything was lost
        n = (abs(n) >> spare | bool(abs(n) & ((1 << spare) - 1))) * (1 if n > 0 else -1)
    return from_float(type, math.ldexp(float(n), max(spare, 0)))


def to_integer(type: str, number: float) -> int:
    """A float truncated and saturated to an integer type; NaN gives 0."""
    bits, signed = bits_of(type), is_signed(type)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if math.isnan(number):
        return 0
    if math.isinf(number):
        return high if number > 0 else low
    return min(max(math.trunc(number), low), high)


def fused(a: float, b: float, c: float) -> float:
    """a·b + c of numbers of at most 24 bits, exact or rounded to odd, so that one more rounding is right."""
    product = a * b
    total = product + c
    if not math.isfinite(total):
        return total
    back = total - product
    lost = (product - (total - back)) + (c - back)
    is_odd = struct.unpack("<q", struct.pack("<d", total))[0] & 1
    return total if lost == 0 or is_odd else math.nextafter(total, math.copysign(math.inf, lost))


def divide(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def remainder(a: float, b: float) -> float:
    """C's fmod: exact, with the sign of `a`."""
    return math.nan if b == 0 or math.isinf(a) else math.fmod(a, b)


def square_root(a: float) -> float:
    return math.nan if a < 0 else math.sqrt(a)


def truncating_quotient(a: int, b: int) -> int:
    """Division towards zero; ZeroDivisionError for b = 0."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def shift_left(a: int, amount: int, bits: int) -> int:
    return a << amount if 0 <= amount < bits else 0


def shift_right(a: int, amount: int, bits: int) -> int:
    """Arithmetic for negative `a`; by the width or more gives 0 or -1. A negative amount is a large one."""
    return a >> (amount if 0 <= amount < bits else bits)


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}
_FLOAT_BINARY: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": divide,
    "rem": remainder,
}
_INT_BINARY: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": truncating_quotient,
    "rem": lambda a, b: a - b * truncating_quotient(a, b),
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}


@cache
def binary(op: str, type: str) -> Callable[[int, int], int]:
    """The function of a `Binary` whose left operand has `type`."""
    if op in _COMPARE:
        compare = _COMPARE[op]
        if is_float(type):
            return lambda a, b: int(compare(to_float(type, a), to_float(type, b)))
        return lambda a, b: int(compare(a, b))
    if is_float(type):
        of_floats = _FLOAT_BINARY[op]
        return lambda a, b: from_float(type, of_floats(to_float(type, a), to_float(type, b)))
    wrap, bits = wrapper(type), bits_of(type)
    if op == "shl":
        return lambda a, b: wrap(shift_left(a, b, bits))
    if op == "shr":
        return lambda a, b: shift_right(a, b, bits)
    of_ints = _INT_BINARY[op]
    return lambda a, b: wrap(of_ints(a, b))


@cache
def unary(op: str, type: str) -> Callable[[int], int]:
    """The function of a `Unary` of `type`."""
    if op == "not":
        return lambda a: 1 - a
    if is_float(type):
        sign = _SIGN[type]
        return lambda a: a ^ sign
    wrap = wrapper(type)
    return (lambda a: wrap(-a)) if op == "neg" else (lambda a: wrap(~a))


@cache
def cast(source: str, dest: str) -> Callable[[int], int]:
    """Numeric conversion from `source` to `dest`."""
    if dest == "bool":
        return (lambda a: int(to_float(source, a) != 0)) if is_float(source) else (lambda a: int(a != 0))
    if is_float(source):
        if is_float(dest):
            return (lambda a: a) if source == dest else (lambda a: from_float(dest, to_float(source, a)))
        return lambda a: to_integer(dest, to_float(source, a))
    return (lambda a: from_integer(dest, a)) if is_float(dest) else wrapper(dest)


def round_half_away(a: float) -> float:
    return a if not math.isfinite(a) else math.copysign(math.floor(abs(a) + 0.5), a)


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda a: math.copysign(function(a), a) if math.isfinite(a) else a


_MATH: dict[str, Callable[[float], float]] = {
    "sqrt": square_root,
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "trunc": _whole(math.trunc),
    "rint": _whole(round),
    "round": round_half_away,
}


def leading_zeros(a: int, bits: int) -> int:
    return bits - (a & (1 << bits) - 1).bit_length()


def trailing_zeros(a: int, bits: int) -> int:
    return (a & -a).bit_length() - 1 if a else bits


def ones(a: int, bits: int) -> int:
    return (a & (1 << bits) - 1).bit_count()


def maximum(type: str, a: int, b: int) -> int:
    """maxNum of two floats given and returned as bits: a NaN loses, and +0 is greater than -0."""
    x, y = to_float(type, a), to_float(type, b)
    if math.isnan(x) or math.isnan(y):
        return b if math.isnan(x) else a
    return a & b if x == y else (a if x > y else b)


def absolute(type: str) -> Callable[[int], int]:
    if is_float(type):
        mask = _SIGN[type] - 1
        return lambda a: a & mask
    wrap = wrapper(type)
    return lambda a: wrap(abs(a))


def greatest(type: str) -> Callable[[int, int], int]:
    return (lambda a, b: maximum(type, a, b)) if is_float(type) else max


def least(type: str) -> Callable[[int, int], int]:
    """minNum of floats: the negative of the maximum of the negatives."""
    if not is_float(type):
        return min
    sign = _SIGN[type]
    return lambda a, b: maximum(type, a ^ sign, b ^ sign) ^ sign


_COUNT = {"clz": leading_zeros, "ctz": trailing_zeros, "popcnt": ones}
_PLAIN: dict[str, Callable[[str], Callable[..., int]]] = {"abs": absolute, "max": greatest, "min": least}


def _counter(name: str, type: str) -> Callable[[int], int]:
    count, bits = _COUNT[name], bits_of(type)
    return lambda a: count(a, bits)


def _of_float(name: str, type: str) -> Callable[[int], int]:
    function = _MATH[name]
    return lambda a: from_float(type, function(to_float(type, a)))


@cache
def intrinsic(name: str, type: str) -> Callable[..., int]:
    """The function of an `Intrinsic` on operands of `type`; KeyError for an unknown name."""
    name = {"fabs": "abs", "fmax": "max", "fmin": "min"}.get(name, name)
    if name in _COUNT:
        return _counter(name, type)
    return _PLAIN[name](type) if name in _PLAIN else _of_float(name, type)
