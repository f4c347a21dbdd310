"""What the compiler chose, printable: `model.plan()`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from openwafer.machine import Machine
from openwafer.nn._wafer import Wafer
from openwafer.nn.graph._mesh import Axis
from openwafer.nn.kernels._collectives import Line, all_reduce_cycles, choose_line
from openwafer.nn.program._memory import Plan
from openwafer.nn.program._program import Buffer, Collective, Program


@dataclass(frozen=True, slots=True)
class Tensor:
    """One buffer. `placement` has one part a dimension: its whole size, and the axis over which it is
    split."""

    name: str
    kind: str
    placement: str
    local_shape: tuple[int, ...]
    bytes: int
    address: int
    phases: str


@dataclass(frozen=True, slots=True)
class AllReduce:
    """All all-reduces of one axis and size in one phase; `cycles` is the cost of each by the closed form."""

    phase: str
    axis: Axis
    op: str
    elements: int
    count: int
    cycles: float


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Tensors in the order of use, collectives by phase; sizes in bytes a PE."""

    wafer: Wafer
    tensors: tuple[Tensor, ...]
    collectives: tuple[AllReduce, ...]
    algorithms: dict[Axis, str]
    kept_bytes: int
    arena_bytes: int

    def __str__(self) -> str:
        w, h = self.wafer.shape
        head = [
            f"{w} × {h} PEs of {self.wafer.name}",
            f"a PE: {self.kept_bytes:,} B that stay, {self.arena_bytes:,} B of temporaries",
            *(f"along {axis}: {text}" for axis, text in self.algorithms.items()),
            "",
        ]
        tensors = [
            (t.name, t.kind, t.placement, "×".join(map(str, t.local_shape)), f"{t.bytes:,}", t.phases)
            for t in self.tensors
        ]
        sums = [
            (c.phase, f"{c.op} along {c.axis}", str(c.elements), str(c.count), f"{c.cycles:,.0f}")
            for c in self.collectives
        ]
        return "\n".join([
            *head,
            *_table(("tensor", "kind", "placement", "local shape", "bytes", "phases"), tensors),
            "",
            *_table(("phase", "all-reduce", "elements", "times", "cycles each"), sums),
        ])  # fmt: skip


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(c.ljust(n) for c, n in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
    return [lines[0], "  ".join("─" * n for n in widths), *lines[1:]]


def describe(program: Program, memory: Plan, wafer: Wafer) -> ModelPlan:
    machine = wafer.load()
    return ModelPlan(
        wafer,
        tuple(_tensor(b, program, memory) for b in program.buffers),
        tuple(_collectives(program, machine)),
        _algorithms(program, machine),
        memory.kept_bytes,
        memory.arena_bytes,
    )


def _tensor(buffer: Buffer, program: Program, memory: Plan) -> Tensor:
    used = dict.fromkeys(
        i.phase for e in program.entries for i in e.instructions if any(r.buffer is buffer for r in i.refs())
    )
    names = list(used)
    phases = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
    placement = "each PE its own" if buffer.layout is None else " × ".join(map(str, buffer.layout))
    address = memory.addresses[buffer]
    return Tensor(buffer.name, buffer.kind, placement, buffer.shape, buffer.bytes, address, phases)


def _all(program: Program) -> list[Collective]:
    return [i for e in program.entries for i in e.instructions if isinstance(i, Collective)]


def _collectives(program: Program, machine: Machine) -> list[AllReduce]:
    keys: list[tuple[str, Axis, str, int]] = [(c.phase, c.axis, c.op, c.n) for c in _all(program)]
    lines = {axis: _line(program, machine, axis) for axis in _axes(program)}
    return [
        AllReduce(phase, axis, op, n, count, all_reduce_cycles(machine, lines[axis], n))
        for (phase, axis, op, n), count in Counter(keys).items()
    ]


def _axes(program: Program) -> list[Axis]:
    return list(dict.fromkeys(c.axis for c in _all(program)))


def _line(program: Program, machine: Machine, axis: Axis) -> Line:
    sizes = [c.n for c in _all(program) if c.axis == axis]
    return choose_line(machine, axis, program.mesh.length(axis), sizes)


def _algorithms(program: Program, machine: Machine) -> dict[Axis, str]:
    out: dict[Axis, str] = {}
    for axis in _axes(program):
        line = _line(program, machine, axis)
        out[axis] = f"{_kind(line)}, root at {line.root} of {line.length}"
    return out


def _kind(line: Line) -> str:
    return "chain" if line.group == 1 else f"two phases, groups of {line.group}"
