"""Numbers that both engines and the reports share."""

from __future__ import annotations

NEVER = 1 << 62
"""A cycle that does not come."""
RAMP = 4
"""The port to the PE; 0 to 3 are W, E, N, S."""
OFFSETS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Offset (x, y) of the neighbour at port W, E, N, S."""
SYNCHRONOUS = 8
"""Slot of the operation that the main thread waits for; those below it are microthreads."""
MAIN = 9
"""The main thread among the candidates for the datapath."""
CANDIDATES = 10
YIELD_LIMIT = 4096
"""Gathered cycles that a `Yield` tolerates."""
ENDLESS_EXTENT = 0x7FFF
"""Extent of a fabric DSD that only a control wavelet ends."""
