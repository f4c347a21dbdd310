"""Whether the fast engine is compiled."""

from __future__ import annotations


def is_engine_compiled() -> bool:
    """Whether `compile_engine` has nothing to do. Imports numba: a second."""
    from openwafer.sim.fast._entry import ENTRY
    from openwafer.sim.fast.memory._entry import MEMORY_ENTRY

    return ENTRY.is_there() and MEMORY_ENTRY.is_there()
