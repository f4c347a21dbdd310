"""Entry points of the commands, which import what they run.

Ctrl-C while Python still imports ends the process without a traceback; afterwards `run_command` sees to it.
"""

from __future__ import annotations

import signal
from importlib import import_module


def _start(module: str) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    main = import_module(module).main
    signal.signal(signal.SIGINT, before)
    main()


def openwafer() -> None:
    _start("openwafer.cli._main")


def cslc() -> None:
    _start("openwafer.cli.cslc")


def cs_python() -> None:
    _start("openwafer.cli.cs_python")
