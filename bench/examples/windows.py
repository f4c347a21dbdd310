"""Runs a host script as `cs_python` does and says how long the wafer worked.

    python bench/examples/windows.py SCRIPT ARGS …

A window begins with a launch or with the first wavelet of a stream, and ends when nothing can happen any more
before the next copy. The sum of all, without the time in which the host prepares its streams, is written
as a line to the file that `OPENWAFER_WINDOWS` names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from openwafer.cli import cs_python
from openwafer.host import _runtime
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim import CopyIn, CopyOut
from openwafer.sim._engine import Command, Engine, StreamIn, StreamOut

VARIABLE = "OPENWAFER_WINDOWS"


class Windows:
    """An engine that measures its windows; a copy waits until the program rests."""

    def __init__(self, engine: Engine, stream_start_cycles: int) -> None:
        self._engine = engine
        self._stream_start_cycles = stream_start_cycles
        self._start: int | None = None
        self.cycles = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def submit(self, command: Command) -> int:
        if isinstance(command, (CopyIn, CopyOut)):
            self._engine.run(None)
            self.close()
        elif self._start is None:
            self._start = self._engine.now
        if isinstance(command, (StreamIn, StreamOut)):
            self.cycles -= self._stream_start_cycles
        return self._engine.submit(command)

    def run(self, ticket: int | None = None, *, max_cycles: int | None = None) -> None:
        self._engine.run(ticket, max_cycles=max_cycles)
        if ticket is None and max_cycles is None:
            self.close()

    def close(self) -> None:
        if self._start is not None:
            self.cycles += self._engine.now - self._start
        self._start = None


def main() -> None:
    start_engine, started = _runtime.start_engine, list[Windows]()

    def start(image: Image, threads: int) -> Windows:
        engine = start_engine(image, threads)
        started.append(Windows(engine, load_machine(image.machine).host.stream_start_cycles))
        return started[-1]

    _runtime.start_engine = start  # type: ignore[assignment]
    try:
        cs_python.main()
    finally:
        with Path(os.environ[VARIABLE]).open("a") as file:
            print(sum(windows.cycles for windows in started), file=file)


if __name__ == "__main__":
    sys.exit(main())
