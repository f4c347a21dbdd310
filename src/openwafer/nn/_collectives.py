"""All-reduces along one axis (`kernels/collective.csl`): queues, cost, and which algorithm suits.

Chain and two-phase reduce are one algorithm with two numbers: where the root is, and how many PEs form a
group (1: a chain). The routes stand in the layout, so one choice an axis serves all collectives of a program.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from openwafer.machine import Machine

Axis = Literal["x", "y"]
MAX_GROUP = 64
FIRST, SECOND, SPREAD = range(3)


@dataclass(frozen=True, slots=True)
class Queues:
    """Queue ids of one axis: input queues for the streams `first`, `second`, `spread`, and one for output."""

    inputs: tuple[int, int, int]
    output: int


@dataclass(frozen=True, slots=True)
class Line:
    """One axis of the mesh: `length` PEs, which of them is the root, and the PEs of a group."""

    length: int
    root: int
    group: int
    queues: Queues

    @property
    def sides(self) -> tuple[int, int]:
        """PEs before and behind the root."""
        return self.root, self.length - 1 - self.root


def axis_queues(machine: Machine, axis: Axis) -> Queues:
    """The queues that memcpy leaves free, the deepest for what most PEs receive."""
    depths, host = machine.queues, machine.host
    inputs = _deepest_first(depths.input_depth, host.memcpy_input_queues)
    outputs = _deepest_first(depths.output_depth, host.memcpy_output_queues)
    second, spread, first = inputs[0:5:2] if axis == "x" else inputs[1:6:2]
    return Queues((first, second, spread), outputs[axis == "y"])


def _deepest_first(depths: Sequence[int], taken: Sequence[int]) -> list[int]:
    return sorted((i for i in range(len(depths)) if i not in taken), key=lambda i: -depths[i])


def choose_line(machine: Machine, axis: Axis, length: int, counts: Iterable[int]) -> Line:
    """The line on which all-reduces of `counts` elements take the fewest cycles together."""
    counts = tuple(counts) or (1,)
    queues = axis_queues(machine, axis)
    groups = range(1, min(length, MAX_GROUP) + 1)
    lines = [
        Line(length, root, group, queues) for root in {(length - 1) // 2, length - 1} for group in groups
    ]
    return min(
        lines,
        key=lambda line: (sum(all_reduce_cycles(machine, line, n) for n in counts), line.root, line.group),
    )


def all_reduce_cycles(machine: Machine, line: Line, n: int) -> float:
    """Cycles of an all-reduce of `n` wavelets, from the call on all PEs at once to the last return."""
    return _Times(machine, line, n).all_reduce()


@dataclass(frozen=True, slots=True)
class _Times:
    """When the first element of each stream is taken, in cycles from the call.

    Operations on the fabric move one wavelet a cycle, or what the queue they read from lets through. Source
    of the rules: docs/semantics.md."""

    machine: Machine
    line: Line
    n: int

    def all_reduce(self) -> float:
        before, behind = self.line.sides
        if not before + behind:
            return self.enter(4, 0)
        start = self.enter(3, 1) + self.issue if before and behind else self.enter(1, 1) + self.start
        if before and behind:
            start = max(start, self.side(before)) + self.span(FIRST, self.stream(before)) + self.start
        last = behind or before
        start = max(start, self.side(last))
        result = max(self.span(SECOND, self.stream(last)), self.span(SPREAD), self.both())
        return start + result + self.hops(max(before, behind))

    def both(self) -> float:
        """Cycles in which the root sends all: from the arrival of its own first element on it sends and
        receives by turns."""
        alone = self.hops(0)
        return self.n if self.n <= alone else 2 * self.n - alone

    def stream(self, last: int) -> int:
        """The stream that sets the pace of a side: where it begins, in a group or between leaders."""
        return FIRST if (last - 1) % min(self.line.group, last) else SECOND

    def side(self, last: int) -> float:
        """First element at the root of the sum of the `last` PEs on one side."""
        group = min(self.line.group, last)
        groups = -(-last // group)
        chain = self.chain(group)
        if groups == 1:
            return chain + self.hops(1)
        outermost = self.chain(last - (groups - 1) * group)
        own = self.enter(1, 1) + self.start if group == 1 else chain + self.span(FIRST) + self.start
        leader = max(own, outermost + self.hops(group))
        return leader + (groups - 2) * self.hops(group) + self.hops(1)

    def chain(self, count: int) -> float:
        """First element that the last of `count` PEs in a chain handles."""
        sender, receiver = self.enter(0, 1) + self.start, self.enter(2, 1) + self.start
        if count == 1:
            return sender
        return max(sender + self.hops(1), receiver) + (count - 2) * self.hops(1)

    def hops(self, count: int) -> int:
        """From the step that sends an element to the step that takes it, `count` PEs on."""
        fabric = self.machine.fabric
        return 1 + fabric.ramp_up_cycles + count * fabric.hop_cycles + fabric.ramp_down_cycles

    def span(self, *streams: int) -> float:
        """Cycles of an operation on all elements; the slowest of the queues sets the pace.

        A place in a queue is free again 1 + ramp_down_cycles after it was filled, at best."""
        depths = self.machine.queues.input_depth
        held = 1 + self.machine.fabric.ramp_down_cycles
        pace = max(max(1.0, held / depths[self.line.queues.inputs[s]]) for s in streams)
        return (self.n - 1) * pace + 1

    @property
    def issue(self) -> int:
        """From the end of one operation to the first step of the next."""
        return self.machine.dsd.issue_cycles + self.machine.dsd.fabric_setup_cycles

    @property
    def start(self) -> int:
        """The same to the first step of an asynchronous operation."""
        return self.issue + 1

    def enter(self, wrong: int, right: int) -> int:
        """From the call to the right branch, over comparisons that come out wrong and right."""
        s = self.machine.scalar
        passed = wrong * (s.alu_cycles + s.branch_taken_cycles)
        taken = right * (s.alu_cycles + s.branch_not_taken_cycles)
        return s.call_cycles + s.load_cycles + s.alu_cycles + passed + taken


COLORS: tuple[str, ...] = ("chain_0", "chain_1", "lead_0", "lead_1", "spread")
"""The colors of an axis, as `collective_params.csl` calls them."""


def params_import(line: Line, axis: Axis, first_color: int) -> str:
    """The expression of a layout that imports `collective_params.csl`; it takes five colors."""
    colors = [f".{name} = @get_color({first_color + i})" for i, name in enumerate(COLORS)]
    fields = [
        f".length = {line.length}",
        f".is_row = {'true' if axis == 'x' else 'false'}",
        f".root = {line.root}",
        f".group = {line.group}",
        *colors,
    ]
    return f'@import_module("collective_params.csl", .{{ {", ".join(fields)} }})'


def module_import(line: Line, place: str) -> str:
    """The expression of a PE's program that imports `collective.csl`; `place` is what `get_place` gave."""
    inputs = ", ".join(map(str, line.queues.inputs))
    queues = f".input_queues = [3]u16{{ {inputs} }}, .output_queue = {line.queues.output}"
    return f'@import_module("collective.csl", .{{ .place = {place}, {queues} }})'
