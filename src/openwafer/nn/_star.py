"""All-reduces of one element over few PEs (`kernels/star.csl`): all send straight to the root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openwafer.machine import Machine
from openwafer.nn._queues import Axis, Queues

LEAST = 4
"""PEs of the shortest star: the root has a neighbour on both sides."""


@dataclass(frozen=True, slots=True)
class Star:
    """One axis of the mesh: an even number of PEs, the one before the middle of which is the root."""

    length: int
    queues: Queues

    @property
    def root(self) -> int:
        return self.pairs - 1

    @property
    def pairs(self) -> int:
        """Wavelets that come from each side, and sums that every PE adds up."""
        return self.length // 2


def can_be_star(machine: Machine, length: int, counts: Sequence[int]) -> bool:
    """One operation reads two streams, which WSE-3 cannot; elements of several PEs are never in between."""
    return machine.arch == "wse2" and length >= LEAST and length % 2 == 0 and set(counts) == {1}


def star_cycles(machine: Machine, star: Star) -> float:
    """Cycles from the call on all PEs at once to the last return. The code stands where it is called.

    The root can begin when it has issued its third operation, behind a test; from then on it takes a pair in
    two cycles, as its thread or what it receives of the sums take turns with it. The ramp lets three wavelets
    down for a pair: two numbers and their sum."""
    fabric, dsd, scalar = machine.fabric, machine.dsd, machine.scalar
    ramps = 1 + fabric.ramp_up_cycles + fabric.ramp_down_cycles
    first = dsd.issue_cycles + dsd.fabric_setup_cycles
    begin = first + 2 * dsd.issue_cycles + scalar.load_cycles + scalar.branch_not_taken_cycles
    last = max(begin + 2 * star.pairs, first + ramps + 2 + 3 * star.pairs)
    return last + ramps + star.pairs * fabric.hop_cycles + 1


def star_params_import(star: Star, axis: Axis, first_color: int) -> str:
    """The expression of a layout that imports `star_params.csl`; it takes three colors."""
    fields = [
        f".length = {star.length}",
        f".is_row = {'true' if axis == 'x' else 'false'}",
        f".from_low = @get_color({first_color})",
        f".from_high = @get_color({first_color + 1})",
        f".spread = @get_color({first_color + 2})",
    ]
    return f'@import_module("star_params.csl", .{{ {", ".join(fields)} }})'


def star_import(star: Star, place: str) -> str:
    """The expression of a PE's program that imports `star.csl`; `place` is what `get_place` gave.

    The root sends most, so the deeper of the output queues is for its pairs."""
    queues = star.queues
    first, second, spread = queues.inputs
    fields = [
        f".place = {place}",
        f".pairs = {star.pairs}",
        f".input_queues = [3]u16{{ {second}, {spread}, {first} }}",
        f".output_queue = {queues.second_output}",
        f".root_queue = {queues.output}",
    ]
    return f'@import_module("star.csl", .{{ {", ".join(fields)} }})'
