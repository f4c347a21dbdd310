"""Entry points of the commands, which import what they run.

From the first line on, a signal ends the process without a traceback, and the boundary says all else.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from openwafer.cli import _signals


def _start(name: str, module: str) -> None:
    _signals.end_at_once()
    from openwafer.cli._errors import INTERRUPTED, bounded

    try:
        code = bounded(name, lambda: import_module(module).main())
    except KeyboardInterrupt:  # another one, while the first was being said
        code = INTERRUPTED
    sys.exit(code)


def _occupy() -> None:
    """Of a closed standard stream, the number is taken: no file that is opened must get it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR if number == 0 else os.O_RDONLY)


def _must_write() -> None:
    """What is written to a closed standard output is an error, as it is to a full one."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115


def openwafer() -> None:
    _occupy()
    _must_write()
    _start("openwafer", "openwafer.cli._main")


def cslc() -> None:
    _occupy()
    _must_write()
    _start("cslc", "openwafer.cli.cslc")


def cs_python() -> None:
    """A script finds closed streams as under `python`: what it prints is lost."""
    _occupy()
    _start("cs_python", "openwafer.cli.cs_python")
