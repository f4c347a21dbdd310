"""Limits of what a program may ask for at once, the same on both engines."""

LANES = 8
"""Queue ids from here on are further lanes of the queue with the same remainder: on WSE-2 an input queue that
serves several colors has one for each, of the queue's depth, and they share its microthread."""

MOST_LANES = 64
"""Ids of lanes lie below."""

MOST_ELEMENTS = 1 << 24
"""So many elements an operation on memory alone may have: it is done at once and cannot be interrupted."""

MOST_INIT_CYCLES = 1 << 26
"""Cycles of what runs before the first cycle, which do not count: it has no other end."""
