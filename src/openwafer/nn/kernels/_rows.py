"""Rows of a matrix as a whole (`kernels/rows.csl`)."""

# pyright: basic
from __future__ import annotations

from openwafer.nn.kernels._kernel import KernelTable, Size, out, read, update

ROWS = KernelTable()
MATRICES = ({"rows": 3, "t": 5}, {"rows": 1, "t": 1}, {"rows": 8, "t": 16}, {"rows": 5, "t": 1})
SIZES = (Size("rows"), Size("t"))
COPIES = (
    {"n": 3, "m": 4, "t": 2, "to": 1, "at": 0, "first": 1, "count": 3, "place": 2},
    {"n": 5, "m": 2, "t": 3, "to": 0, "at": 1, "first": 0, "count": 4, "place": 0},
    {"n": 4, "m": 4, "t": 1, "to": 1, "at": 1, "first": 6, "count": 9, "place": 3},
    {"n": 2, "m": 3, "t": 4, "to": 3, "at": 0, "first": 0, "count": 3, "place": 0},
)


@ROWS.define("rows", out("s", "t"), read("x", "rows", "t"), *SIZES, cases=MATRICES)
def sum_rows(s, x, rows, t):
    s[:] = x.sum(0)


@ROWS.define("rows", update("y", "rows", "t"), read("b", "t"), *SIZES, cases=MATRICES)
def add_row(y, b, rows, t):
    y[:] += b


@ROWS.define(
    "rows",
    update("y", "n", "t"),
    read("x", "m", "t"),
    *(Size(name) for name in ("n", "m", "t")),
    Size("to", runtime=True),
    Size("at", runtime=True),
    *(Size(name) for name in ("first", "count", "place")),
    cases=COPIES,
)
def copy_rows(y, x, n, m, t, to, at, first, count, place):
    """Of a matrix in pieces of m rows, x being number `at`, the rows first … first + count − 1 become the
    rows from `place` on of a matrix in pieces of n rows, y being number `to`; the others of y stay."""
    for i in range(n):
        source = to * n + i - place + first
        if first <= source < first + count and at * m <= source < at * m + m:
            y[i] = x[source - at * m]
