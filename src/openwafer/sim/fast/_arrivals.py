"""Which channel of a router takes what comes to a port on a color: with color swapping, that of its pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openwafer.sim.fast._state import SWAPPED
from openwafer.tir import SWAP_X, SWAP_Y

Ints = NDArray[np.int64]
NONE = -1
AXIS_SWAPS = (SWAP_X, SWAP_X, SWAP_Y, SWAP_Y)
"""The swap that counts at port W, E, N, S."""


class Arrivals:
    """`channels[pe, color]` are numbers of channels, NONE where a router has none; `swaps` those of their
    colors. A code is 2 · the number of a channel + SWAPPED if it is that of the pair, or NONE."""

    def __init__(self, channels: Ints, swaps: Ints) -> None:
        self._channels, self._swaps = channels, swaps
        self._has_swaps = bool(swaps.any())

    def codes(self, color: int, port: int) -> Ints:
        """By PE, for what comes to it on a color at a port; the same at the opposite port."""
        own = self._channels[:, color]
        codes = np.where(own >= 0, 2 * own, NONE)
        if not self._has_swaps:
            return codes
        swaps, pair = AXIS_SWAPS[port], self._channels[:, color ^ 1]
        codes = np.where(self._swaps[:, color] & swaps != 0, NONE, codes)
        return np.where((pair >= 0) & (self._swaps[:, color ^ 1] & swaps != 0), 2 * pair + SWAPPED, codes)
