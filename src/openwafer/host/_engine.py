"""The engine that a runtime drives."""

from __future__ import annotations

from typing import Literal, cast

from openwafer.diag import environment
from openwafer.host._profile import is_profiling
from openwafer.image import Image
from openwafer.sim import Engine, Watchdog


def start_engine(image: Image, threads: int) -> Engine:
    """The engine that `OPENWAFER_ENGINE` names (`fast` by default), with the image loaded.

    Diagnostics: unknown-engine, bad-variable, and those of loading."""
    name = cast("Literal['fast', 'reference']", environment.ENGINE.get() or "fast")
    from openwafer.sim import make_engine

    engine = make_engine(image, image.machine, engine=name, threads=threads, profile=is_profiling())
    engine.watchdog = _watchdog()
    return engine


def _watchdog() -> Watchdog:
    """When runs are ended, as the environment says."""
    cycles, last = environment.WATCHDOG_CYCLES.get(), environment.MAX_CYCLES.get()
    watchdog = Watchdog()
    watchdog.cycles = watchdog.cycles if cycles is None else cycles
    watchdog.last = watchdog.last if last is None else last
    return watchdog
