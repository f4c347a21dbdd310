"""Spans, diagnostic ids and how they are shown. Every user error is a `Diagnostic`."""

from openwafer.diag._brief import brief
from openwafer.diag._diagnostic import Diagnostic, DiagnosticError, Label, Severity, error
from openwafer.diag._notice import notice
from openwafer.diag._render import print_diagnostics, render, to_json
from openwafer.diag._source import Source, Span
from openwafer.diag._suggest import suggest
from openwafer.diag._warn import warn

__all__ = [
    "Diagnostic",
    "DiagnosticError",
    "Label",
    "Severity",
    "Source",
    "Span",
    "brief",
    "error",
    "notice",
    "print_diagnostics",
    "render",
    "suggest",
    "to_json",
    "warn",
]
