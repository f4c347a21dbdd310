"""What a profile counts, line by line."""

from __future__ import annotations

import enum


class Counter(enum.IntEnum):
    """What a profile counts by source line: a row of 64-bit words. All but the first, third and fourth are
    cycles."""

    RUNS = 0  # times that a statement of the line has begun
    SCALAR = 1  # of scalar code
    OPERATIONS = 2  # DSD operations
    ELEMENTS = 3
    BUSY = 4  # of DSD operations: starting, moving elements, ending
    BANKS = 5  # lost to conflicts of memory banks
    WAVELETS = 6  # waiting for wavelets
    SPACE = 7  # waiting for room in an output queue
    OTHERS = 8  # waiting for elements or places of a FIFO, or while others have the datapath


COUNTERS = len(Counter)
