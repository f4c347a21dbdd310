"""How a run that does not reach its end is told: deadlock, too many cycles, interrupted."""

from __future__ import annotations

from openwafer.diag import DiagnosticError
from openwafer.sim._explain import explain
from openwafer.sim._report import diagnostic
from openwafer.sim._snapshot import Snapshot


def deadlock(snapshot: Snapshot, ticket: int) -> DiagnosticError:
    """Nothing can happen any more, and command `ticket` is not done."""
    return _error(snapshot, ticket, "deadlock", "nothing can happen any more")


def max_cycles(snapshot: Snapshot, ticket: int, cycles: int) -> DiagnosticError:
    """The limit of `run` has been reached."""
    return _error(snapshot, ticket, "max-cycles", f"{cycles} cycles have passed, up to {snapshot.cycle}")


def interrupted(snapshot: Snapshot, ticket: int) -> DiagnosticError:
    """The user has stopped the run."""
    return _error(snapshot, ticket, "interrupted", f"interrupted in cycle {snapshot.cycle}")


def livelock(snapshot: Snapshot, ticket: int, cycles: int) -> DiagnosticError:
    """Code has run for very long, and nothing but that."""
    what = f"for {cycles} cycles no wavelet has moved, no operation made a step, no command begun"
    return _error(snapshot, ticket, "livelock", what)


def _error(snapshot: Snapshot, ticket: int, id: str, what: str) -> DiagnosticError:
    return DiagnosticError([diagnostic(explain(snapshot, ticket), id, what)])
