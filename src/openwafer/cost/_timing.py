"""How many cycles a memory-only DSD operation takes.

`memory_beats` uses integers only and is plain Python that numba compiles as it is, so that both engines and
the tests share it. What it knows about the machine it reads from the two arrays of `timing_tables`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from openwafer import tir
from openwafer.tir import DSD_OPS, DSD_OPS_BY_NUMBER, ELEMENT_BYTES, DsdOpSpec

if TYPE_CHECKING:
    from openwafer.machine import Machine

# Columns of `TimingTables.ops`, one row an operation number.
WIDTH, DEST_BYTES, SRC0_BYTES, SRC1_BYTES = range(4)
# Places in `TimingTables.facts`.
READ_BYTES, WRITE_BYTES, BANK_SHIFT, BANK_MODULUS, REDUCE_CYCLES = range(5)

_SCALAR = int(tir.DsdKind.SCALAR)
_POINTER = int(tir.DsdKind.POINTER)
_FIRST_MEMORY = int(tir.DsdKind.MEM1D)
_LAST_MEMORY = int(tir.DsdKind.CIRCBUF)


class TimingTables(NamedTuple):
    """The machine's part of the formulas, as int64 arrays for compiled code."""

    ops: NDArray[np.int64]
    facts: NDArray[np.int64]


def timing_tables(machine: Machine) -> TimingTables:
    """The tables that `memory_beats` reads."""
    ops = np.array([_row(op, machine) for op in DSD_OPS_BY_NUMBER], np.int64)
    memory = machine.memory
    facts = np.array(
        [
            memory.read_bytes_per_cycle,
            memory.write_bytes_per_cycle,
            memory.bank_shift,
            memory.bank_conflict_modulus,
            machine.dsd.reduce_cycles_per_element,
        ],
        np.int64,
    )
    return TimingTables(ops, facts)


def _row(op: DsdOpSpec, machine: Machine) -> list[int]:
    width = machine.dsd.simd_width[op.name]
    if op.op_class == "fma" and op.src == "f32":
        width = min(width, machine.dsd.fmac32_elements_per_cycle)
    src1_bytes = ELEMENT_BYTES[op.src] if op.sources == 2 else 0
    return [width, ELEMENT_BYTES[op.dest], ELEMENT_BYTES[op.src0], src1_bytes]


def memory_beats(
    ops: NDArray[np.int64],
    facts: NDArray[np.int64],
    op: int,
    n: int,
    dest_kind: int,
    dest_stride: int,
    src0_kind: int,
    src0_addr: int,
    src0_stride: int,
    src1_kind: int,
    src1_addr: int,
    src1_stride: int,
) -> int:
    """Cycles beyond set-up of a memory-only DSD operation of `n` elements.

    ceil(n / rate), where the rate is the least of the SIMD width, what each stride permits, and what the
    memory ports can read and write; at least 1 element a cycle. Twice that when two 32-bit sources in memory
    start in banks that are equal modulo `bank_conflict_modulus` (16-bit sources share a wide access). A
    reduction (pointer destination, one scalar and one memory source) takes `reduce_cycles_per_element` each.

    Addresses are byte addresses of the first element; strides are in bytes, of the innermost dimension;
    kinds are `DsdKind` (NONE for an absent source). Strides, in elements: 0 and 1 run at full width; modulo
    8: 2, 3, 5, 6 at full width, 1, 4, 7 at 2, 0 at 1 element a cycle. Source: SDK appendix (SIMD); ports:
    Jac; banks: SpMM.

    One function without helpers at module level, because numba compiles it as it stands."""

    def in_memory(kind: int) -> bool:
        return kind >= _FIRST_MEMORY and kind <= _LAST_MEMORY

    def limit(stride: int, width: int) -> int:
        phase = stride % 8
        if stride == 0 or stride == 1 or phase == 2 or phase == 3 or phase == 5 or phase == 6:
            return width
        return 1 if phase == 0 else min(width, 2)

    if dest_kind == _POINTER and (
        (src0_kind == _SCALAR and in_memory(src1_kind)) or (src1_kind == _SCALAR and in_memory(src0_kind))
    ):
        return n * facts[REDUCE_CYCLES]
    width = ops[op, WIDTH]
    dest_bytes, src0_bytes, src1_bytes = ops[op, DEST_BYTES], ops[op, SRC0_BYTES], ops[op, SRC1_BYTES]
    rate = width
    read_bytes = 0
    if in_memory(src0_kind):
        read_bytes += src0_bytes
        rate = min(rate, limit(src0_stride // src0_bytes, width))
    if in_memory(src1_kind):
        read_bytes += src1_bytes
        rate = min(rate, limit(src1_stride // src1_bytes, width))
    if in_memory(dest_kind):
        rate = min(rate, facts[WRITE_BYTES] // dest_bytes, limit(dest_stride // dest_bytes, width))
    if read_bytes > 0:
        rate = min(rate, facts[READ_BYTES] // read_bytes)
    rate = max(rate, 1)
    beats = (n + rate - 1) // rate
    if in_memory(src0_kind) and in_memory(src1_kind) and src0_bytes == 4 and src1_bytes == 4:
        shift, modulus = facts[BANK_SHIFT], facts[BANK_MODULUS]
        if (src0_addr >> shift) % modulus == (src1_addr >> shift) % modulus:
            beats *= 2
    return beats


def other_bank(facts: NDArray[np.int64], address: int) -> int:
    """An address that does not conflict with `address`: with it `memory_beats` gives what it would take
    without conflicts."""
    return address + (1 << facts[BANK_SHIFT])


def setup_cycles(op: tir.DsdOp, machine: Machine) -> int:
    """Cycles before the first element of a memory-only operation; known from the statement alone.

    `op.cycles` if given; `explicit_dsr_setup_cycles` if every DSD operand is an explicit DSR; else by class:
    reduce (pointer destination, one scalar source), write (no DSD source), or the operation's own."""
    dsd = machine.dsd
    operands = [operand for operand in (op.dest, op.src0, op.src1) if operand is not None]
    if op.cycles is not None:
        return op.cycles
    if any(isinstance(o, tir.Dsr) for o in operands) and not any(isinstance(o, tir.Dsd) for o in operands):
        return dsd.explicit_dsr_setup_cycles
    arrays = sum(isinstance(o, (tir.Dsd, tir.Dsr)) for o in operands[1:])
    scalars = sum(isinstance(o, tir.Scalar) for o in operands[1:])
    if isinstance(op.dest, tir.Pointer) and scalars == 1 and arrays == 1:
        return dsd.setup_reduce_cycles
    if arrays == 0:
        return dsd.setup_write_cycles
    by_class = {
        "copy": dsd.setup_copy_cycles,
        "elementwise": dsd.setup_elementwise_cycles,
        "fma": dsd.setup_fma_cycles,
    }
    return by_class[DSD_OPS[op.op].op_class]
