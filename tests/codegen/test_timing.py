"""Closed forms of the memory-only DSD operations; the formula stands in each test."""

from __future__ import annotations

import numpy as np
import pytest

from openwafer import tir
from openwafer.cost._timing import memory_beats, setup_cycles, timing_tables
from openwafer.machine import load_machine
from openwafer.tir import DSD_OPS, ELEMENT_BYTES, DsdKind

MEM = int(DsdKind.MEM1D)
NONE = int(DsdKind.NONE)
SCALAR = int(DsdKind.SCALAR)
POINTER = int(DsdKind.POINTER)
N = 5124


def beats(
    arch: str,
    op: str,
    n: int,
    *,
    kinds: tuple[int, ...] = (MEM, MEM, MEM),
    addrs: tuple[int, int] = (0, 4),
    strides: tuple[int, ...] = (1, 1, 1),
) -> int:
    ops, facts = timing_tables(load_machine(arch))
    row = DSD_OPS[op]
    sizes = (ELEMENT_BYTES[row.dest], ELEMENT_BYTES[row.src0], ELEMENT_BYTES[row.src])
    d, s0, s1 = (stride * size for stride, size in zip(strides, sizes, strict=True))
    args = (kinds[0], d, kinds[1], addrs[0], s0, kinds[2], addrs[1], s1)
    return int(memory_beats(ops, facts, row.number, n, *args))


def test_fmuls_on_wse2_takes_half_once_or_twice_the_length_by_layout():
    assert beats("wse2", "fmuls", N) == N // 2
    assert beats("wse2", "fmuls", N, addrs=(0, 8)) == N
    assert beats("wse2", "fmuls", N, addrs=(0, 8), strides=(8, 1, 1)) == 2 * N
    assert load_machine("wse2").dsd.setup_elementwise_cycles == 6


@pytest.mark.parametrize(
    ("op", "kinds", "rate"),
    [
        ("fmovh", (MEM, MEM, NONE), 8),
        ("fmovs", (MEM, MEM, NONE), 4),
        ("fmach", (MEM, MEM, MEM), 4),
        ("faddh", (MEM, MEM, MEM), 4),
        ("fmulh", (MEM, MEM, MEM), 4),
        ("fmovh", (MEM, SCALAR, NONE), 8),
    ],
)
def test_rates_measured_on_wse3(op: str, kinds: tuple[int, ...], rate: int):
    assert beats("wse3", op, 4096, kinds=kinds, addrs=(0, 0)) == 4096 // rate


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_fmac32_is_one_element_a_cycle_and_half_with_conflicts(arch: str):
    assert beats(arch, "fmacs", 1000, addrs=(0, 4)) == 1000
    assert beats(arch, "fmacs", 1000, addrs=(16, 32)) == 2000


@pytest.mark.parametrize("src0", range(0, 64, 4))
@pytest.mark.parametrize("src1", range(0, 64, 4))
def test_conflicts_are_avoided_where_the_documents_say(src0: int, src1: int):
    avoids = src0 % 8 == (src1 + 4) % 8
    assert beats("wse2", "fadds", 64, addrs=(src0, src1)) == (32 if avoids else 64)


@pytest.mark.parametrize(
    ("stride", "rate"),
    [
        (0, 8),
        (1, 8),
        (2, 8),
        (3, 8),
        (4, 2),
        (5, 8),
        (6, 8),
        (7, 2),
        (8, 1),
        (9, 2),
        (10, 8),
        (-1, 2),
        (-2, 8),
        (16, 1),
    ],
)
def test_strides_limit_the_rate(stride: int, rate: int):
    assert beats("wse3", "fmovh", 800, kinds=(MEM, MEM, NONE), strides=(1, stride, 1)) == 800 // rate


def test_a_part_of_a_beat_counts_whole():
    assert [beats("wse3", "fmovh", n, kinds=(MEM, MEM, NONE)) for n in (1, 8, 9)] == [1, 1, 2]


def test_a_reduction_takes_two_cycles_an_element():
    assert beats("wse3", "fadds", 100, kinds=(POINTER, SCALAR, MEM)) == 200
    assert beats("wse3", "fmovs", 100, kinds=(POINTER, SCALAR, NONE)) == 25


def test_numba_compiles_the_same_function():
    numba = pytest.importorskip("numba")
    compiled = numba.njit(memory_beats)
    rng = np.random.default_rng(0)
    for arch in ("wse2", "wse3"):
        ops, facts = timing_tables(load_machine(arch))
        for _ in range(500):
            op, n = int(rng.integers(len(ops))), int(rng.integers(1, 1000))
            kinds = rng.choice([1, 2, 3, 7], 3)
            source1 = kinds[2] if ops[op, 3] else 0
            a, b, s = rng.integers(0, 48000, 2), int(rng.integers(-20, 20)), int(rng.integers(-20, 20))
            args = (
                op,
                n,
                int(kinds[0]),
                2 * b,
                int(kinds[1]),
                int(a[0]),
                4 * s,
                int(source1),
                int(a[1]),
                2 * s,
            )
            assert compiled(ops, facts, *args) == memory_beats(ops, facts, *args)


def dsd() -> tir.Dsd:
    return tir.Dsd(tir.Local("dsd", 0))


def scalar() -> tir.Scalar:
    return tir.Scalar(tir.Const("f32", 1.0))


def pointer() -> tir.Pointer:
    return tir.Pointer(tir.Addr(0))


def operation(op: str, dest: tir.Operand, src0: tir.Operand, src1: tir.Operand | None = None) -> tir.DsdOp:
    return tir.DsdOp(op, dest, src0, src1, None, False, None, None, None, None, None, None, 0)


def test_setup_by_class():
    machine = load_machine("wse3")
    facts = machine.dsd
    dsr = tir.Dsr(0)
    expected = {
        operation("fmovs", dsd(), dsd()): facts.setup_copy_cycles,
        operation("fmovs", dsd(), scalar()): facts.setup_write_cycles,
        operation("fadds", dsd(), dsd(), dsd()): facts.setup_elementwise_cycles,
        operation("fmacs", dsd(), dsd(), dsd()): facts.setup_fma_cycles,
        operation("fadds", pointer(), scalar(), dsd()): facts.setup_reduce_cycles,
        operation("fadds", dsr, dsr, dsr): facts.explicit_dsr_setup_cycles,
        operation("fadds", dsr, dsr, dsd()): facts.setup_elementwise_cycles,
    }
    for op, cycles in expected.items():
        assert setup_cycles(op, machine) == cycles
