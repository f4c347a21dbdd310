"""The event loops, as numba compiles them."""
