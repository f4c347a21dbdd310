"""Warnings that concern no line of a file: told at once on standard error, and the work goes on."""

from __future__ import annotations

from functools import cache

from openwafer.diag._diagnostic import Diagnostic, DiagnosticError
from openwafer.diag._render import print_diagnostics


def warn(id: str, message: str, help: str | None = None) -> None:
    """Prints a warning. A closed standard error is no error."""
    try:
        print_diagnostics(DiagnosticError([Diagnostic(id, message, severity="warning", help=help)]))
    except (OSError, ValueError):
        return


@cache
def warn_once(id: str, message: str, help: str | None = None) -> None:
    """Prints a warning, unless this process has printed the same one."""
    warn(id, message, help)
