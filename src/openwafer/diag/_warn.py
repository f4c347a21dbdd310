"""Warnings: what a user must know of a run that goes on."""

from __future__ import annotations

from collections.abc import Sequence

from openwafer.diag._diagnostic import Diagnostic, DiagnosticError
from openwafer.diag._render import print_diagnostics


def warn(id: str, message: str, *, notes: Sequence[str] = (), help: str | None = None) -> None:
    """Prints a warning on standard error."""
    print_diagnostics(
        DiagnosticError([Diagnostic(id, message, severity="warning", notes=tuple(notes), help=help)])
    )
