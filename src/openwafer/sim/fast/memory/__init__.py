"""DSD operations, element by element, as numba compiles them."""
