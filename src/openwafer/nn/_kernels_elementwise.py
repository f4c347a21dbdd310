"""Kernels that touch each element by itself (`kernels/elementwise.csl`)."""

# pyright: basic
from __future__ import annotations

from openwafer.nn._kernel import KernelTable, Size, out, read

ELEMENTWISE = KernelTable()
LENGTHS = ({"n": 1}, {"n": 7}, {"n": 64})


@ELEMENTWISE.define("elementwise", out("y", "n"), read("a", "n"), read("b", "n"), Size("n"), cases=LENGTHS)
def add(y, a, b, n):
    y[:] = a + b
