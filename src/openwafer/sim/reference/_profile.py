"""Counting for a profile in the reference engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openwafer.sim._profile import Rows, TaskCounter, row_count
from openwafer.tir import COUNTERS, Counter, Program

if TYPE_CHECKING:
    from openwafer.sim.reference._datapath import Slot
    from openwafer.sim.reference._fabric import Queue


class Counts:
    """The counters of one PE; `rows` are its lines, its functions and copies (`make_profile`)."""

    def __init__(self, program: Program) -> None:
        self.rows: Rows = np.zeros((row_count(program), COUNTERS), np.int64)
        self._first = len(program.locations)
        self._task, self._began, self._waits_from = 0, 0, 0

    def clear(self) -> None:
        self.rows[:] = 0

    def code(self, loc: int, runs: int, cycles: int) -> None:
        """Scalar code of a line."""
        self.rows[loc, Counter.RUNS] += runs
        self.rows[loc, Counter.SCALAR] += cycles

    def at_once(self, loc: int, elements: int, busy: int, banks: int) -> None:
        """An operation on memory alone."""
        row = self.rows[loc]
        row[Counter.OPERATIONS] += 1
        row[Counter.ELEMENTS] += elements
        row[Counter.BUSY] += busy
        row[Counter.BANKS] += banks

    def begin_task(self, function: int, now: int) -> None:
        """A task or launch of a function has been picked, or a copy: −1."""
        self._task, self._began = (self._first + function if function >= 0 else -1), now
        self.rows[self._task, TaskCounter.RUNS] += 1

    def end_task(self, now: int) -> None:
        self.rows[self._task, TaskCounter.CYCLES] += now - self._began

    def wait(self, now: int) -> None:
        self._waits_from = now

    def resume(self, now: int) -> None:
        self.rows[self._task, TaskCounter.WAITING] += now - self._waits_from

    def begin_operation(self, slot: Slot, setup: int) -> None:
        row = self.rows[slot.operation.loc]
        row[Counter.OPERATIONS] += 1
        row[Counter.BUSY] += setup
        slot.last = slot.start - 1

    def step(self, slot: Slot, inputs: list[Queue], outputs: list[Queue], elements: int, now: int) -> None:
        """What a slot that is about to make a step has waited for since the last one."""
        first, row = slot.last + 1, self.rows[slot.operation.loc]
        arrived = min(max([first, *(queue.ready() for queue in inputs if queue.items)]), now)
        freed = [queue.popped for queue in outputs if len(queue.items) == queue.depth - 1]
        room = min(max([arrived, *freed]), now)
        row[Counter.ELEMENTS] += elements
        row[Counter.BUSY] += 1
        row[Counter.WAVELETS] += arrived - first
        row[Counter.SPACE] += room - arrived
        row[Counter.OTHERS] += now - room
        slot.last = now

    def end_operation(self, slot: Slot, completion: int) -> None:
        self.rows[slot.operation.loc, Counter.BUSY] += completion
