"""All environment variables that OpenWafer reads: name, meaning, parser. `docs/variables.md` lists them.

A value that the parser refuses is the diagnostic `bad-variable`. A variable `OPENWAFER_…` that is not here is
told once in a process, as `unknown-variable`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from openwafer.diag._diagnostic import error
from openwafer.diag._suggest import suggest
from openwafer.diag._warn import warn_once

T = TypeVar("T")
PREFIX = "OPENWAFER_"
MOST_THREADS = 1024
MOST_CYCLES = 2**62
"""More than a simulation ever counts, and less than what means `never` to the engines."""


@dataclass(frozen=True, slots=True)
class Variable(Generic[T]):
    """An environment variable; `parse` raises ValueError with what it expects. Empty counts as not set."""

    name: str
    meaning: str
    parse: Callable[[str], T] = field(repr=False)
    bad: str = "bad-variable"
    """The id of the diagnostic for a value that `parse` refuses."""

    def get(self) -> T | None:
        """Its value, None if it is not set. Diagnostics: `bad`."""
        check_names()
        text = os.environ.get(self.name, "")
        if not text:
            return None
        try:
            return self.parse(text)
        except ValueError as reason:
            raise error(self.bad, f"{self.name} is `{text}`, expected {reason}") from None


def _number(what: str, least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
        if not is_number or not least <= int(text) <= most:
            raise ValueError(f"{what} from {least:,} to {most:,}")
        return int(text)

    return parse


def _one_of(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            hint = suggest(text, names)
            raise ValueError(f"one of {', '.join(names)}" + (f"; {hint}" if hint else ""))
        return text

    return parse


CACHE = Variable(
    "OPENWAFER_CACHE", "folder of compiled code, by default `openwafer` in the user's cache", Path
)
CACHE_TRUST = Variable(
    "OPENWAFER_CACHE_TRUST",
    "`1` uses a folder of compiled code that other users can write: they can then run code as you",
    _one_of("0", "1"),
)
CHECKED_ENGINE = Variable(
    "OPENWAFER_CHECKED_ENGINE",
    "`1`: the simulator checks every address that it touches, about ten times slower",
    _one_of("0", "1"),
)
DIAGNOSTICS = Variable("OPENWAFER_DIAGNOSTICS", "file to which each diagnostic is appended, as JSON", str)
ENGINE = Variable(
    "OPENWAFER_ENGINE", "`fast` (default) or `reference`", _one_of("fast", "reference"), "unknown-engine"
)
HANG_REPORT = Variable("OPENWAFER_HANG_REPORT", "folder for hang.json and hang.svg", str)
MACHINE = Variable("OPENWAFER_MACHINE", "machine on which images run, instead of the one they carry", str)
MAX_CYCLES = Variable(
    "OPENWAFER_MAX_CYCLES",
    "the cycle at which a simulation is ended",
    _number("a number of cycles", 0, MOST_CYCLES),
)
PROFILE = Variable("OPENWAFER_PROFILE", "file to which the profile of each program is appended, as JSON", str)
SEED = Variable(
    "OPENWAFER_SEED",
    "what `random` and `numpy.random` of a host script begin with",
    _number("a number", 0, 2**64 - 1),
)
STATS = Variable("OPENWAFER_STATS", "file to which the cycles of each program are appended, as JSON", str)
THREADS = Variable(
    "OPENWAFER_THREADS", "threads of the simulator", _number("a number of threads", 1, MOST_THREADS)
)
WATCHDOG_CYCLES = Variable(
    "OPENWAFER_WATCHDOG_CYCLES",
    "so many cycles only scalar code may run; 0: for ever",
    _number("a number of cycles", 0, MOST_CYCLES),
)
WRITE_DOCS = Variable("OPENWAFER_WRITE_DOCS", "`1`: tests write the pages that show output anew", str)

VARIABLES: tuple[Variable[Path] | Variable[str] | Variable[int], ...] = (
    CACHE, CACHE_TRUST, CHECKED_ENGINE, DIAGNOSTICS, ENGINE, HANG_REPORT, MACHINE, MAX_CYCLES, PROFILE, SEED,
    STATS, THREADS, WATCHDOG_CYCLES, WRITE_DOCS,
)  # fmt: skip


@cache
def check_names() -> None:
    """Tells variables of the environment that look like ours and are not. Warning: unknown-variable."""
    known = [variable.name for variable in VARIABLES]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            warn_once(
                "unknown-variable", f"the environment variable {name} has no effect", suggest(name, known)
            )
