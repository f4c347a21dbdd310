"""What running code asks of its PE, and what it yields where the PE must wait."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, Protocol, TypeAlias

from openwafer.sim.reference import _values as values
from openwafer.sim.reference._dsd import Actions, Operation
from openwafer.sim.reference._expr import Memory
from openwafer.sim.reference._fifo import Fifo
from openwafer.sim.reference._profile import Counts
from openwafer.sim.reference._values import Value
from openwafer.tir import Task

YIELD_LIMIT = 4096
"""Gathered cycles that a `Yield` tolerates."""


class Start(NamedTuple):
    """An operation to be started in a slot; None stands for the synchronous one.

    `on_control` is what follows instead of `actions` when a control wavelet ends it."""

    operation: Operation
    slot: int | None
    actions: Actions
    on_control: Actions | None


Request: TypeAlias = Start | None
"""What a generator yields: an operation to start, or None to let the gathered cycles pass."""


class Tasks(Protocol):
    """Who keeps which tasks are active and blocked."""

    def activate(self, id: int) -> None: ...

    def set_blocked(self, id: int, blocked: bool) -> None: ...


class Pe(Tasks, Memory, Protocol):
    """What a statement needs of its PE. `loc` is the place of the last statement that has one, `paused_at`
    that of the last at which code let time pass."""

    gathered: int
    loc: int
    paused_at: int
    now: int
    dsrs: list[tuple[int, ...]]
    fifos: list[Fifo]

    def copy(self, dest: int, source: int, size: int) -> None: ...

    def unblock_commands(self) -> None: ...

    def random16(self) -> int: ...
    def seed_random(self, state: int) -> None: ...

    def print(self, piece: str) -> None: ...

    @property
    def counts(self) -> Counts: ...

    def read_config(self, address: int) -> int: ...

    def write_config(self, address: int, value: int) -> None: ...

    def run_at_once(self, operation: Operation, setup: int) -> None: ...


class Jump(NamedTuple):
    kind: str
    label: int = 0
    value: Value | None = None


Run: TypeAlias = Generator[Request, None, Jump | None]


def pass_time(pe: Pe, loc: int) -> Run:
    """A time point: waits until the gathered cycles have passed."""
    pe.paused_at = loc
    if pe.gathered:
        yield None
    return None


def apply_actions(pe: Tasks, actions: Actions) -> None:
    """Activates, then unblocks."""
    if actions.activate is not None:
        pe.activate(actions.activate)
    if actions.unblock is not None:
        pe.set_blocked(actions.unblock, False)


def argument(type: str, word: int) -> int:
    """The value of `type` in the low bits of a word."""
    return int(word != 0) if type == "bool" else values.wrapper(type)(word)


def split(wavelet: int, task: Task) -> list[Value]:
    """The arguments of a data task: equal parts of the wavelet, lowest first."""
    width = 32 // max(len(task.params), 1)
    parts = [wavelet >> width * i & (1 << width) - 1 for i in range(len(task.params))]
    return [argument(type, part) for type, part in zip(task.params, parts, strict=True)]
