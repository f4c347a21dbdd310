"""Which queues the collectives of an axis use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from openwafer.machine import Machine

Axis = Literal["x", "y"]


@dataclass(frozen=True, slots=True)
class Queues:
    """Queue ids of one axis: input queues for the streams `first`, `second`, `spread`, and two for output."""

    inputs: tuple[int, int, int]
    output: int
    second_output: int


def axis_queues(machine: Machine, axis: Axis) -> Queues:
    """The queues that memcpy leaves free, the deepest for what most PEs receive."""
    depths, host = machine.queues, machine.host
    inputs = _deepest_first(depths.input_depth, host.memcpy_input_queues)
    outputs = _deepest_first(depths.output_depth, host.memcpy_output_queues)
    second, spread, first = inputs[0:5:2] if axis == "x" else inputs[1:6:2]
    output, second_output = outputs[0:3:2] if axis == "x" else outputs[1:4:2]
    return Queues((first, second, spread), output, second_output)


def _deepest_first(depths: Sequence[int], taken: Sequence[int]) -> list[int]:
    return sorted((i for i in range(len(depths)) if i not in taken), key=lambda i: -depths[i])
