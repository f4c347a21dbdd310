"""Windows of pictures (`kernels/pictures.csl`): their elements as features, and pooling.

Sizes: channels, batch, height, width; ph, pw, the size with a border, top and left of which the picture
begins; kh, kw, the window; sh, sw, its steps; dh, dw, the distance of its elements; oh, ow, the windows."""

# pyright: basic
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from openwafer.nn.kernels._kernel import Constant, KernelTable, Size, Sizes, out, read, scratch

PICTURES = KernelTable()
LEAST = -1e30
GEOMETRY = (
    "channels", "batch", "height", "width", "ph", "pw", "top", "left", "kh", "kw", "sh", "sw", "dh", "dw",
    "oh", "ow",
)  # fmt: skip
SIZES = tuple(Size(name) for name in GEOMETRY)
CASES: tuple[Sizes, ...] = tuple(
    dict(zip(GEOMETRY, sizes, strict=True))
    for sizes in (
        (2, 2, 4, 5, 6, 7, 1, 1, 3, 3, 1, 1, 1, 1, 4, 5),
        (3, 1, 4, 6, 4, 6, 0, 0, 2, 2, 2, 2, 1, 1, 2, 3),
        (1, 3, 1, 8, 1, 11, 0, 2, 1, 4, 1, 2, 1, 2, 1, 3),
        (2, 2, 5, 5, 7, 6, 1, 0, 3, 2, 2, 3, 2, 1, 2, 2),
        (2, 3, 1, 6, 1, 6, 0, 0, 1, 6, 1, 1, 1, 1, 1, 1),
    )
)
PICTURE, BORDERED = ("channels", "batch", "height", "width"), ("channels", "batch", "ph", "pw")
WINDOWS, TAPS = ("channels", "batch", "oh", "ow"), ("channels", "kh", "kw", "batch", "oh", "ow")


def whole(random, shape):
    """Small whole numbers: several of a window are its largest."""
    return random.integers(-3, 4, shape)


def _bordered(x, value, ph, pw, top, left):
    height, width = x.shape[2:]
    below, right = ph - top - height, pw - left - width
    return np.pad(x, ((0, 0), (0, 0), (top, below), (left, right)), constant_values=value)


def _taps(padded, kh, kw, sh, sw, dh, dw, oh, ow) -> Iterator[tuple[int, int, np.ndarray]]:
    """Of every window one element, as views."""
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
            columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
            yield i, j, padded[:, :, rows, columns]


@PICTURES.define(
    "pictures", out("y", *TAPS), read("x", *PICTURE), scratch("padded", *BORDERED), *SIZES, cases=CASES
)
def unfold(y, x, padded, channels, batch, height, width, ph, pw, top, left, *window):
    """`padded` may be `x` if there is no border."""
    for i, j, tap in _taps(_bordered(x, 0, ph, pw, top, left), *window):
        y[:, i, j] = tap


@PICTURES.define(
    "pictures", out("dx", *PICTURE), read("dy", *TAPS), scratch("dpadded", *BORDERED), *SIZES, cases=CASES
)
def fold(dx, dy, dpadded, channels, batch, height, width, ph, pw, top, left, *window):
    """The transpose of `unfold`. `dpadded` may be `dx` if there is no border."""
    sums = np.zeros((channels, batch, ph, pw), dx.dtype)
    for i, j, tap in _taps(sums, *window):
        tap += dy[:, i, j]
    dx[:] = sums[:, :, top : top + height, left : left + width]


@PICTURES.define(
    "pictures", out("y", *WINDOWS), read("x", *PICTURE), scratch("padded", *BORDERED), *SIZES, cases=CASES
)
def max_pool(y, x, padded, channels, batch, height, width, ph, pw, top, left, *window):
    """`padded` may be `x` if there is no border."""
    y[:] = LEAST
    for _, _, tap in _taps(_bordered(x, LEAST, ph, pw, top, left), *window):
        np.maximum(y, tap, out=y)


@PICTURES.define(
    "pictures",
    out("dx", *PICTURE),
    read("dy", *WINDOWS),
    read("x", *PICTURE, draw=whole),
    read("y", *WINDOWS, draw=whole),
    scratch("padded", *BORDERED),
    scratch("dpadded", *BORDERED),
    scratch("rest", *WINDOWS),
    scratch("part", *WINDOWS),
    *SIZES,
    cases=CASES,
)
def max_pool_grad(
    dx, dy, x, y, padded, dpadded, rest, part, channels, batch, height, width, ph, pw, top, left, *window
):
    """To the first element of each window that is the largest. If there is no border, `padded` may be `x` and
    `dpadded` may be `dx`."""
    left_over, sums = dy.copy(), np.zeros((channels, batch, ph, pw), dx.dtype)
    from_ = _bordered(x, LEAST, ph, pw, top, left)
    for (_, _, tap), (_, _, total) in zip(_taps(from_, *window), _taps(sums, *window), strict=True):
        total += np.where(tap >= y, left_over, 0)
        left_over = np.where(tap >= y, 0, left_over)
    dx[:] = sums[:, :, top : top + height, left : left + width]


@PICTURES.define(
    "pictures", out("y", *WINDOWS), read("x", *PICTURE), scratch("padded", *BORDERED), *SIZES,
    Constant("factor", 0.25), cases=CASES,
)  # fmt: skip
def mean_pool(y, x, padded, channels, batch, height, width, ph, pw, top, left, *rest):
    """factor · the sums of the windows. `padded` may be `x` if there is no border."""
    *window, factor = rest
    y[:] = 0
    for _, _, tap in _taps(_bordered(x, 0, ph, pw, top, left), *window):
        y += tap
    y *= factor


@PICTURES.define(
    "pictures", out("dx", *PICTURE), read("dy", *WINDOWS), scratch("dpadded", *BORDERED), *SIZES,
    Constant("factor", 0.25), cases=CASES,
)  # fmt: skip
def mean_pool_grad(dx, dy, dpadded, channels, batch, height, width, ph, pw, top, left, *rest):
    """`dpadded` may be `dx` if there is no border."""
    *window, factor = rest
    sums = np.zeros((channels, batch, ph, pw), dx.dtype)
    for _, _, tap in _taps(sums, *window):
        tap += dy
    dx[:] = sums[:, :, top : top + height, left : left + width] * factor
