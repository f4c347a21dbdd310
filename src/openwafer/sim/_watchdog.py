"""When a run is ended though it could go on: code that gets nowhere, or more cycles than the user allows."""

from __future__ import annotations

from dataclasses import dataclass

from openwafer.sim._constants import NEVER

WATCHDOG_CYCLES = 100_000_000
"""Cycles in which something but scalar code has to happen."""


@dataclass(slots=True)
class Watchdog:
    """Looks every `cycles` cycles whether scalar code has run and nothing else has happened; 0: never.

    `last` is the cycle that may not be reached, of the whole life of the engine."""

    cycles: int = WATCHDOG_CYCLES
    last: int = NEVER
    _next: int = 0
    _marks: tuple[int, ...] = ()
    _seen: int = 0

    @property
    def at(self) -> int:
        """The cycle in which to look next."""
        return min(self.last, (self._next or self.cycles) if self.cycles else NEVER)

    def is_stuck(self, cycle: int, now: int, marks: tuple[int, ...]) -> bool:
        """Whether code has run since the last look (`now` has moved; one long wait is not stuck), but
        `marks`, sums over the wafer that grow with what happens, are as they were."""
        is_stuck = marks == self._marks and now > self._seen
        self._marks, self._seen = marks, now
        self._next = cycle + self.cycles
        return is_stuck
