"""What is kept of a fault of OpenWafer: a report for whoever mends it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback

from openwafer._versions import own_version


def describe(name: str, reason: BaseException) -> tuple[str, str]:
    """One line that says what happened, and the report."""
    what = f"{type(reason).__name__}: {_first_line(reason)}"
    head = f"OpenWafer {own_version()}, Python {platform.python_version()}, {platform.platform()}"
    frames = "".join(traceback.format_exception(reason))
    return what, f"{head}\n{name} {' '.join(sys.argv[1:])}\n\n{frames}"


def keep(report: str) -> str:
    """Writes a report; the path of its file. OSError where no directory takes it."""
    descriptor, path = tempfile.mkstemp(prefix="openwafer-report-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(report)
    return path


def _first_line(reason: BaseException) -> str:
    """Of the exception's text; an exception may fail to have one."""
    try:
        return str(reason).split("\n")[0]
    except Exception:
        return ""
