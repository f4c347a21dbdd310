"""Cycles of local kernels in closed form: what one vector operation in a `@map` costs."""

from __future__ import annotations

from openwafer import tir
from openwafer.cost import memory_beats, timing_tables
from openwafer.machine import Machine
from openwafer.tir import DSD_OPS, ELEMENT_BYTES

MEMORY, SCALAR = int(tir.DsdKind.MEM1D), int(tir.DsdKind.SCALAR)
CONFLICT_FREE_BYTES = 4
"""Addresses this far apart start in banks that do not conflict."""


def beats(
    machine: Machine,
    op: str,
    n: int,
    *,
    strides: tuple[int, int, int] = (1, 1, 1),
    has_vectors: int = 2,
    is_conflict: bool = False,
) -> int:
    """Cycles beyond set-up of a DSD operation on vectors of `n` in memory. `strides` of destination and
    sources are in elements; with `has_vectors` = 1 the second source is a scalar."""
    row = DSD_OPS[op]
    sizes = (ELEMENT_BYTES[row.dest], ELEMENT_BYTES[row.src0], ELEMENT_BYTES[row.src])
    dest, src0, src1 = (stride * size for stride, size in zip(strides, sizes, strict=True))
    tables = timing_tables(machine)
    second = MEMORY if has_vectors > 1 else SCALAR
    address = 0 if is_conflict else CONFLICT_FREE_BYTES
    return int(memory_beats(*tables, row.number, n, MEMORY, dest, MEMORY, 0, src0, second, address, src1))


def mapped(machine: Machine, beats_of_one: float) -> float:
    """One step of a `@map` that does one operation on DSRs."""
    return machine.scalar.map_step_cycles + machine.dsd.explicit_dsr_setup_cycles + beats_of_one


def loop_step(machine: Machine, loads: int, steps: int) -> int:
    """One turn of a loop that loads DSRs and moves DSDs, `steps` of both."""
    return machine.scalar.loop_cycles + dsr_loads(machine, loads) + steps * machine.scalar.alu_cycles


def dsr_loads(machine: Machine, count: int) -> int:
    """Loading DSRs from DSDs whose base has moved."""
    return count * (machine.dsd.dsr_load_to_use_cycles + machine.scalar.alu_cycles)
