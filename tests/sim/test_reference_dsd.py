"""DSD operations of the reference engine against NumPy, and the walking of DSDs against index arithmetic."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

from openwafer import tir
from openwafer.machine import load_machine
from openwafer.sim._engine import Launch
from openwafer.sim.reference._dsd import addresses, saved_base
from openwafer.sim.reference._elements import element_function
from openwafer.sim.reference._engine import ReferenceEngine
from openwafer.tir import DSD_OPS, DsdFlag, DsdKind, DsdWord
from tir_kit import Kit, dsd_op, f32, image, mem1d, record, u16

MACHINE = load_machine("wse3")
N = 50


def run(kit: Kit) -> ReferenceEngine:
    """Launches `go` on a single PE and simulates to the end."""
    engine = ReferenceEngine(image([[kit.build()]]), MACHINE)
    engine.submit(Launch("go"))
    engine.run()
    return engine


def result_of(kit: Kit, symbol: tir.Addr, like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.frombuffer(run(kit).read(0, 0, kit.address(symbol), like.nbytes), like.dtype)


def one_record(kind: DsdKind, **words: int) -> tuple[int, ...]:
    by_name = {DsdWord[name.upper()]: word & 0xFFFF for name, word in words.items()}
    return tuple(int(kind) if word == DsdWord.KIND else by_name.get(word, 0) for word in DsdWord)


NUMPY_OPS = {
    "add16": (np.add, np.uint16),
    "sub16": (np.subtract, np.uint16),
    "and16": (np.bitwise_and, np.uint16),
    "or16": (np.bitwise_or, np.uint16),
    "xor16": (np.bitwise_xor, np.uint16),
    "faddh": (np.add, np.float16),
    "fsubh": (np.subtract, np.float16),
    "fmulh": (np.multiply, np.float16),
    "fmaxh": (np.fmax, np.float16),
    "fadds": (np.add, np.float32),
    "fsubs": (np.subtract, np.float32),
    "fmuls": (np.multiply, np.float32),
    "fmaxs": (np.fmax, np.float32),
}


def random_array(rng: np.random.Generator, dtype: Any, n: int = N) -> np.ndarray[Any, Any]:
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, 1 << 16, n).astype(dtype)
    return (rng.standard_normal(n) * 100).astype(dtype)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("op", NUMPY_OPS)
def test_two_sources(op: str, stride: int) -> None:
    function, dtype = NUMPY_OPS[op]
    rng = np.random.default_rng(len(op))
    a, b = random_array(rng, dtype), random_array(rng, dtype)
    n, size = -(-N // stride), a.itemsize
    kit = Kit()
    places = [kit.array("a", a), kit.array("b", b), kit.symbol("d", n * size)]
    x, y = (mem1d(place, n, stride * size) for place in places[:2])
    kit.function([dsd_op(op, mem1d(places[2], n, size), x, y)], export="go")
    expected = function(a[::stride], b[::stride])
    assert result_of(kit, places[2], expected).tobytes() == expected.tobytes()


def test_fmac_with_a_scalar_and_reversed_source() -> None:
    rng = np.random.default_rng(3)
    a, b = random_array(rng, np.float32), random_array(rng, np.float32)
    kit = Kit()
    x, y = kit.array("a", a), kit.array("b", b)
    backwards = mem1d(tir.Addr(y.symbol, 4 * (N - 1)), N, -4)
    kit.function([dsd_op("fmacs", mem1d(x, N, 4), mem1d(x, N, 4), backwards, scalar=f32(1.5))], export="go")
    expected = (a.astype(np.float64) + b[::-1].astype(np.float64) * 1.5).astype(np.float32)
    assert (result_of(kit, x, a) == expected).all()


@pytest.mark.parametrize("scalar_first", [True, False])
def test_reduction_accumulates_in_order(scalar_first: bool) -> None:
    a = (np.arange(N) + 0.1).astype(np.float32)
    kit = Kit()
    x, total = kit.array("a", a), kit.symbol("total", 4)
    sources: list[Any] = [tir.Scalar(f32(2)), mem1d(x, N, 4)]
    op = dsd_op("fsubs", tir.Pointer(total), *(sources if scalar_first else sources[::-1]))
    kit.function([op], export="go")
    expected = np.float32(2)
    for element in a:
        expected = expected - element if scalar_first else element - expected
    assert result_of(kit, total, np.zeros(1, np.float32))[0] == expected


def test_pointer_destination_receives_the_last_element() -> None:
    kit = Kit()
    x, last = kit.array("a", np.arange(N, dtype=np.uint16)), kit.symbol("last", 2)
    kit.function([dsd_op("mov16", tir.Pointer(last), mem1d(x, N, 2))], export="go")
    assert result_of(kit, last, np.zeros(1, np.uint16))[0] == N - 1


def test_overlapping_operands_are_handled_element_by_element() -> None:
    kit = Kit()
    x = kit.array("a", np.arange(8, dtype=np.uint16))
    kit.function([dsd_op("mov16", mem1d(tir.Addr(x.symbol, 2), 7, 2), mem1d(x, 7, 2))], export="go")
    assert (result_of(kit, x, np.zeros(8, np.uint16)) == 0).all()


def test_carry_goes_from_element_to_element_and_starts_at_zero() -> None:
    big, one = (1 << 64) - 1, 1
    kit = Kit()
    words = [kit.symbol(n, v.to_bytes(8, "little")) for n, v in (("a", big), ("b", one))]
    records = [mem1d(word, 4, 2) for word in words]
    kit.function([dsd_op("addc16", records[0], *records)] * 2, export="go")
    assert result_of(kit, words[0], np.zeros(1, np.uint64))[0] == (big + one + one) % (1 << 64)


@pytest.mark.parametrize("extents", [(4, 3, 2, 1), (2, 2, 2, 2), (5, 1, 1, 1), (1, 1, 3, 1), (1, 1, 1, 1)])
def test_mem4d_visits_the_tensor_in_order(extents: tuple[int, ...]) -> None:
    """Strides relative to the last element of the inner dimensions, made from those of a plain tensor."""
    plain = [2, 30, 100, 1000]
    strides, back = [], 0
    for extent, step in zip(extents, plain, strict=True):
        strides.append(step - back)
        back += step * (extent - 1)
    words = {f"extent{k}": e for k, e in enumerate(extents)} | {
        f"stride{k}": s for k, s in enumerate(strides)
    }
    made = one_record(DsdKind.MEM4D, base=500, **words)
    indices = itertools.product(*[range(e) for e in reversed(extents)])
    expected = [500 + sum(i * s for i, s in zip(reversed(index), plain, strict=True)) for index in indices]
    assert list(itertools.islice(addresses(made), len(expected))) == expected
    outermost = max((k for k in range(4) if extents[k] != 1), default=0)
    assert saved_base(made) == expected[-1] + strides[outermost]


@pytest.mark.parametrize("stride", [2, 6, -4])
def test_circular_buffer_wraps(stride: int) -> None:
    made = one_record(DsdKind.CIRCBUF, base=108, extent0=30, stride0=stride, color=100, end=120)
    expected = [100 + (8 + i * stride) % 20 for i in range(31)]
    assert list(itertools.islice(addresses(made), 31)) == expected
    assert saved_base(made) == expected[30]


def test_addresses_wrap_at_64k() -> None:
    made = one_record(DsdKind.MEM1D, base=0xFFFE, extent0=3, stride0=4)
    assert list(itertools.islice(addresses(made), 3)) == [0xFFFE, 2, 6]


@pytest.mark.parametrize("is_saved", [True, False])
def test_save_address_moves_the_dsr(is_saved: bool) -> None:
    kit = Kit()
    source, dest = kit.array("a", np.arange(12, dtype=np.uint16)), kit.symbol("d", 8)
    dsr = kit.dsr("src1:0")
    flags = DsdFlag.SAVE_ADDRESS if is_saved else 0
    op = dsd_op("mov16", mem1d(dest, 4, 2), dsr)
    kit.function([tir.LoadDsr(dsr.index, mem1d(source, 4, 2, flags=flags), 0), op, op], export="go")
    first = 4 if is_saved else 0
    assert (result_of(kit, dest, np.zeros(4, np.uint16)) == np.arange(first, first + 4)).all()


def test_length_is_that_of_the_first_source_with_one() -> None:
    kit = Kit()
    source, dest = kit.array("a", np.arange(1, 9, dtype=np.uint16)), kit.symbol("d", 16)
    ops = [
        dsd_op("add16", mem1d(dest, 7, 2), tir.Scalar(u16(0)), mem1d(source, 3, 2)),
        dsd_op("mov16", mem1d(tir.Addr(dest.symbol, 6), 2, 2), tir.Scalar(u16(9))),
        dsd_op("mov16", tir.Pointer(tir.Addr(dest.symbol, 10)), tir.Scalar(u16(5))),
    ]
    kit.function(ops, export="go")
    assert list(result_of(kit, dest, np.zeros(8, np.uint16))) == [1, 2, 3, 9, 9, 5, 0, 0]


def f16_bits(number: float) -> int:
    return int(np.float16(number).view(np.uint16))


def f32_bits(number: float) -> int:
    return int(np.float32(number).view(np.uint32))


@pytest.mark.parametrize(
    ("op", "operands", "expected"),
    [
        ("fs2xp16", (f32_bits(-3.99),), 0xFFFD),
        ("fs2xp16", (f32_bits(1e9),), 0x7FFF),
        ("fs2xp16", (f32_bits(np.nan),), 0),
        ("fh2xp16", (f16_bits(-40000),), 0x8000),
        ("xp162fh", (0xFFFF,), f16_bits(-1)),
        ("xp162fs", (0x8000,), f32_bits(-32768)),
        ("sar16", (0x8000, 20), 0xFFFF),
        ("sll16", (1, 16), 0),
        ("slr16", (0x8000, 15), 1),
        ("clz", (0,), 16),
        ("ctz", (0,), 16),
        ("popcnt", (0xF0F0,), 8),
        ("fnorms", (f32_bits(-12),), f32_bits(-1.5)),
        ("fnorms", (1,), f32_bits(1)),
        ("fnormh", (f16_bits(np.inf),), f16_bits(np.inf)),
        ("fscales", (f32_bits(3), 0, 0xFFFF), f32_bits(1.5)),
        ("fscaleh", (f16_bits(1), 0, 16), f16_bits(np.inf)),
        ("fscales", (f32_bits(1), 0, 0x8000), 0),
        ("fabsh", (0xFE01,), 0x7E01),
        ("fnegs", (0x7FA0_0001,), 0xFFA0_0001),
        ("mov32", (0x7FA0_0001,), 0x7FA0_0001),
        ("faddhs", (f32_bits(1), f16_bits(0.5)), f32_bits(1.5)),
        ("fmachs", (f32_bits(1), f16_bits(3), f16_bits(2)), f32_bits(7)),
        ("fmach", (f16_bits(-(1 + 2**-9)), f16_bits(1 + 2**-10), f16_bits(1 + 2**-10)), f16_bits(2**-20)),
    ],
)
def test_one_element(op: str, operands: tuple[int, ...], expected: int) -> None:
    assert element_function(op)(*(*operands, 0, 0)[:3]) == expected


def test_every_operation_has_an_element_function() -> None:
    rng = random.Random(1)
    for op, row in DSD_OPS.items():
        wide = {"u32": 32, "f32": 32}
        bits = element_function(op)(*(rng.getrandbits(wide.get(t, 16)) for t in (row.src0, row.src, row.src)))
        assert 0 <= bits < 1 << wide.get(row.dest, 16)


def test_time_of_a_memory_operation_is_setup_and_beats() -> None:
    """32 f16 at 8 a cycle (two 16-byte reads need 2 each): 4 set-up classes are in test_timing."""
    kit = Kit()
    x, stamps = kit.symbol("a", 64), kit.symbol("t", 16)
    op = dsd_op("mov16", mem1d(x, 32, 2), tir.Scalar(u16(1)))
    kit.function([tir.ReadTsc(stamps, 0), op, tir.ReadTsc(tir.Addr(stamps.symbol, 8), 0)], export="go")
    first, second = (int(t) for t in result_of(kit, stamps, np.zeros(2, np.uint64)))
    read = 3 * (MACHINE.scalar.tsc_read_cycles + MACHINE.scalar.store_cycles)
    assert second - first == MACHINE.dsd.setup_write_cycles + 32 // 8 + read


def test_unset_dsr_faults() -> None:
    kit = Kit()
    dsr = kit.dsr("src1:0")
    kit.function([dsd_op("mov16", record(DsdKind.MEM1D, extent0=1), dsr)], export="go")
    with pytest.raises(Exception, match="unsupported"):
        run(kit)
