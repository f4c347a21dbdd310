"""What a profile is: where the cycles of a run went, by source line, task and PE."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.tir import COUNTERS, Counter, Program

Rows = NDArray[np.int64]
Key = TypeVar("Key")
COPY = "<copy>"
"""The name under which copies of the host stand among the tasks."""


class TaskCounter(enum.IntEnum):
    """What is counted of a task."""

    RUNS = 0
    CYCLES = 1  # from the pick to the end
    WAITING = 2  # of these: waiting for a synchronous operation


MOST_PROFILE_BYTES = 1 << 32


def check_profile_size(size: int) -> None:
    """Diagnostics: profile-too-large."""
    if size > MOST_PROFILE_BYTES:
        text = f"the counters of this program's PEs would take {size / 1e9:.1f} GB"
        raise error("profile-too-large", text, help="profile it on fewer PEs")


def row_count(program: Program) -> int:
    """Rows of a PE: its lines, its functions, one for copies."""
    return len(program.locations) + len(program.functions) + 1


@dataclass(frozen=True, slots=True)
class LineProfile:
    """Counters of a source line, summed over the PEs; `counts` in the order of `Counter`."""

    file: str
    line: int
    counts: tuple[int, ...]

    def __getitem__(self, counter: Counter) -> int:
        return self.counts[counter]

    @property
    def cycles(self) -> int:
        """All that code and operations of the line took or waited; operations of microthreads go on at the
        same time as code."""
        return sum(self.counts[c] for c in CYCLES)


CYCLES = (Counter.SCALAR, Counter.BUSY, Counter.BANKS, Counter.WAVELETS, Counter.SPACE, Counter.OTHERS)
"""Counters that are cycles."""


@dataclass(frozen=True, slots=True)
class TaskProfile:
    """Of a task, of a launched function or of copies (`<copy>`), summed over the PEs."""

    name: str
    runs: int
    cycles: int
    waiting_cycles: int


@dataclass(frozen=True, slots=True)
class PeProfile:
    """One PE: `counts` are those of all its lines, `task_cycles` those in which its main thread had a task,
    of which it waited `waiting_cycles`; in the others it was idle."""

    x: int
    y: int
    counts: tuple[int, ...]
    task_cycles: int
    waiting_cycles: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A run of `cycles` cycles; lines and tasks with the most cycles first."""

    cycles: int
    lines: tuple[LineProfile, ...]
    tasks: tuple[TaskProfile, ...]
    pes: tuple[PeProfile, ...]


def make_profile(cycles: int, pes: Iterable[tuple[int, int, Program, Rows]]) -> Profile:
    """From each PE's rows: (x, y, program, `[row_count, COUNTERS]`)."""
    lines: dict[tuple[str, int], Rows] = {}
    tasks: dict[str, Rows] = {}
    found: list[PeProfile] = []
    for x, y, program, rows in pes:
        split = len(program.locations)
        for place, row in zip(program.locations, rows[:split], strict=True):
            _add(lines, place, row)
        names = [f.name for f in program.functions] + [COPY]
        for name, row in zip(names, rows[split:], strict=True):
            _add(tasks, name, row)
        counts = tuple(int(n) for n in rows[:split].sum(axis=0)) if split else (0,) * COUNTERS
        whole = rows[split:].sum(axis=0)
        found.append(PeProfile(x, y, counts, int(whole[TaskCounter.CYCLES]), int(whole[TaskCounter.WAITING])))
    return Profile(cycles, _lines(lines), _tasks(tasks), tuple(found))


def _add(sums: dict[Key, Rows], key: Key, row: Rows) -> None:
    if row.any():
        sums[key] = sums[key] + row if key in sums else row.copy()


def _lines(sums: Mapping[tuple[str, int], Rows]) -> tuple[LineProfile, ...]:
    lines = [LineProfile(file, line, tuple(int(n) for n in row)) for (file, line), row in sums.items()]
    return tuple(sorted(lines, key=lambda v: (-v.cycles, v.file, v.line)))


def _tasks(sums: Mapping[str, Rows]) -> tuple[TaskProfile, ...]:
    tasks = [TaskProfile(name, *(int(n) for n in row[: len(TaskCounter)])) for name, row in sums.items()]
    return tuple(sorted(tasks, key=lambda v: (-v.cycles, v.name)))
