"""Expressions of cells over arrays give what the evaluator's own arithmetic gives for each number."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from openwafer import tir
from openwafer.csl.layout._cell_values import Inexact, agrees, evaluate
from openwafer.csl.values import _numbers as numbers
from openwafer.csl.values import _types as ty

TYPES: dict[str, ty.Type] = {
    "u8": ty.IntType(8, False),
    "u16": ty.U16,
    "i16": ty.I16,
    "u32": ty.U32,
    "i32": ty.I32,
    "i64": ty.COMPTIME_INT,
    "f16": ty.F16,
    "f32": ty.F32,
    "bool": ty.BOOL,
}
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "rem": "%", "and": "&", "or": "|", "xor": "^"}
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
ROWS = 24


def known(rng: random.Random, t: str) -> Any:
    if t == "bool":
        return rng.random() < 0.5
    if t[0] == "f":
        number = rng.choice((0.0, -0.0, 1.5, 1e-7, -70000.0, 300.25, rng.uniform(-9, 9)))
        return numbers.round_float(number, TYPES[t])
    kind = TYPES[t]
    low, high = (kind.low, kind.high) if isinstance(kind, ty.IntType) else (-(1 << 31), (1 << 32) - 1)
    return rng.choice((low, high, 0, 1, rng.randint(low, high), min(high, rng.randrange(9))))


def expression(rng: random.Random, t: str, columns: list[str], depth: int) -> tir.Expr:
    if depth == 0:
        cells = [i for i, kind in enumerate(columns) if kind == t]
        if cells and rng.random() < 0.7:
            return tir.Param(t, rng.choice(cells))
        return tir.Const(t, known(rng, t))
    if t == "bool":
        return _test(rng, columns, depth)
    pick = rng.random()
    if pick < 0.2:
        return tir.Cast(t, expression(rng, rng.choice(list(TYPES)), columns, depth - 1))
    if pick < 0.3:
        return tir.Unary(
            "neg" if t[0] == "f" else rng.choice(("neg", "inv")), t, expression(rng, t, columns, depth - 1)
        )
    if pick < 0.4:
        arms = [expression(rng, t, columns, depth - 1) for _ in range(2)]
        return tir.Select(t, _test(rng, columns, depth), arms[0], arms[1])
    if pick < 0.5 and t[0] != "f":
        amount = tir.Const("u16", rng.randrange(40))
        return tir.Binary(rng.choice(("shl", "shr")), t, expression(rng, t, columns, depth - 1), amount)
    op = rng.choice(("add", "sub", "mul", "div") if t[0] == "f" else list(OPERATORS))
    return tir.Binary(op, t, *(expression(rng, t, columns, depth - 1) for _ in range(2)))


def _test(rng: random.Random, columns: list[str], depth: int) -> tir.Expr:
    t = rng.choice([kind for kind in TYPES if kind != "bool"])
    sides = [expression(rng, t, columns, depth - 1) for _ in range(2)]
    return tir.Binary(rng.choice(list(COMPARISONS)), "bool", *sides)


def value(node: tir.Expr, row: list[Any]) -> Any:
    """For one row, by the arithmetic of constants."""
    match node:
        case tir.Const(value=number):
            return number
        case tir.Param(index=index):
            return row[index]
        case tir.Cast(type=t, a=a):
            return numbers.convert(value(a, row), TYPES[t])
        case tir.Unary(op=op, type=t, a=a):
            number = value(a, row)
            number = ~number if op == "inv" else -number
            return TYPES[t].wrap(number) if isinstance(TYPES[t], ty.IntType) else number
        case tir.Select(cond=c, a=a, b=b):
            both = value(a, row), value(b, row)
            return both[0] if value(c, row) else both[1]
        case tir.Binary(op="shl" | "shr" as op, type=t, a=a, b=b):
            sign = "<<" if op == "shl" else ">>"
            return numbers.shift(sign, TYPES[t], value(a, row), value(b, row))
        case tir.Binary(op=op, a=a, b=b) if op in COMPARISONS:
            return numbers.COMPARISONS[COMPARISONS[op]](value(a, row), value(b, row))
        case tir.Binary(op=op, type=t, a=a, b=b):
            return numbers.binary(OPERATORS[op], TYPES[t], value(a, row), value(b, row))
        case _:
            raise AssertionError(node)


def is_same(a: Any, b: Any) -> bool:
    if isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return int(a) == int(b)


@pytest.mark.parametrize("seed", range(40))
def test_arrays_compute_what_single_numbers_do(seed: int) -> None:
    rng, compared = random.Random(seed), 0
    kinds = list(TYPES)
    for _ in range(40):
        rows = [[known(rng, t) for t in kinds] for _ in range(ROWS)]
        columns = [
            np.array(column, np.float64 if t[0] == "f" else np.int64)
            for t, column in zip(kinds, zip(*rows, strict=True), strict=True)
        ]
        node = expression(rng, rng.choice(kinds), kinds, 3)
        try:
            found = np.broadcast_to(evaluate(node, columns), ROWS).tolist()
            expected = [value(node, row) for row in rows]
        except (Inexact, numbers.NumberError, OverflowError, ValueError):
            continue
        compared += 1
        assert all(map(is_same, found, expected)), (node, found, expected)
    assert compared >= 10


@pytest.mark.parametrize(
    "node",
    [
        tir.Bitcast("u32", tir.Param("f32", 0)),
        tir.Binary("ne", "bool", tir.Bitcast("u32", tir.Param("f32", 0)), tir.Const("u32", 0)),
        tir.Binary("mul", "i64", tir.Const("i64", 1 << 40), tir.Const("i64", 1 << 40)),
        tir.Binary("shl", "i64", tir.Const("i64", 1), tir.Const("u16", 62)),
        tir.Cast("u64", tir.Param("f32", 0)),
        tir.Coord(0),
    ],
)
def test_what_arrays_cannot_compute_is_refused(node: tir.Expr) -> None:
    with pytest.raises(Inexact):
        evaluate(node, [np.zeros(3)])


def test_zeros_of_different_sign_do_not_agree() -> None:
    node = tir.Unary("neg", "f32", tir.Param("f32", 0))
    assert agrees(node, 0.0, [np.array([0.0, -0.0])]).tolist() == [False, True]
    assert agrees(node, -0.0, [np.array([0.0, -0.0])]).tolist() == [True, False]
