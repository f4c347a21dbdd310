"""Limits of what a program may ask for at once, the same on both engines."""

MOST_ELEMENTS = 1 << 24
"""So many elements an operation on memory alone may have: it is done at once and cannot be interrupted."""

MOST_INIT_CYCLES = 1 << 26
"""Cycles of what runs before the first cycle, which do not count: it has no other end."""
