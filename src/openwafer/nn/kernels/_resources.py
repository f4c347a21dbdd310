"""What the collectives of an axis have for themselves on every PE: queues, DSRs, a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from openwafer.machine import Machine

Axis = Literal["x", "y"]


@dataclass(frozen=True, slots=True)
class Resources:
    """Ids: input queues for the streams `first`, `second`, `spread`, and one for output; DSRs of the file
    `src1`, which no kernel uses; a local task, whose id is no color's."""

    inputs: tuple[int, int, int]
    output: int
    dsrs: tuple[int, int]
    task: int


def axis_resources(machine: Machine, axis: Axis) -> Resources:
    """The queues that memcpy leaves free, the deepest for what most PEs receive."""
    depths, host = machine.queues, machine.host
    inputs = _deepest_first(depths.input_depth, host.memcpy_input_queues)
    outputs = _deepest_first(depths.output_depth, host.memcpy_output_queues)
    second, spread, first = inputs[0:5:2] if axis == "x" else inputs[1:6:2]
    number, dsrs = (0, (2, 3)) if axis == "x" else (1, (4, 5))
    return Resources((first, second, spread), outputs[number], dsrs, machine.fabric.colors + number)


def _deepest_first(depths: Sequence[int], taken: Sequence[int]) -> list[int]:
    return sorted((i for i in range(len(depths)) if i not in taken), key=lambda i: -depths[i])
