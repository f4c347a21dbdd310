"""Rotary position embedding (`kernels/rope.csl`), half-split as Llama has it: feature i of a head turns with
feature i + half; features from 2·half on stay as they are. The tables serve all heads and sequences; `seq` is
the number of tokens of each of `batch` sequences. Scratch may hold one of the two parts."""

# pyright: basic
from __future__ import annotations

import numpy as np

from openwafer.nn.kernels._kernel import KernelTable, Size, out, read, scratch

ROPE = KernelTable()
CASES = (
    {"heads": 1, "hd": 4, "half": 2, "batch": 1, "seq": 3},
    {"heads": 2, "hd": 4, "half": 1, "batch": 2, "seq": 2},
    {"heads": 3, "hd": 8, "half": 4, "batch": 1, "seq": 1},
    {"heads": 2, "hd": 8, "half": 4, "batch": 3, "seq": 5},
)
HEADS = ("heads", "hd", "batch", "seq")
SIZES = tuple(Size(name) for name in ("heads", "hd", "half", "batch", "seq"))
TABLES = (
    read("cos", "half", "seq"),
    read("sin", "half", "seq"),
    scratch("work", "heads", "half", "batch", "seq"),
)


def _turn(y, x, cos, sin, half):
    cos, sin = cos[:, None, :], sin[:, None, :]
    first, second = x[:, :half], x[:, half : 2 * half]
    y[:, :half] = first * cos - second * sin
    y[:, half : 2 * half] = second * cos + first * sin
    y[:, 2 * half :] = x[:, 2 * half :]


@ROPE.define("rope", out("y", *HEADS), read("x", *HEADS), *TABLES, *SIZES, cases=CASES)
def rope(y, x, cos, sin, work, heads, hd, half, batch, seq):
    _turn(y, x, cos, sin, half)


@ROPE.define("rope", out("dx", *HEADS), read("dy", *HEADS), *TABLES, *SIZES, cases=CASES)
def rope_grad(dx, dy, cos, sin, work, heads, hd, half, batch, seq):
    _turn(dx, dy, cos, -sin, half)


def frequencies(random, shape):
    """As Llama has them: from 1 downwards."""
    return 10000.0 ** -(np.arange(shape[0]) / shape[0])


@ROPE.define(
    "rope_tables",
    out("cos", "half", "seq"),
    out("sin", "half", "seq"),
    read("frequency", "half", draw=frequencies),
    Size("half"),
    Size("seq"),
    Size("past", runtime=True),
    cases=(
        {"half": 4, "seq": 1, "past": 3},
        {"half": 1, "seq": 7, "past": 0},
        {"half": 8, "seq": 33, "past": 4000},
    ),
)
def rope_tables(cos, sin, frequency, half, seq, past):
    """Of the tokens at positions past … past + seq − 1. The angle is rounded to f32, as it is in PyTorch."""
    angle = (frequency[:, None].astype(np.float32) * np.arange(past, past + seq, dtype=np.float32)).astype(
        float
    )
    cos[:] = np.cos(angle)
    sin[:] = np.sin(angle)
