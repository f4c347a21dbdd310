"""Files that a user asked for beside the results."""

from __future__ import annotations

import os

from openwafer.diag._diagnostic import DiagnosticError, error


def write_report(path: str | os.PathLike[str], text: str, mode: str = "w") -> None:
    """Writes (mode `w`) or appends (mode `a`) a text in UTF-8. Diagnostics: report-not-written."""
    try:
        with open(path, mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as reason:
        raise not_written(path, reason) from reason


def not_written(path: str | os.PathLike[str], reason: OSError) -> DiagnosticError:
    return error("report-not-written", f"cannot write `{os.fspath(path)}`: {reason.strerror}")
