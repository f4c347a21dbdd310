"""The simulator's log: `sim.log` in the working directory, as `<simprint>` documents it.

A program may print any character. Those that would change a terminal stand in the file as escapes, for
example `x1b` behind a backslash for ESC; tabs and the ends of lines stay.
"""

from __future__ import annotations

from pathlib import Path

from openwafer.diag import showable
from openwafer.sim import Engine

FILE, TAB = "sim.log", "\t"


class SimLog:
    """What programs print, as `@<cycle> <line>`. The first line of a run begins the file anew."""

    def __init__(self) -> None:
        self._path = Path(FILE).absolute()
        self._written = 0

    def update(self, engine: Engine) -> None:
        """Writes the lines that have come since the last call."""
        lines = engine.printed()[self._written :]
        if not lines:
            return
        with self._path.open("a" if self._written else "w", encoding="utf-8") as file:
            file.writelines(f"@{line.cycle} {showable(line.text, keep=TAB)}\n" for line in lines)
        self._written += len(lines)
