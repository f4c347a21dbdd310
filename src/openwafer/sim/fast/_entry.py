"""The function by which Python enters the compiled engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from openwafer.diag import notice
from openwafer.sim.fast._loop import openwafer_engine
from openwafer.sim.fast._numba_cache import Kept

ENTRY = Kept(openwafer_engine, "int64(int64, int64, int64, int64, int64)", "openwafer.sim.fast._loop")


@cache
def entry_point() -> Callable[[int, int, int, int, int], int]:
    """The compiled way in: `f(what, w, a, b, c)`. One to two minutes the first time, then kept on disk."""
    with notice("Compiling the simulator, once for this installation; this takes one to two minutes."):
        return ENTRY.as_function()
