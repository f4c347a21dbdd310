"""All-reduces along one axis (`kernels/collective.csl`): cost, and which algorithm suits.

Chain and two-phase reduce are one algorithm with two numbers: where the root is, and how many PEs form a
group (1: a chain). The routes stand in the layout, so one choice an axis serves all collectives of a program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openwafer.machine import Machine
from openwafer.nn.kernels._resources import Axis, Resources, axis_resources

MAX_GROUP = 64
FIRST, SECOND, SPREAD = range(3)
BETWEEN = 8
"""Elements of the FIFO of `collective.csl`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One axis of the mesh: `length` PEs, which of them is the root, and the PEs of a group."""

    length: int
    root: int
    group: int
    resources: Resources

    @property
    def sides(self) -> tuple[int, int]:
        """PEs before and behind the root."""
        return self.root, self.length - 1 - self.root


def choose_line(machine: Machine, axis: Axis, length: int, counts: Iterable[int]) -> Line:
    """The line on which all-reduces of `counts` elements take the fewest cycles together."""
    counts = tuple(counts) or (1,)
    resources = axis_resources(machine, axis)
    groups = range(1, min(length, MAX_GROUP) + 1)
    roots = ((length - 1) // 2, length - 1)
    lines = [Line(length, root, group, resources) for root in roots for group in groups]
    return min(lines, key=lambda line: sum(all_reduce_cycles(machine, line, n) for n in counts))


def all_reduce_cycles(machine: Machine, line: Line, n: int) -> float:
    """Cycles of an all-reduce of `n` wavelets, from the call on all PEs at once to the last return."""
    return _Times(machine, line, n).all_reduce()


@dataclass(frozen=True, slots=True)
class _Stream:
    """When the first and the last element are taken, in cycles from the call."""

    first: float
    last: float

    def later(self, cycles: float) -> _Stream:
        return _Stream(self.first + cycles, self.last + cycles)


@dataclass(frozen=True, slots=True)
class _Times:
    """When each stream passes, if all PEs call at once.

    Operations on the fabric move one wavelet a cycle, or what the queue they read from lets through; those of
    a PE take turns. Source of the rules: docs/semantics.md."""

    machine: Machine
    line: Line
    n: int

    def all_reduce(self) -> float:
        before, behind = self.line.sides
        if not before + behind:
            return self.call
        back = self.returning(self.hops(0))
        if before and behind:
            total = self.two(self.side(before), self.side(behind), back)
        else:
            total = self.one(self.side(before or behind), back)
        return max(total.last, total.first + self.span(SPREAD)) + self.hops(max(before, behind)) + self.end

    def returning(self, cycles: int) -> int:
        """Elements of the result for which a PE takes turns with what it sends on: those after `cycles`."""
        return max(0, self.n - cycles)

    @property
    def end(self) -> int:
        """The last cycle, and those that elements lose while the operation that receives is issued."""
        return 1 + min(self.n - 1, self.machine.dsd.issue_cycles - 1)

    def side(self, last: int) -> _Stream:
        """What arrives at the root from the `last` PEs on one side."""
        group = min(self.line.group, last)
        if group == 1:
            return self.chain(last).later(self.hops(1))
        groups = -(-last // group)
        leader, own = self.chain(last - (groups - 1) * group), self.chain(group - 1).later(self.hops(1))
        for _ in range(groups - 1):
            leader = self.two(own, leader.later(self.hops(group)), self.returning(2 * self.hops(1)))
        return leader.later(self.hops(1))

    def chain(self, count: int) -> _Stream:
        """What the last of `count` PEs in a chain sends on."""
        start = self.ready(adds_two=False)
        leaf = _Stream(start, start + self.n - 1)
        if count == 1:
            return leaf
        return self.one(leaf.later(self.hops(1))).later((count - 2) * self.hops(1))

    def one(self, stream: _Stream, back: int = 0) -> _Stream:
        """A PE's own elements and those of one stream; `back` of the result arrive meanwhile."""
        first = max(self.ready(adds_two=False), stream.first)
        turns = self.n - 1 + back
        return _Stream(first, max(first + turns, first + self.span(SECOND), stream.last))

    def two(self, stream: _Stream, second: _Stream, back: int = 0) -> _Stream:
        """The same of two streams; the FIFO lets the first be ahead."""
        start = self.ready(adds_two=True)
        early = max(start, stream.first)
        first = max(start + self.machine.dsd.issue_cycles, early + 1, second.first)
        ahead = min(BETWEEN, first - early)
        turns = self.n - 1 + max(0, self.n - ahead) + back
        return _Stream(first, max(first + turns, early + self.span(FIRST) + 1, stream.last + 1, second.last))

    def hops(self, count: int) -> int:
        """From the step that sends an element to the step that takes it, `count` PEs on."""
        fabric = self.machine.fabric
        return 1 + fabric.ramp_up_cycles + count * fabric.hop_cycles + fabric.ramp_down_cycles

    def span(self, stream: int) -> float:
        """From the first to the last element of a stream, at the pace that its queue allows.

        A place in a queue is free again 1 + ramp_down_cycles after it was filled, at best."""
        depth = self.machine.queues.input_depth[self.line.resources.inputs[stream]]
        return (self.n - 1) * max(1.0, (1 + self.machine.fabric.ramp_down_cycles) / depth)

    @property
    def call(self) -> int:
        """The code of one element stands where it is called."""
        return self.machine.scalar.call_cycles if self.n > 1 else 0

    def ready(self, adds_two: bool) -> int:
        """From the call to the first step of the operation behind the test of what the PE adds."""
        scalar, dsd = self.machine.scalar, self.machine.dsd
        branch = scalar.branch_taken_cycles if adds_two else scalar.branch_not_taken_cycles
        return self.call + scalar.load_cycles + branch + dsd.issue_cycles + dsd.fabric_setup_cycles


COLORS: tuple[str, ...] = ("chain_0", "chain_1", "lead_0", "lead_1", "spread")
"""The colors of an axis, as `collective_params.csl` calls them."""


def params_import(line: Line, axis: Axis, first_color: int) -> str:
    """The expression of a layout that imports the parameters of the collectives; it takes five colors."""
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
    """The expression of a PE's program that imports the collectives; `place` is what `get_place` gave."""
    own = line.resources
    fields = [
        f".is_alone = {'true' if line.length == 1 else 'false'}",
        f".place = {place}",
        f".input_queues = [3]u16{{ {', '.join(map(str, own.inputs))} }}",
        f".output_queue = {own.output}",
        f".dsrs = [2]u16{{ {', '.join(map(str, own.dsrs))} }}",
        f".task_id = {own.task}",
    ]
    return f'@import_module("collective.csl", .{{ {", ".join(fields)} }})'
