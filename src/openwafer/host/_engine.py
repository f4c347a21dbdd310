"""The engine that a runtime drives."""

from __future__ import annotations

import os

from openwafer.diag import error
from openwafer.host._profile import is_profiling
from openwafer.image import Image
from openwafer.sim._engine import Engine
from openwafer.sim._watchdog import Watchdog

ENGINE_VARIABLE = "OPENWAFER_ENGINE"
ENGINES = ("fast", "reference")
LIMIT_VARIABLE = "OPENWAFER_MAX_CYCLES"
"""Cycles after which a simulation ends with `cycle-limit`."""
WATCHDOG_VARIABLE = "OPENWAFER_WATCHDOG_CYCLES"
"""Cycles after which a simulation in which only scalar code runs ends with `livelock`; 0: never."""


def start_engine(image: Image, threads: int) -> Engine:
    """The engine that `OPENWAFER_ENGINE` names (`fast` by default), with the image loaded.

    Diagnostics: unknown-engine, bad-variable, and those of loading."""
    name = os.environ.get(ENGINE_VARIABLE) or ENGINES[0]
    if name not in ENGINES:
        raise error("unknown-engine", f"{ENGINE_VARIABLE} is `{name}`, expected one of {', '.join(ENGINES)}")
    from openwafer.sim import make_engine

    engine = make_engine(image, image.machine, engine=name, threads=threads, profile=is_profiling())
    engine.watchdog = _watchdog()
    return engine


def _watchdog() -> Watchdog:
    """When runs are ended, as the environment says."""
    cycles, last = _number(WATCHDOG_VARIABLE), _number(LIMIT_VARIABLE)
    watchdog = Watchdog()
    watchdog.cycles = watchdog.cycles if cycles is None else cycles
    watchdog.last = watchdog.last if last is None else last
    return watchdog


def _number(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    if text and not text.isdecimal():
        raise error("bad-variable", f"{variable} is `{text}`, expected a number of cycles")
    return int(text) if text else None
