"""Scalars of the reference engine against NumPy and exact fractions."""

from __future__ import annotations

import math
import random
import struct
from fractions import Fraction

import numpy as np
import pytest

from openwafer.sim.reference import _values as values

NUMPY = {"f16": (np.float16, np.uint16), "f32": (np.float32, np.uint32)}


def bits(type: str, number: float) -> int:
    return values.from_float(type, number)


def random_bits(type: str, rng: random.Random) -> int:
    """Bits of a number that is not NaN; often near a boundary."""
    special = (0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, 65504.0, 6e-8, 1e-7, 0.1, 3.0)
    while rng.random() < 0.8:
        candidate = rng.getrandbits(values.bits_of(type))
        if not math.isnan(values.to_float(type, candidate)):
            return candidate
    return bits(type, rng.choice(special))


@pytest.mark.parametrize("type", ["f16", "f32"])
@pytest.mark.parametrize(
    ("op", "function"), [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide)]
)
def test_float_arithmetic_is_that_of_numpy(type: str, op: str, function: np.ufunc) -> None:
    rng = random.Random(f"{type}{op}")
    number, integer = NUMPY[type]
    for _ in range(2000):
        a, b = random_bits(type, rng), random_bits(type, rng)
        with np.errstate(all="ignore"):
            expected = function(integer(a).view(number), integer(b).view(number))
        result = values.binary(op, type)(a, b)
        assert result == expected.view(integer) or (
            np.isnan(expected) and math.isnan(values.to_float(type, result))
        )


def exactly_rounded(type: str, exact: Fraction) -> int:
    """The nearest finite number of `type`, ties to even; found among the neighbours of an estimate."""
    width, as_int = (2, "<H") if type == "f16" else (4, "<I")
    estimate = values.from_float(type, float(exact))
    near = [n for n in range(estimate - 2, estimate + 3) if 0 <= n < 1 << 8 * width]
    finite = [n for n in near if math.isfinite(values.to_float(type, n))]
    assert struct.calcsize(as_int) == width
    return min(finite, key=lambda n: (abs(Fraction(values.to_float(type, n)) - exact), n & 1))


@pytest.mark.parametrize("type", ["f16", "f32"])
def test_fused_rounds_once(type: str) -> None:
    rng = random.Random(type)
    for _ in range(5000):
        a, b, c = (values.to_float(type, random_bits(type, rng)) for _ in range(3))
        if rng.random() < 0.7 and all(map(math.isfinite, (a, b))):  # cancellation and ties
            c = values.to_float(
                type, values.from_float(type, -a * b * rng.choice([1, 2**-11, 2**-24, 2**13]))
            )
        exact = Fraction(a) * Fraction(b) + Fraction(c) if all(map(math.isfinite, (a, b, c))) else None
        limit = 65504 if type == "f16" else 3.4e38
        if exact is None or not 0 < abs(exact) < limit:
            continue
        assert values.from_float(type, values.fused(a, b, c)) == exactly_rounded(type, exact), (a, b, c)


def test_fused_differs_from_two_roundings() -> None:
    a = 1 + 2**-12
    two = np.float32(np.float32(a) * np.float32(a)) - np.float32(1 + 2**-11)
    assert two == 0 and values.fused(a, a, -(1 + 2**-11)) == 2**-24


@pytest.mark.parametrize(
    ("op", "type", "a", "b", "expected"),
    [
        ("add", "u16", 0xFFFF, 1, 0),
        ("add", "i16", 0x7FFF, 1, -0x8000),
        ("sub", "u8", 0, 1, 255),
        ("mul", "i16", -0x8000, -1, -0x8000),
        ("div", "i16", -7, 2, -3),
        ("div", "i16", 7, -2, -3),
        ("div", "i16", -0x8000, -1, -0x8000),
        ("rem", "i16", -7, 2, -1),
        ("rem", "i16", 7, -2, 1),
        ("rem", "i16", -0x8000, -1, 0),
        ("div", "u64", 2**64 - 1, 3, (2**64 - 1) // 3),
        ("shl", "u16", 1, 15, 0x8000),
        ("shl", "u16", 1, 16, 0),
        ("shl", "u16", 1, -1, 0),
        ("shr", "u16", 0x8000, 16, 0),
        ("shr", "i16", -0x8000, 15, -1),
        ("shr", "i16", -5, 100, -1),
        ("shr", "i16", 5, 100, 0),
        ("xor", "i16", -1, 0x55, ~0x55),
        ("lt", "i16", -1, 0, 1),
        ("lt", "u3", 7, 0, 0),
    ],
)
def test_integers(op: str, type: str, a: int, b: int, expected: int) -> None:
    assert values.binary(op, type)(a, b) == expected


def test_division_by_zero() -> None:
    with pytest.raises(ZeroDivisionError):
        values.binary("div", "u16")(1, 0)
    assert values.binary("div", "f32")(bits("f32", -1), bits("f32", 0)) == bits("f32", -math.inf)


def test_comparisons_with_nan_are_false_but_ne() -> None:
    nan, one = bits("f32", math.nan), bits("f32", 1)
    results = {op: values.binary(op, "f32")(nan, one) for op in ("eq", "ne", "lt", "le", "gt", "ge")}
    assert results == {"eq": 0, "ne": 1, "lt": 0, "le": 0, "gt": 0, "ge": 0}


def test_negation_keeps_the_payload_of_a_nan() -> None:
    assert values.unary("neg", "f32")(0x7FA0_1234) == 0xFFA0_1234
    assert values.unary("neg", "f16")(0) == 0x8000


@pytest.mark.parametrize(
    ("source", "dest", "a", "expected"),
    [
        ("f32", "i16", 1e9, 0x7FFF),
        ("f32", "i16", -1e9, -0x8000),
        ("f32", "u16", -3.5, 0),
        ("f32", "i16", -3.99, -3),
        ("f32", "i16", math.nan, 0),
        ("f32", "u32", math.inf, 0xFFFF_FFFF),
        ("f32", "bool", math.nan, 1),
        ("f32", "bool", -0.0, 0),
    ],
)
def test_conversion_from_a_float(source: str, dest: str, a: float, expected: int) -> None:
    assert values.cast(source, dest)(bits(source, a)) == expected


def test_conversion_of_large_integers_rounds_once() -> None:
    n = (1 << 63) - (1 << 38) - 1  # to f64 first would give the tie 2^63 - 2^38, then 2^63
    assert values.to_float("f32", values.cast("i64", "f32")(n)) == 2.0**63 - 2.0**39
    assert values.cast("u32", "f16")(70000) == bits("f16", math.inf)
    assert values.cast("i32", "f32")(-16777217) == bits("f32", -16777216)


def test_conversion_between_floats_rounds_to_even() -> None:
    convert = values.cast("f32", "f16")
    assert convert(bits("f32", 1 + 2**-11)) == bits("f16", 1)
    assert convert(bits("f32", 1 + 3 * 2**-11)) == bits("f16", 1 + 2**-9)
    assert convert(bits("f32", 65520)) == bits("f16", math.inf)
    assert convert(bits("f32", 65519.996)) == bits("f16", 65504)
    assert convert(bits("f32", -(2**-25))) == 0x8000


def test_maximum_ignores_a_nan_and_prefers_plus_zero() -> None:
    nan, one, zero, minus_zero = bits("f32", math.nan), bits("f32", 1), 0, 0x8000_0000
    assert values.maximum("f32", nan, one) == values.maximum("f32", one, nan) == one
    assert values.maximum("f32", zero, minus_zero) == values.maximum("f32", minus_zero, zero) == zero
    assert values.maximum("f32", nan, nan) == nan


def test_counts() -> None:
    assert values.intrinsic("clz", "u16")(1) == 15
    assert values.intrinsic("clz", "i16")(-1) == 0
    assert values.intrinsic("ctz", "u32")(0) == 32
    assert values.intrinsic("popcnt", "i16")(-1) == 16


def test_whole_numbers_keep_the_sign_of_zero() -> None:
    assert values.intrinsic("ceil", "f32")(bits("f32", -0.5)) == 0x8000_0000
    assert values.intrinsic("floor", "f16")(bits("f16", -0.5)) == bits("f16", -1)
    assert math.isnan(values.to_float("f32", values.intrinsic("sqrt", "f32")(bits("f32", -1))))
