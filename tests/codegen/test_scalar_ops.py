"""Every scalar operation on every type, against plain Python and NumPy."""

from __future__ import annotations

import itertools
import math
import operator
import random

import numpy as np
import pytest
from _driver import Pe, function, program

from openwafer import tir
from openwafer.codegen._abi import Ctx, Fault, Req, Status
from openwafer.diag import DiagnosticError

INTS = ("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "i5", "u24")
FLOATS = ("f16", "f32")
DTYPE = {"f16": np.float16, "f32": np.float32}
BITS = {"f16": np.uint16, "f32": np.uint32}
OUT = tir.Addr(0)


def width(t: str) -> int:
    return {"bool": 1, "f16": 16, "f32": 32}.get(t) or int(t[1:])


def size(t: str) -> int:
    return 2 if t == "bool" else next(s for s in (1, 2, 4, 8) if 8 * s >= width(t))


def wrap(t: str, n: int) -> int:
    n &= (1 << width(t)) - 1
    return n - (1 << width(t)) if t[0] == "i" and n >> (width(t) - 1) else n


def low(t: str) -> int:
    return -(1 << (width(t) - 1)) if t[0] == "i" else 0


def high(t: str) -> int:
    return (1 << (width(t) - (t[0] == "i"))) - 1


def samples(t: str) -> list[int]:
    rng = random.Random(t)
    edges = [low(t), low(t) + 1, -1, 0, 1, 2, 3, high(t) - 1, high(t)]
    return sorted({wrap(t, n) for n in edges} | {wrap(t, rng.getrandbits(64)) for _ in range(6)})


SPECIAL_F16 = [
    0x0000,
    0x8000,
    0x0001,
    0x8001,
    0x03FF,
    0x0400,
    0x3C00,
    0xBC00,
    0x3C01,
    0x7BFF,
    0xFBFF,
    0x7C00,
    0xFC00,
]
SPECIAL_F32 = [
    0x0,
    0x80000000,
    0x1,
    0x80000001,
    0x7FFFFF,
    0x800000,
    0x3F800000,
    0xBF800000,
    0x7F7FFFFF,
    0x7F800000,
]


def float_samples(t: str) -> list[int]:
    rng = random.Random(t)
    if t == "f16":
        return [*SPECIAL_F16, 0x7E00, *(rng.getrandbits(16) & 0xFBFF for _ in range(25))]
    near_f16 = [0x477FEFFF, 0x477FF000, 0x33000000, 0x33000001, 0x38800000, 0x387FC000, 0x387FE000]
    return [*SPECIAL_F32, 0xFF800000, 0x7FC00000, *near_f16, *(rng.getrandbits(32) for _ in range(25))]


class Table:
    """A function of two arguments in memory at 32 and 40 that stores its result at 0, run many times."""

    def __init__(self, a: str, b: str, expr: tir.Expr) -> None:
        self.a, self.b, self.type = a, b, expr.type
        symbol = tir.Symbol("out", 64, 2, b"", "")
        self.pe = Pe(program(function(tir.Store(OUT, expr)), symbols=(symbol,)))

    def __call__(self, a: int, b: int = 0) -> int:
        memory = self.pe.memory
        for at, t, value in ((32, self.a, a), (40, self.b, b)):
            bits = (value & ((1 << 64) - 1)).to_bytes(8, "little")
            for i in range(size(t)):
                memory[at + i] = bits[i]
        run = self.pe.run()
        assert run.status == Status.DONE, self.pe.field(Req.A0)
        result = int.from_bytes(bytes(memory[: size(self.type)]), "little")
        return result if self.type in FLOATS or self.type == "bool" else wrap(self.type, result)


def a_of(t: str) -> tir.Load:
    return tir.Load(t, tir.Addr(0, 32))


def b_of(t: str) -> tir.Load:
    return tir.Load(t, tir.Addr(0, 40))


def quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


INT_OPS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": quotient,
    "rem": lambda a, b: a - b * quotient(a, b),
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}
COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


@pytest.mark.parametrize("t", INTS)
@pytest.mark.parametrize("op", [*INT_OPS, *COMPARE])
def test_integer_binary(op: str, t: str):
    expected = INT_OPS.get(op) or COMPARE[op]
    run = Table(t, t, tir.Binary(op, t if op in INT_OPS else "bool", a_of(t), b_of(t)))
    for a, b in itertools.product(samples(t), repeat=2):
        if b == 0 and op in ("div", "rem"):
            continue
        assert run(a, b) == (wrap(t, expected(a, b)) if op in INT_OPS else expected(a, b)), (a, b)


@pytest.mark.parametrize("t", INTS)
@pytest.mark.parametrize("amount", ["u16", "i16", "u64"])
@pytest.mark.parametrize("op", ["shl", "shr"])
def test_shifts_by_the_width_or_more(op: str, t: str, amount: str):
    run = Table(t, amount, tir.Binary(op, t, a_of(t), b_of(amount)))
    for a, b in itertools.product(
        samples(t), [0, 1, 3, width(t) - 1, width(t), width(t) + 1, 300, high(amount), low(amount)]
    ):
        far = not 0 <= b < width(t)
        if op == "shl":
            expected = 0 if far else wrap(t, a << b)
        else:
            expected = (-1 if a < 0 else 0) if far else a >> b
        assert run(a, b) == expected, (a, b)


@pytest.mark.parametrize("t", INTS)
def test_integer_unary_and_counts(t: str):
    neg, inv = Table(t, t, tir.Unary("neg", t, a_of(t))), Table(t, t, tir.Unary("inv", t, a_of(t)))
    counts = {n: Table(t, t, tir.Intrinsic(n, "u16", (a_of(t),))) for n in ("clz", "ctz", "popcnt")}
    absolute = Table(t, t, tir.Intrinsic("abs", t, (a_of(t),)))
    for a in samples(t):
        bits = f"{a & ((1 << width(t)) - 1):0{width(t)}b}"
        assert neg(a) == wrap(t, -a)
        assert inv(a) == wrap(t, ~a)
        assert absolute(a) == wrap(t, abs(a))
        assert counts["clz"](a) == (bits.index("1") if a else width(t))
        assert counts["ctz"](a) == (bits[::-1].index("1") if a else width(t))
        assert counts["popcnt"](a) == bits.count("1")


@pytest.mark.parametrize(("source", "target"), list(itertools.product(("bool", *INTS), repeat=2)))
def test_integer_casts(source: str, target: str):
    run = Table(source, source, tir.Cast(target, a_of(source)))
    for a in [0, 1] if source == "bool" else samples(source):
        assert run(a) == (a != 0 if target == "bool" else wrap(target, a))


def number(t: str, bits: int) -> np.floating:
    return BITS[t](bits).view(DTYPE[t])


def same(t: str, bits: int, expected: np.floating) -> bool:
    got = number(t, bits)
    return bool(np.isnan(got) and np.isnan(expected)) or bits == int(DTYPE[t](expected).view(BITS[t]))


@pytest.mark.parametrize("t", FLOATS)
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "rem"])
def test_float_arithmetic_rounds_once(op: str, t: str):
    run = Table(t, t, tir.Binary(op, t, a_of(t), b_of(t)))
    numpy_op = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "rem": np.fmod}[op]
    with np.errstate(all="ignore"):
        for a, b in itertools.product(float_samples(t), repeat=2):
            assert same(t, run(a, b), numpy_op(number(t, a), number(t, b))), (hex(a), hex(b))


@pytest.mark.parametrize("t", FLOATS)
@pytest.mark.parametrize("op", list(COMPARE))
def test_float_comparisons(op: str, t: str):
    run = Table(t, t, tir.Binary(op, "bool", a_of(t), b_of(t)))
    for a, b in itertools.product(float_samples(t), repeat=2):
        assert run(a, b) == COMPARE[op](number(t, a), number(t, b))


def half_away(x: np.floating) -> float:
    return math.copysign(math.floor(abs(float(x)) + 0.5), x) if np.isfinite(x) else x


MATH = {
    "sqrt": np.sqrt,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
    "round": half_away,
    "abs": np.abs,
}


@pytest.mark.parametrize("t", FLOATS)
@pytest.mark.parametrize("name", list(MATH))
def test_float_functions(name: str, t: str):
    run = Table(t, t, tir.Intrinsic(name, t, (a_of(t),)))
    halves = [int(DTYPE[t](x).view(BITS[t])) for x in (0.5, -0.5, 1.5, 2.5, -2.5, 0.49999)]
    with np.errstate(all="ignore"):
        for a in [*float_samples(t), *halves]:
            assert same(t, run(a), DTYPE[t](MATH[name](number(t, a)))), hex(a)


@pytest.mark.parametrize("t", FLOATS)
def test_min_and_max_lose_nan_and_order_zeros(t: str):
    maximum = Table(t, t, tir.Intrinsic("max", t, (a_of(t), b_of(t))))
    minimum = Table(t, t, tir.Intrinsic("min", t, (a_of(t), b_of(t))))
    plus, minus = 0, 1 << (width(t) - 1)
    for zeros in ((plus, minus), (minus, plus)):
        assert maximum(*zeros) == plus
        assert minimum(*zeros) == minus
    for a, b in itertools.product(float_samples(t), repeat=2):
        x, y = number(t, a), number(t, b)
        if x != y:
            assert same(t, maximum(a, b), np.fmax(x, y)), (hex(a), hex(b))
            assert same(t, minimum(a, b), np.fmin(x, y)), (hex(a), hex(b))


@pytest.mark.parametrize("t", FLOATS)
def test_negation_flips_the_sign_bit(t: str):
    run = Table(t, t, tir.Unary("neg", t, a_of(t)))
    for a in float_samples(t):
        assert run(a) == a ^ 1 << (width(t) - 1)


@pytest.mark.parametrize(("t", "target"), list(itertools.product(FLOATS, (*INTS, "bool"))))
def test_float_to_integer_saturates(t: str, target: str):
    run = Table(t, t, tir.Cast(target, a_of(t)))
    for a in float_samples(t):
        x = float(number(t, a))
        if target == "bool":
            assert run(a) == (x != 0)
            continue
        exact = (
            0
            if math.isnan(x)
            else high(target)
            if x == math.inf
            else low(target)
            if x == -math.inf
            else int(x)
        )
        assert run(a) == min(max(exact, low(target)), high(target)), x


@pytest.mark.parametrize(("source", "t"), list(itertools.product(("bool", *INTS), FLOATS)))
def test_integer_to_float_rounds_once(source: str, t: str):
    run = Table(source, source, tir.Cast(t, a_of(source)))
    values = (
        [0, 1]
        if source == "bool"
        else [*samples(source), wrap(source, 2049), wrap(source, 65519), wrap(source, 65520)]
    )
    with np.errstate(all="ignore"):
        for a in values:
            expected = np.array([a], np.int64 if a < 0 else np.uint64).astype(DTYPE[t])[0]
            assert same(t, run(a), expected), a


def test_f32_to_f16_of_many_numbers():
    run = Table("f32", "f32", tir.Cast("f16", a_of("f32")))
    rng = np.random.default_rng(1)
    exponents = rng.integers(96, 146, 4000).astype(np.uint32) << 23
    tails = rng.choice(np.array([0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF], np.uint32), 4000)
    values = exponents | (rng.integers(0, 1024, 4000).astype(np.uint32) << 13) | tails
    with np.errstate(over="ignore"):
        for bits in map(int, values):
            assert run(bits) == int(number("f32", bits).astype(np.float16).view(np.uint16)), hex(bits)


def test_all_f16_become_f32_and_come_back():
    wide, narrow = (
        Table("f16", "f16", tir.Cast("f32", a_of("f16"))),
        Table("f32", "f32", tir.Cast("f16", a_of("f32"))),
    )
    for bits in [*range(0, 0x7C01, 7), *range(0x8000, 0xFC01, 5)]:
        assert wide(bits) == int(number("f16", bits).astype(np.float32).view(np.uint32))
        assert narrow(wide(bits)) == bits


@pytest.mark.parametrize(
    ("t", "target"),
    [("f32", "u32"), ("u32", "f32"), ("f16", "u16"), ("i16", "f16"), ("f32", "i32"), ("i16", "u16")],
)
def test_bitcasts(t: str, target: str):
    run = Table(t, t, tir.Bitcast(target, a_of(t)))
    for a in float_samples(t) if t in FLOATS else samples(t):
        mask = (1 << width(t)) - 1
        assert run(a) & mask == a & mask


def test_bool_operations_and_select():
    run = Table("u16", "u16", tir.Unary("not", "bool", tir.Binary("lt", "bool", a_of("u16"), b_of("u16"))))
    assert (run(1, 2), run(2, 1)) == (0, 1)
    both = tir.Binary("and", "bool", a_of("bool"), b_of("bool"))
    assert Table("bool", "bool", both)(1, 1) == 1
    pick = Table("bool", "u16", tir.Select("u16", a_of("bool"), b_of("u16"), tir.Const("u16", 7)))
    assert (pick(1, 5), pick(0, 5)) == (5, 7)


@pytest.mark.parametrize(("t", "value"), [("i16", -3), ("u64", (1 << 64) - 1), ("i5", -16), ("bool", 1)])
def test_integer_constants(t: str, value: int):
    assert Table("u16", "u16", tir.Const(t, value))(0) == value


def test_float_constants():
    assert Table("u16", "u16", tir.Const("f16", -0.0))(0) == 0x8000
    assert Table("u16", "u16", tir.Const("f32", 0.1))(0) == 0x3DCCCCCD
    assert Table("u16", "u16", tir.Const("f32", math.inf))(0) == 0x7F800000


@pytest.mark.parametrize("op", ["div", "rem"])
@pytest.mark.parametrize("t", ["i16", "u32"])
def test_division_by_zero_faults(op: str, t: str):
    body = tir.Store(OUT, tir.Binary(op, t, tir.Const(t, 1), a_of(t)))
    pe = Pe(program(function(tir.Tick(5), body), symbols=(tir.Symbol("out", 64, 2, b"", ""),)))
    run = pe.run()
    assert (run.status, run.cycles, pe.field(Req.A0)) == (Status.FAULT, 5, Fault.DIVIDE_BY_ZERO)


@pytest.mark.parametrize(
    ("address", "is_inside"), [(0, True), (252, True), (253, False), (256, False), (65535, False)]
)
def test_accesses_outside_memory_fault(address: int, is_inside: bool):
    access = tir.Load("u32", tir.Local("u16", 0))
    pe = Pe(program(function(tir.Store(tir.Const("u16", 0), access), params=1, slots=("u16",))))
    run = pe.run(args=(address,))
    assert run.status == (Status.DONE if is_inside else Status.FAULT)
    if not is_inside:
        assert (pe.field(Req.A0), pe.ctx[Ctx.FAULT_DETAIL]) == (Fault.MEMORY, address)


def test_unaligned_accesses_are_allowed():
    pe = Pe(program(function(tir.Store(tir.Const("u16", 3), tir.Const("u32", 0x12345678)))))
    pe.run()
    assert pe.load(3, "I") == 0x12345678


def test_params_coordinates_and_addresses():
    symbols = (tir.Symbol("a", 16, 2, b"", "", 100), tir.Symbol("b", 16, 2, b"", "", 200))
    values = (tir.Param("f16", 1), tir.Param("i16", 0), tir.Coord(0), tir.Coord(1), tir.Addr(1, 6))
    stores = [tir.Store(tir.Addr(0, 2 * i), v) for i, v in enumerate(values)]
    pe = Pe(
        program(function(*stores), symbols=symbols, params=("i16", "f16")), params=(0xFFFE, 0x3C00), x=3, y=4
    )
    pe.run()
    assert [pe.load(100 + 2 * i, f) for i, f in enumerate("ehHHH")] == [1.0, -2, 3, 4, 206]


def test_an_unknown_intrinsic_is_a_diagnostic():
    bad = program(
        function(tir.Set(0, tir.Intrinsic("tanh", "f32", (tir.Const("f32", 1.0),))), slots=("f32",))
    )
    with pytest.raises(DiagnosticError, match="unknown-intrinsic: intrinsic `tanh` of f32"):
        Pe(bad)
