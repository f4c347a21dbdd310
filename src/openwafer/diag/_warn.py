"""Warnings: told on standard error, and the work goes on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from openwafer.diag._diagnostic import Diagnostic, DiagnosticError
from openwafer.diag._render import print_diagnostics


def warn(id: str, message: str, *, notes: Sequence[str] = (), help: str | None = None) -> None:
    """Prints a warning. A closed standard error is no error."""
    show_warning(Diagnostic(id, message, severity="warning", notes=tuple(notes), help=help))


def show_warning(warning: Diagnostic) -> None:
    """Prints a warning on standard error."""
    try:
        print_diagnostics(DiagnosticError([warning]))
    except (OSError, ValueError):
        return


@cache
def warn_once(id: str, message: str, help: str | None = None) -> None:
    """Prints a warning, unless this process has printed the same one."""
    warn(id, message, help=help)
