"""The way from machine code of CSL into `_op`."""

from __future__ import annotations

from functools import cache
from typing import Any

from openwafer.sim.fast._numba_cache import Kept
from openwafer.sim.fast.memory._op import openwafer_memory_op

MEMORY_ENTRY = Kept(
    openwafer_memory_op,
    "int64(int64, int32, int64, int64, int64, int32, int32, int32)",
    "openwafer.sim.fast.memory._op",
)


@cache
def compiled_memory_op() -> Any:
    """The numba callback; `.address` is what `bind_memory_op` wants. Compiled once, then kept on disk."""
    return MEMORY_ENTRY.as_callback()
