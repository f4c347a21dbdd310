"""Kernels that move rows and columns, or combine a matrix with one number a row (`kernels/matrix.csl`)."""

# pyright: basic
from __future__ import annotations

from openwafer.nn.kernels._kernel import Constant, KernelTable, Size, out, read, update

MATRIX = KernelTable()
MATRICES = ({"f": 3, "t": 5}, {"f": 1, "t": 1}, {"f": 8, "t": 16})


@MATRIX.define(
    "matrix", out("y", "n"), read("x", "n"), Size("n"), Constant("offset", 0.7), cases=({"n": 1}, {"n": 65})
)
def shift(y, x, n, offset):
    """`y` may be `x`."""
    y[:] = x + offset


@MATRIX.define(
    "matrix", out("y", "f", "t"), read("x", "f", "t"), read("w", "f"), Size("f"), Size("t"), cases=MATRICES
)
def scale_features(y, x, w, f, t):
    """`y` may be `x`."""
    y[:] = x * w[:, None]


@MATRIX.define(
    "matrix",
    update("y", "f", "to"),
    read("x", "f", "t"),
    *(Size(name) for name in ("f", "to", "t", "place")),
    Size("first", runtime=True),
    Size("count"),
    cases=(
        {"f": 3, "to": 4, "t": 6, "place": 1, "first": 2, "count": 3},
        {"f": 5, "to": 1, "t": 7, "place": 0, "first": 6, "count": 1},
        {"f": 1, "to": 9, "t": 9, "place": 0, "first": 0, "count": 9},
    ),
)
def copy_tokens(y, x, f, to, t, place, first, count):
    """`count` columns of x from `first` on, to the columns of y from `place` on."""
    y[:, place : place + count] = x[:, first : first + count]


@MATRIX.define(
    "matrix",
    out("y", "n", "t"),
    read("x", "m", "t"),
    *(Size(name) for name in ("n", "m", "t")),
    Size("to", runtime=True),
    Size("at", runtime=True),
    cases=(
        {"n": 3, "m": 4, "t": 2, "to": 1, "at": 0},
        {"n": 5, "m": 2, "t": 3, "to": 0, "at": 1},
        {"n": 2, "m": 2, "t": 3, "to": 3, "at": 1},
        {"n": 4, "m": 3, "t": 1, "to": 2, "at": 3},
    ),
)
def repack(y, x, n, m, t, to, at):
    """Of a matrix in pieces of m rows, x being number `at`, the part that piece `to` of n rows holds; else
    zeros."""
    y[:] = 0
    first, end = max(to * n, at * m), min(to * n + n, at * m + m)
    if first < end:
        y[first - to * n : end - to * n] = x[first - at * m : end - at * m]
