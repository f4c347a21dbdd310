"""The steps of a softmax along rows that are split over an axis (`kernels/softmax.csl`): for attention's
scores `[heads][keys][t]` and, with one block, for logits `[vocabulary][t]`."""

# pyright: basic
from __future__ import annotations

import numpy as np

from openwafer.nn.kernels._kernel import Constant, KernelTable, Size, out, read, update

SOFTMAX = KernelTable()
CASES = (
    {"blocks": 2, "rows": 3, "t": 5},
    {"blocks": 1, "rows": 8, "t": 1},
    {"blocks": 4, "rows": 1, "t": 3},
    {"blocks": 2, "rows": 9, "t": 16},
)
BLOCK = ("blocks", "rows", "t")
SIZES = tuple(Size(name) for name in BLOCK)


def logits(random, shape):
    return random.standard_normal(shape) * 5


def largest(random, shape):
    """No score is above it."""
    return random.uniform(22, 25, shape)


@SOFTMAX.define("softmax", out("m", "blocks", "t"), read("x", *BLOCK, draw=logits), *SIZES, cases=CASES)
def row_max(m, x, blocks, rows, t):
    m[:] = x.max(1)


@SOFTMAX.define(
    "softmax",
    update("x", *BLOCK, draw=logits),
    out("sum", "blocks", "t"),
    read("m", "blocks", "t", draw=largest),
    *SIZES,
    cases=CASES,
)
def exp_sum(x, sum, m, blocks, rows, t):
    """x becomes e^(x − m), `sum` its sums over the rows. No element may be above m."""
    x[:] = np.exp(x - m[:, None])
    sum[:] = x.sum(1)


@SOFTMAX.define("softmax", update("x", *BLOCK), read("r", "blocks", "t"), *SIZES, cases=CASES)
def scale_rows(x, r, blocks, rows, t):
    """With `r` the reciprocals of the sums: the end of a softmax."""
    x *= r[:, None]


@SOFTMAX.define(
    "softmax",
    update("x", "rows", "t"),
    Size("rows"),
    Size("t"),
    Size("valid", runtime=True),
    Constant("value", -2.5),
    cases=({"rows": 5, "t": 3, "valid": 2}, {"rows": 4, "t": 1, "valid": 4}, {"rows": 4, "t": 2, "valid": 0}),
)
def fill_rows(x, rows, t, valid, value):
    """Rows from `valid` on get the value: padding of the vocabulary before a softmax, of features."""
    x[valid:] = value
