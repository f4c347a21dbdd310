"""Expressions of cells, evaluated for many PEs (or iterations of a layout) at once.

What comes out is exactly what the evaluator computes for each of them: integers wrap to their type, floats
are rounded once an operation, a comptime_int has no width. Where arrays of int64 and float64 cannot do that,
and for operations that are not known here, `Inexact` is raised.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openwafer import tir

LIMIT = 1 << 62
"""Integers of 64 bits, and those without a width, stay below."""
WIDEST = 32
"""Wider integers do not wrap here."""

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")

Column = NDArray[Any]


class Inexact(Exception):
    """An expression whose values arrays do not compute as the evaluator does."""


def evaluate(expr: tir.Expr, columns: list[Column]) -> Any:
    """The expression with each cell replaced by its column. Diagnostics of the evaluator, divisions by zero
    for instance, are not looked for: guards keep such rows out."""
    with np.errstate(all="ignore"):
        return _value(expr, columns)


def agrees(expr: tir.Expr, expected: float, columns: list[Column]) -> NDArray[np.bool_]:
    """For which rows the expression gives `expected`; zeros of different sign are different."""
    value = evaluate(expr, columns)
    same = np.asarray(value == expected)
    if isinstance(expected, float) and expected == 0.0:
        same &= np.signbit(value) == np.signbit(expected)
    return same


def _value(expr: tir.Expr, columns: list[Column]) -> Any:
    match expr:
        case tir.Const(value=value):
            return value
        case tir.Param(type=t, index=index):
            return wrap(columns[index], t)
        case tir.Unary(op=op, type=t, a=a):
            return wrap(_unary(op, _value(a, columns)), t)
        case tir.Binary(op=op, type=t, a=a, b=b):
            return wrap(_binary(op, a.type, _value(a, columns), _value(b, columns)), t)
        case tir.Cast(type=t, a=a):
            return _cast(_value(a, columns), a.type, t)
        case tir.Bitcast(type=t, a=a) if _is_integer(t) and _is_integer(a.type):
            return wrap(_value(a, columns), t)
        case tir.Select(cond=c, a=a, b=b):
            return _where(_value(c, columns), _value(a, columns), _value(b, columns))
        case _:
            raise Inexact


def _where(condition: ArrayLike, a: ArrayLike, b: ArrayLike) -> Column:
    return np.where(condition, a, b)


def _is_integer(t: str) -> bool:
    return t[0] in "iu"


def wrap(x: Any, t: str) -> Any:
    """A result in its type."""
    if t == "bool":
        return x
    if t in ("f16", "f32"):
        return _rounded(x, t)
    if t == "i64":
        return _bounded(x)
    if not _is_integer(t) or int(t[1:]) > WIDEST:
        raise Inexact
    bits = int(t[1:])
    x = np.asarray(x).astype(np.int64) & ((1 << bits) - 1)
    return _where(x >> (bits - 1), x - (1 << bits), x) if t[0] == "i" and bits else x


def _rounded(x: Any, t: str) -> Any:
    return np.asarray(x, np.float64).astype(np.float16 if t == "f16" else np.float32).astype(np.float64)


def _bounded(x: Any) -> Any:
    if _most(x) >= LIMIT:
        raise Inexact
    return x


def _most(x: Any) -> int:
    """The largest magnitude among integers."""
    if isinstance(x, int):
        return abs(x)
    x = np.asarray(x)
    return max(abs(int(x.min())), abs(int(x.max()))) if x.size else 0


def _unary(op: str, x: Any) -> Any:
    return np.logical_not(x) if op == "not" else ~np.asarray(x) if op == "inv" else -x


def _cast(x: Any, source: str, t: str) -> Any:
    if t == "bool":
        return x != 0
    if source in ("f16", "f32") and _is_integer(t):
        return _truncated(x, t)
    return wrap(np.asarray(x).astype(np.int64) if source == "bool" and _is_integer(t) else x, t)


def _truncated(x: Any, t: str) -> Any:
    """Floats as integers: towards zero, at most the bounds of the type, 0 for NaN."""
    if t == "i64" or int(t[1:]) > WIDEST:
        raise Inexact
    bits = int(t[1:])
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if t[0] == "i" else (0, (1 << bits) - 1)
    return np.clip(np.nan_to_num(np.trunc(x), nan=0.0), low, high).astype(np.int64)


def _binary(op: str, t: str, a: Any, b: Any) -> Any:
    """`a op b` of operands of type `t`."""
    if t == "i64" and op not in COMPARISONS:
        _check_room(op, a, b)
    match op:
        case "add":
            return a + b
        case "sub":
            return a - b
        case "mul":
            return a * b
        case "div":
            return _divided(t, a, b)
        case "rem":
            return np.fmod(a, b) if t[0] == "f" else a - b * _divided(t, a, b)
        case "and":
            return a & b
        case "or":
            return a | b
        case "xor":
            return a ^ b
        case "shl" | "shr":
            return _shifted(op, t, a, b)
        case "eq":
            return a == b
        case "ne":
            return a != b
        case "lt":
            return a < b
        case "le":
            return a <= b
        case "gt":
            return a > b
        case "ge":
            return a >= b
        case _:
            raise Inexact


def _check_room(op: str, a: Any, b: Any) -> None:
    """Integers without a width: raises `Inexact` where int64 could be too narrow."""
    most = _most(a) * _most(b) if op == "mul" else _most(a) + _most(b)
    if most >= LIMIT:
        raise Inexact


def _divided(t: str, a: Any, b: Any) -> Any:
    """Towards zero; where an integer divisor is 0, anything."""
    if t[0] == "f":
        return np.asarray(a, np.float64) / b
    quotient = np.abs(a) // _where(np.asarray(b) == 0, 1, np.abs(b))
    return _where((np.asarray(a) < 0) == (np.asarray(b) < 0), quotient, -quotient)


def _shifted(op: str, t: str, a: Any, b: Any) -> Any:
    """Shifts by the width or more give 0, or -1 of what is negative."""
    if np.any(np.asarray(b) < 0):
        raise Inexact
    if t == "i64":
        room = LIMIT.bit_length() - 1 - _most(a).bit_length()
        if op == "shl" and _most(b) > room:
            raise Inexact
    b = np.minimum(np.asarray(b), LIMIT.bit_length() - 1 if t == "i64" else int(t[1:]))
    a = np.asarray(a).astype(np.int64)
    return a << b if op == "shl" else a >> b
