"""Spans, diagnostic ids and how they are shown. Every user error is a `Diagnostic`."""

from openwafer.diag import _environment as environment
from openwafer.diag._brief import brief
from openwafer.diag._diagnostic import Diagnostic, DiagnosticError, Label, Severity, error
from openwafer.diag._notice import notice
from openwafer.diag._render import print_diagnostics, render, to_json
from openwafer.diag._showable import encodable, json_text, showable
from openwafer.diag._source import Source, Span
from openwafer.diag._suggest import suggest
from openwafer.diag._warn import show_warning, warn, warn_once
from openwafer.diag._write import not_written, write_report

__all__ = [
    "Diagnostic",
    "DiagnosticError",
    "Label",
    "Severity",
    "Source",
    "Span",
    "brief",
    "encodable",
    "environment",
    "error",
    "json_text",
    "not_written",
    "notice",
    "print_diagnostics",
    "render",
    "show_warning",
    "showable",
    "suggest",
    "to_json",
    "warn",
    "warn_once",
    "write_report",
]
