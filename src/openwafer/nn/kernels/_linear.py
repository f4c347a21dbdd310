"""Local products of linear layers (`kernels/linear.csl`)."""

# pyright: basic
from __future__ import annotations

from openwafer.nn.kernels._kernel import KernelTable, Size, out, read, scratch, update
from openwafer.nn.kernels._linear_cost import (
    add_bias_cycles,
    bias_grad_cycles,
    grad_input_cycles,
    grad_weight_cycles,
    linear_cycles,
    linear_half_cycles,
)

LINEAR = KernelTable()
SIZES = (Size("n"), Size("k"), Size("t"))
CASES = (
    {"n": 3, "k": 2, "t": 4},
    {"n": 1, "k": 1, "t": 1},
    {"n": 7, "k": 5, "t": 1},
    {"n": 9, "k": 3, "t": 2},
    {"n": 5, "k": 6, "t": 7},
    {"n": 8, "k": 12, "t": 16},
)
BIAS_CASES = ({"n": 3, "t": 5}, {"n": 1, "t": 1}, {"n": 16, "t": 1}, {"n": 7, "t": 32})


@LINEAR.define(
    "linear",
    out("y", "n", "t", bank=0),
    read("x", "k", "t", bank=1),
    read("w", "k", "n", bank=1),
    *SIZES,
    cases=CASES,
    cycles=linear_cycles,
)
def linear(y, x, w, n, k, t):
    y[:] = w.T @ x


@LINEAR.define(
    "linear",
    out("y", "n", "t"),
    scratch("half", "k", "t", dtype="f16"),
    read("x", "k", "t", bank=1),
    read("w", "k", "n", dtype="f16", bank=1),
    *SIZES,
    cases=CASES,
    tolerance=2e-3,
    cycles=linear_half_cycles,
)
def linear_half(y, half, x, w, n, k, t):
    y[:] = w.T @ x


@LINEAR.define(
    "linear",
    out("dx", "k", "t", bank=0),
    read("dy", "n", "t", bank=1),
    read("w", "k", "n", bank=1),
    *SIZES,
    cases=CASES,
    cycles=grad_input_cycles,
)
def linear_grad_input(dx, dy, w, n, k, t):
    dx[:] = w @ dy


@LINEAR.define(
    "linear",
    update("dw", "k", "n", bank=0),
    scratch("turned", "t", "n", bank=1),
    read("x", "k", "t"),
    read("dy", "n", "t"),
    *SIZES,
    cases=(*CASES, {"n": 12, "k": 3, "t": 40}),
    cycles=grad_weight_cycles,
)
def linear_grad_weight(dw, turned, x, dy, n, k, t):
    dw[:] += x @ dy.T


@LINEAR.define(
    "linear",
    update("y", "n", "t"),
    read("b", "n"),
    Size("n"),
    Size("t"),
    cases=BIAS_CASES,
    cycles=add_bias_cycles,
)
def add_bias(y, b, n, t):
    y[:] += b[:, None]


@LINEAR.define(
    "linear",
    update("db", "n"),
    read("dy", "n", "t"),
    Size("n"),
    Size("t"),
    cases=BIAS_CASES,
    cycles=bias_grad_cycles,
)
def bias_grad(db, dy, n, t):
    db[:] += dy.sum(1)
