"""Kernels that touch each element by itself (`kernels/elementwise.csl`). `y` may be one of the inputs."""

# pyright: basic
from __future__ import annotations

from openwafer.nn.kernels._kernel import Constant, KernelTable, Size, out, read, update

ELEMENTWISE = KernelTable()
LENGTHS = ({"n": 1}, {"n": 7}, {"n": 64})
UNARY = (out("y", "n"), read("x", "n"), Size("n"))
BINARY = (out("y", "n"), read("a", "n"), read("b", "n"), Size("n"))


@ELEMENTWISE.define("elementwise", out("y", "n"), Size("n"), cases=LENGTHS)
def zero(y, n):
    y[:] = 0


@ELEMENTWISE.define("elementwise", *UNARY, cases=LENGTHS)
def copy(y, x, n):
    y[:] = x


@ELEMENTWISE.define("elementwise", *BINARY, cases=LENGTHS)
def add(y, a, b, n):
    y[:] = a + b


@ELEMENTWISE.define("elementwise", *BINARY, cases=LENGTHS)
def sub(y, a, b, n):
    y[:] = a - b


@ELEMENTWISE.define("elementwise", *BINARY, cases=LENGTHS)
def mul(y, a, b, n):
    y[:] = a * b


@ELEMENTWISE.define("elementwise", *UNARY, Constant("factor", 0.7), cases=LENGTHS)
def scale(y, x, n, factor):
    y[:] = factor * x


@ELEMENTWISE.define("elementwise", *BINARY, Constant("factor", -0.3), cases=LENGTHS)
def add_scaled(y, a, b, n, factor):
    """What a residual scaling, a weight decay or a plain gradient step needs."""
    y[:] = a + factor * b


@ELEMENTWISE.define("elementwise", update("x", "n"), read("factor", 1), Size("n"), cases=LENGTHS)
def scale_by(x, factor, n):
    """Scales by a number that the program has computed, such as a clipping factor."""
    x *= factor[0]
