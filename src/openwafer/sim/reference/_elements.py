"""What each DSD operation computes of one element, on raw bits: the reference engine's own definition.

A function takes the bits of src0, of src1 and of the last scalar (0 for what the operation lacks) and gives
the bits of the destination's element.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from openwafer.sim.reference import _values as values

Element: TypeAlias = Callable[[int, int, int], int]

LOW_HALF = 0xFFFF
_SCALE_LIMIT = 400
"""Exponents beyond this overflow or underflow every f32 and keep f64 exact."""


def _signed(a: int) -> int:
    return values.wrapper("i16")(a)


def _convert(source: str, dest: str) -> Element:
    """Numeric conversion; a 16-bit integer arrives and leaves as its bits."""
    of = values.cast(source, dest)
    if source == "i16":
        return lambda a, b, s: of(_signed(a))
    return (lambda a, b, s: of(a) & LOW_HALF) if dest == "i16" else (lambda a, b, s: of(a))


def _arithmetic(op: str, type: str) -> Element:
    of = values.binary(op, type)
    return lambda a, b, s: of(a, b)


def _fused(acc: str, factor: str) -> Element:
    """src0 + src1 · scalar, rounded once to the type of src0."""

    def of(a: int, b: int, s: int) -> int:
        x, y, z = values.to_float(acc, a), values.to_float(factor, b), values.to_float(factor, s)
        return values.from_float(acc, values.fused(y, z, x))

    return of


def _scale(type: str) -> Element:
    """src0 · 2^scalar, the scalar an i16."""

    def of(a: int, b: int, s: int) -> int:
        exponent = min(max(_signed(s), -_SCALE_LIMIT), _SCALE_LIMIT)
        return values.from_float(type, math.ldexp(values.to_float(type, a), exponent))

    return of


def _normalize(type: str) -> Element:
    """The significand in ±[1, 2) of a finite number but 0; else the number itself."""

    def of(a: int, b: int, s: int) -> int:
        number = values.to_float(type, a)
        return (
            a
            if number == 0 or not math.isfinite(number)
            else values.from_float(type, 2 * math.frexp(number)[0])
        )

    return of


def _max(type: str) -> Element:
    return lambda a, b, s: values.maximum(type, a, b)


def _add_half_to_single(a: int, b: int, s: int) -> int:
    return values.from_float("f32", values.to_float("f32", a) + values.to_float("f16", b))


def _move(a: int, b: int, s: int) -> int:
    return a


_STATELESS: dict[str, Element] = {
    "mov16": _move,
    "mov32": _move,
    "fmovh": _move,
    "fmovs": _move,
    "add16": _arithmetic("add", "u16"),
    "sub16": _arithmetic("sub", "u16"),
    "and16": _arithmetic("and", "u16"),
    "or16": _arithmetic("or", "u16"),
    "xor16": _arithmetic("xor", "u16"),
    "sar16": lambda a, b, s: values.shift_right(_signed(a), b, 16) & LOW_HALF,
    "sll16": _arithmetic("shl", "u16"),
    "slr16": _arithmetic("shr", "u16"),
    "clz": lambda a, b, s: values.leading_zeros(a, 16),
    "ctz": lambda a, b, s: values.trailing_zeros(a, 16),
    "popcnt": lambda a, b, s: values.ones(a, 16),
    "faddh": _arithmetic("add", "f16"),
    "fadds": _arithmetic("add", "f32"),
    "fsubh": _arithmetic("sub", "f16"),
    "fsubs": _arithmetic("sub", "f32"),
    "fmulh": _arithmetic("mul", "f16"),
    "fmuls": _arithmetic("mul", "f32"),
    "fmaxh": _max("f16"),
    "fmaxs": _max("f32"),
    "fabsh": lambda a, b, s: a & 0x7FFF,
    "fabss": lambda a, b, s: a & 0x7FFF_FFFF,
    "fnegh": lambda a, b, s: a ^ 0x8000,
    "fnegs": lambda a, b, s: a ^ 0x8000_0000,
    "fnormh": _normalize("f16"),
    "fnorms": _normalize("f32"),
    "fh2s": _convert("f16", "f32"),
    "fs2h": _convert("f32", "f16"),
    "fh2xp16": _convert("f16", "i16"),
    "fs2xp16": _convert("f32", "i16"),
    "xp162fh": _convert("i16", "f16"),
    "xp162fs": _convert("i16", "f32"),
    "faddhs": _add_half_to_single,
    "fmach": _fused("f16", "f16"),
    "fmacs": _fused("f32", "f32"),
    "fmachs": _fused("f32", "f16"),
    "fscaleh": _scale("f16"),
    "fscales": _scale("f32"),
}


def _add_with_carry() -> Element:
    """A sum whose carry goes into the next element; 0 at the first."""
    carry = 0

    def of(a: int, b: int, s: int) -> int:
        nonlocal carry
        total = a + b + carry
        carry = total >> 16
        return total & LOW_HALF

    return of


def element_function(op: str) -> Element:
    """The function of operation `op`, fresh for one run of it."""
    return _add_with_carry() if op == "addc16" else _STATELESS[op]
