"""A warning: told at once, and the work goes on."""

from __future__ import annotations

from openwafer.diag._diagnostic import Diagnostic, DiagnosticError
from openwafer.diag._render import print_diagnostics


def warn(id: str, message: str, help: str | None = None) -> None:
    """Prints a warning on standard error."""
    print_diagnostics(DiagnosticError([Diagnostic(id, message, severity="warning", help=help)]))
