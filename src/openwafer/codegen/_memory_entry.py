"""The way from machine code of CSL into `_memory_op`."""

from __future__ import annotations

from functools import cache
from typing import Any

from openwafer.codegen._memory_op import openwafer_memory_op
from openwafer.codegen._numba_cache import kept_callback

ROOT = "openwafer.codegen._memory_op"
_SIGNATURE = "int64(int64, int32, int64, int64, int64, int32, int32, int32)"


@cache
def compiled_memory_op() -> Any:
    """The numba callback; `.address` is what `bind_memory_op` wants. Compiled once, then kept on disk."""
    return kept_callback(openwafer_memory_op, _SIGNATURE, ROOT)
