"""The compiled engine, and how compiled code is kept."""

from typing import TYPE_CHECKING

from openwafer._later import later

if TYPE_CHECKING:
    from openwafer.sim.fast._numba_cache import Kept

__all__ = ["Kept"]

__getattr__, __dir__ = later(__name__, {"_numba_cache": ("Kept",)})
