"""Whether the fast engine is compiled."""

from __future__ import annotations


def is_engine_compiled() -> bool:
    """Whether `compile_engine` has nothing to do. Imports numba: a second."""
    from openwafer.codegen._memory_entry import MEMORY_ENTRY
    from openwafer.sim._fast_entry import ENTRY

    return ENTRY.is_there() and MEMORY_ENTRY.is_there()
