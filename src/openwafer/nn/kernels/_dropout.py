"""Dropout (`kernels/dropout.csl`): masks made of numbers by integer arithmetic.

Element (row, token) of a whole matrix is dropped where `mask_bits` is below the limit. Rows of a key that is
a hash of row, layer, step and the token's piece; in a piece of 64 tokens, five rounds of additions, shifts
and exclusive ors on 16 bits."""

# pyright: basic
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openwafer.nn.kernels._kernel import Constant, KernelTable, Size, out, read

DROPOUT = KernelTable()
PIECE = 64
BITS = 15
SHIFTS = ((5, 7), (3, 9), (7, 8), (6, 5), (3, 7))
"""To the left, added; to the right, exclusive or."""


def _mixed(h):
    """The last steps of MurmurHash3, of 32-bit numbers."""
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def mask_bits(rows: NDArray[np.uint32], tokens: int, layer: int, low: int, high: int) -> NDArray[np.uint16]:
    """`[rows, tokens]` numbers of `BITS` bits, for the numbers of rows in the whole matrix."""
    seed, position = np.uint32(low | high << 16), np.arange(tokens)
    piece = (position // PIECE * PIECE).astype(np.uint32)
    with np.errstate(over="ignore"):
        row_keys = _mixed((rows.astype(np.uint32) * np.uint32(0x9E3779B1)) ^ seed) + np.uint32(layer << 16)
        keys = _mixed(row_keys[:, None] + piece)
        parts = (keys.astype(np.uint16), (keys >> np.uint32(16)).astype(np.uint16))
        s = np.broadcast_to((position % PIECE).astype(np.uint16), keys.shape)
        for i, (left, right) in enumerate(SHIFTS):
            s = s + parts[0] if i % 2 == 0 else s ^ parts[1]
            s = s + (s << np.uint16(left))
            s = s ^ (s >> np.uint16(right))
    return s >> np.uint16(1)


@DROPOUT.define(
    "dropout",
    out("y", "heads", "keys", "t"),
    read("x", "heads", "keys", "t"),
    *(Size(name) for name in ("heads", "keys", "t")),
    Size("position", runtime=True),
    *(Size(name) for name in ("period", "columns")),
    Size("column", runtime=True),
    Size("layer"),
    Size("low", runtime=True),
    Size("high", runtime=True),
    Size("limit"),
    Constant("factor", 1.25),
    cases=(
        {"heads": 3, "keys": 1, "t": 7, "position": 2, "period": 1, "columns": 1, "column": 0, "layer": 0,
         "low": 17, "high": 40000, "limit": 6554},
        {"heads": 2, "keys": 3, "t": 70, "position": 1, "period": 9, "columns": 4, "column": 3, "layer": 5,
         "low": 65535, "high": 1, "limit": 16384},
        {"heads": 4, "keys": 1, "t": 128, "position": 40000, "period": 1, "columns": 1, "column": 0,
         "layer": 65535, "low": 0, "high": 0, "limit": 1},
    ),
)  # fmt: skip
def dropout(y, x, heads, keys, t, position, period, columns, column, layer, low, high, limit, factor):
    """`y` may be `x`."""
    head = position * heads + np.arange(heads, dtype=np.int64)[:, None]
    rows = head * period + np.arange(keys) * columns + column
    stays = mask_bits(rows.ravel().astype(np.uint32), t, layer, low, high) >= limit
    y[:] = np.where(stays.reshape(heads, keys, t), x * factor, 0)
