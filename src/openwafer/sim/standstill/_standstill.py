"""How a run that does not reach its end is told: deadlock, live-lock, too many cycles, interrupted."""

from __future__ import annotations

from typing import Protocol

from openwafer.diag import DiagnosticError, error
from openwafer.sim._watchdog import Watchdog
from openwafer.sim.standstill._explain import explain
from openwafer.sim.standstill._report import diagnostic
from openwafer.sim.standstill._snapshot import Snapshot


class Watched(Protocol):
    """What of an engine is told."""

    watchdog: Watchdog

    @property
    def now(self) -> int: ...

    def snapshot(self) -> Snapshot: ...


def deadlock(snapshot: Snapshot, ticket: int) -> DiagnosticError:
    """Nothing can happen any more, and command `ticket` is not done."""
    return _error(snapshot, ticket, "deadlock", "nothing can happen any more")


def interrupted(snapshot: Snapshot, ticket: int | None) -> DiagnosticError:
    """The user has stopped the run."""
    return _error(snapshot, ticket, "interrupted", "interrupted")


def max_cycles(engine: Watched, ticket: int | None, cycles: int) -> DiagnosticError:
    """The limit of one `run`. Without a ticket nothing is explained: hosts let time pass so."""
    if ticket is None:
        return error("max-cycles", f"not done after {cycles} cycles, at cycle {engine.now}")
    return _error(engine.snapshot(), ticket, "max-cycles", f"{cycles} cycles have passed")


def look(engine: Watched, ticket: int | None, cycle: int, marks: tuple[int, ...]) -> None:
    """What the watchdog does in its cycle. Diagnostics: cycle-limit, livelock."""
    dog = engine.watchdog
    if cycle >= dog.last:
        what = f"the limit of {dog.last} cycles is reached"
        raise _error(engine.snapshot(), ticket, "cycle-limit", what)
    if dog.is_stuck(cycle, engine.now, marks):
        what = f"for {dog.cycles} cycles no wavelet has moved, no operation made a step, no command begun"
        raise _error(engine.snapshot(), ticket, "livelock", what)


def _error(snapshot: Snapshot, ticket: int | None, id: str, what: str) -> DiagnosticError:
    return DiagnosticError([diagnostic(explain(snapshot, ticket), id, what, snapshot.sources)])
