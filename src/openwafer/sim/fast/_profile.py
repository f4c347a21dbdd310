"""Counting for a profile in the fast engine. Compiled code; every function is called only when there is one.

Each PE has a block of rows of `COUNTERS` words at World.PROFILE + index ·
World.PROFILE_STRIDE: a head (`BEGAN` …),
the lines of its program by `loc`, then its functions, for the tasks and launches that run them, then one for
copies.
"""

from __future__ import annotations

from typing import Any

from openwafer.sim._profile import TaskCounter
from openwafer.sim.fast._fabric import head_ready
from openwafer.sim.fast._raw import add64, kernel, load64, store64
from openwafer.sim.fast._state import COUNT_MASK, DEPTH_SHIFT, NEVER, UNBOUND, Pe, Program, Queue, Slot, World
from openwafer.tir import COUNTERS, Counter

ROW_BYTES = 8 * COUNTERS
BEGAN, TASK_ROW, WAITS_FROM = 0, 8, 16
"""The head: when the task under way was picked, its row, when it began to wait for its operation."""


@kernel
def block(w: Any, pe: Any) -> Any:
    """The PE's head."""
    return load64(w + World.PROFILE) + load64(pe + Pe.INDEX) * load64(w + World.PROFILE_STRIDE)


@kernel
def line_rows(w: Any, pe: Any) -> Any:
    """The row of line 0."""
    return block(w, pe) + ROW_BYTES


@kernel
def begin_task(w: Any, pe: Any, entry: Any, now: Any) -> Any:
    """A task, launch or (`entry` 0) copy has been picked."""
    program, head = load64(pe + Pe.PROGRAM), block(w, pe)
    row, pair = load64(program + Program.COPY_ROW), load64(program + Program.TASK_ROWS)
    for k in range(load64(program + Program.TASK_COUNT)):
        if load64(pair + 16 * k) == entry:
            row = load64(pair + 16 * k + 8)
    store64(head + BEGAN, now)
    store64(head + TASK_ROW, head + ROW_BYTES * row)
    add64(load64(head + TASK_ROW) + 8 * TaskCounter.RUNS, 1)


@kernel
def end_task(w: Any, pe: Any, now: Any) -> Any:
    head = block(w, pe)
    add64(load64(head + TASK_ROW) + 8 * TaskCounter.CYCLES, now - load64(head + BEGAN))


@kernel
def wait(w: Any, pe: Any, now: Any) -> Any:
    """The task under way waits for its operation from now on."""
    store64(block(w, pe) + WAITS_FROM, now)


@kernel
def resume(w: Any, pe: Any, now: Any) -> Any:
    head = block(w, pe)
    add64(load64(head + TASK_ROW) + 8 * TaskCounter.WAITING, now - load64(head + WAITS_FROM))


@kernel
def _row(w: Any, pe: Any, slot: Any) -> Any:
    return line_rows(w, pe) + ROW_BYTES * load64(slot + Slot.LOC)


@kernel
def begin_operation(w: Any, pe: Any, slot: Any) -> Any:
    row = _row(w, pe, slot)
    add64(row + 8 * Counter.OPERATIONS, 1)
    add64(row + 8 * Counter.BUSY, load64(w + World.FABRIC_SETUP))
    store64(slot + Slot.LAST, load64(slot + Slot.START) - 1)


@kernel
def _arrived(queue: Any) -> Any:
    """When the head of an input queue (0: none) could be taken; 0 if there is none."""
    ready = 0 if queue == 0 or queue == UNBOUND else head_ready(queue)
    return 0 if ready == NEVER else ready


@kernel
def _freed(queue: Any) -> Any:
    """Since when an output queue (0: none) that was full has had room; 0 if it was not."""
    if queue == 0:
        return 0
    state = load64(queue + Queue.STATE)
    count, depth = state & COUNT_MASK, state >> DEPTH_SHIFT
    return load64(queue + Queue.POPPED) if count == depth - 1 else 0


@kernel
def step(w: Any, pe: Any, slot: Any, elements: Any, now: Any) -> Any:
    """A slot is about to make a step: what it has waited for since the last one."""
    first = load64(slot + Slot.LAST) + 1
    arrived = min(max(first, _arrived(load64(slot + Slot.IN0)), _arrived(load64(slot + Slot.IN1))), now)
    room = min(max(arrived, _freed(load64(slot + Slot.OUT))), now)
    row = _row(w, pe, slot)
    add64(row + 8 * Counter.ELEMENTS, elements)
    add64(row + 8 * Counter.BUSY, 1)
    add64(row + 8 * Counter.WAVELETS, arrived - first)
    add64(row + 8 * Counter.SPACE, room - arrived)
    add64(row + 8 * Counter.OTHERS, now - room)
    store64(slot + Slot.LAST, now)


@kernel
def end_operation(w: Any, pe: Any, slot: Any) -> Any:
    add64(_row(w, pe, slot) + 8 * Counter.BUSY, load64(w + World.COMPLETION))
