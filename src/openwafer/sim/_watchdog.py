"""When a run is ended though it could go on: code that gets nowhere, or more cycles than the user allows."""

from __future__ import annotations

from dataclasses import dataclass

NEVER = 1 << 62
WATCHDOG_CYCLES = 100_000_000
"""Cycles in which something but scalar code has to happen."""


@dataclass(slots=True)
class Watchdog:
    """Looks every `cycles` cycles whether anything but scalar code has happened; 0: never.

    `last` is the cycle that may not be reached, of the whole life of the engine."""

    cycles: int = WATCHDOG_CYCLES
    last: int = NEVER
    _next: int = 0
    _marks: tuple[int, ...] = ()

    @property
    def at(self) -> int:
        """The cycle in which to look next."""
        return min(self.last, (self._next or self.cycles) if self.cycles else NEVER)

    def is_stuck(self, now: int, marks: tuple[int, ...]) -> bool:
        """Whether `marks`, sums over the wafer that grow with what happens, are as they were."""
        is_same, self._marks = marks == self._marks, marks
        self._next = now + self.cycles
        return is_same
