"""Convolutions and pooling of pictures [batch, channels, …]: channels are features, places are tokens."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from openwafer.nn.capture._abstract import Param
from openwafer.nn.capture._hints import CONVOLUTION
from openwafer.nn.capture._inputs import NOTHING, row_major
from openwafer.nn.capture._view import Atom, View
from openwafer.nn.capture._walk import Capture
from openwafer.nn.capture.aten._compute import linear
from openwafer.nn.capture.aten._reductions import mean
from openwafer.nn.capture.aten._views import permute
from openwafer.nn.graph._graph import Shape, Value
from openwafer.nn.ops._convolution import Windows

Sizes = int | Sequence[int]


def convolution(
    context: Capture, x: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Any = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """A linear layer of the elements of each window."""
    if not isinstance(weight, Param | torch.Tensor) or groups != 1 or not isinstance(x, View):
        raise context.unsupported("only with a parameter or a constant, in one group", help=CONVOLUTION)
    index = weight.index if isinstance(weight, Param) else weight
    flat = replace(weight, index=index.flatten(1)) if isinstance(weight, Param) else index.flatten(1)
    dims, kernel = index.dim() - 2, tuple(index.shape[2:])
    steps, far = _each(stride, dims), _each(dilation, dims)
    if padding in ("valid", "same"):
        ends = [(d * (k - 1) * (padding == "same")) for d, k in zip(far, kernel, strict=True)]
        borders = [(end // 2, end - end // 2) for end in ends]
    else:
        borders = [(p, p) for p in _each(padding, dims)]
    windows = _windows(x.shape, kernel, steps, borders, far)
    rows = _host_windows(context, x, windows) if context.is_input(x) else _unfolded(context, x, windows)
    made = linear(context, rows, flat, bias)
    return permute(context, made, [0, dims + 1, *range(1, dims + 1)])


def _unfolded(context: Capture, x: View, windows: Windows) -> View:
    view = _picture(context, x)
    shape = Shape(view.value.features * windows.taps, windows.tokens)
    value = context.emit("unfold", [view.value], shape, windows=windows)
    return _rows(value, windows.counts(len(view.dims) - 2))


def _host_windows(context: Capture, x: View, w: Windows) -> View:
    """Of an input: the host arranges it, so that taps of one channel may lie on several PEs."""
    channels, counts = x.shape[1], w.counts(len(x.dims) - 2)
    ends = (w.left, w.pw - w.left - w.width, w.top, w.ph - w.top - w.height)

    def arranged(places: torch.Tensor) -> torch.Tensor:
        picture = places.reshape(w.batch, channels, w.height, w.width)
        padded = torch.nn.functional.pad(picture, ends, value=NOTHING)
        taps = [
            padded[:, :, i * w.dh :: w.sh, j * w.dw :: w.sw][:, :, : w.oh, : w.ow]
            for i in range(w.kh)
            for j in range(w.kw)
        ]
        return torch.stack(taps, 2).permute(0, 3, 4, 1, 2).reshape(*counts, -1)

    return context.rearranged(x, arranged)


def max_pool(
    context: Capture, x: Any, kernel: Sizes, stride: Sizes = (), padding: Sizes = 0, dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> View:  # fmt: skip
    return _pooled(context, "max_pool", x, kernel, stride, padding, dilation, ceil_mode)


def average_pool(
    context: Capture, x: Any, kernel: Sizes, stride: Sizes = (), padding: Sizes = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> View:  # fmt: skip
    dims = len(x.shape) - 2
    if any(_each(padding, dims)) and not count_include_pad:
        raise context.unsupported("with padding, only means that count it")
    size = divisor_override or _product(_each(kernel, dims))
    return _pooled(context, "mean_pool", x, kernel, stride, padding, 1, ceil_mode, factor=1 / size)


def adaptive_average_pool(context: Capture, x: Any, output: Sizes) -> View:
    """Of windows of one size."""
    dims = len(x.shape) - 2
    wanted = tuple(size if n is None else n for size, n in zip(x.shape[2:], _each(output, dims), strict=True))
    if _product(wanted) == 1:
        return mean(context, x, list(range(2, 2 + dims)), True)
    kernel = [size // n for size, n in zip(x.shape[2:], wanted, strict=True)]
    if any(size % n for size, n in zip(x.shape[2:], wanted, strict=True)):
        raise context.unsupported("only of windows of one size")
    return average_pool(context, x, kernel)


def _pooled(
    context: Capture, name: str, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    ceil_mode: bool, **attributes: float,
) -> View:  # fmt: skip
    if ceil_mode:
        raise context.unsupported("only without `ceil_mode`")
    view = _picture(context, x)
    dims = len(view.shape) - 2
    size = _each(kernel, dims)
    steps = size if stride in ((), []) else _each(stride, dims)
    borders = [(p, p) for p in _each(padding, dims)]
    windows = _windows(view.shape, size, steps, borders, _each(dilation, dims))
    shape = Shape(view.value.features, windows.tokens)
    made = context.emit(name, [view.value], shape, windows=windows, **attributes)
    rows = _rows(made, windows.counts(dims))
    return permute(context, rows, [0, dims + 1, *range(1, dims + 1)])


# --- how pictures lie ---


def _picture(context: Capture, x: Any) -> View:
    """[batch, channels, …] with channels as features and the others as tokens, in order."""
    view = context.whole(x)
    if len(view.dims) not in (3, 4):
        raise context.unsupported("only of [batch, channels, width] and [batch, channels, height, width]")
    if view.dims == _lying(view.shape, view.value.features):
        return view
    rows = context.rearranged(view, lambda t: t.movedim(1, -1))
    return permute(context, rows, [0, len(view.dims) - 1, *range(1, len(view.dims) - 1)])


def _lying(shape: Sequence[int], features: int) -> Any:
    batch, *places = row_major("t", (shape[0], *shape[2:]))
    return (batch, (Atom("f", 1, features),) if features > 1 else (), *places)


def _rows(value: Value, counts: Sequence[int]) -> View:
    """A matrix as [batch, …, features]."""
    features = (Atom("f", 1, value.features),) if value.features > 1 else ()
    return View(value, (*row_major("t", tuple(counts)), features))


def _windows(
    shape: Sequence[int], kernel: Sequence[int], steps: Sequence[int], borders: Sequence[tuple[int, int]],
    far: Sequence[int],
) -> Windows:  # fmt: skip
    """Of one or two dimensions; one is a picture of one row."""
    sizes = shape[2:]
    bordered = [size + sum(ends) for size, ends in zip(sizes, borders, strict=True)]
    counts = [
        (size - d * (k - 1) - 1) // s + 1 for size, d, k, s in zip(bordered, far, kernel, steps, strict=True)
    ]
    pairs = (sizes, bordered, [first for first, _ in borders], kernel, steps, far, counts)
    is_line = len(sizes) == 1
    neutral = (1, 1, 0, 1, 1, 1, 1)
    numbers = [n for pair, one in zip(pairs, neutral, strict=True) for n in ([one] * is_line + list(pair))]
    return Windows(shape[0], *numbers)


def flattened(context: Capture, view: View) -> View:
    """Channels and places in the last dimension, which a linear layer reads, as features."""
    *outer, last = view.dims
    channels = Atom("f", 1, view.value.features)
    if len(last) != 2 or last[0] != channels or last[1].axis != "t" or last[1].stride != 1:
        return view
    places = last[1].size
    if any(a.axis != "t" or a.stride % places for d in outer for a in d):
        return view
    batch = view.value.tokens // places
    windows = Windows(batch, 1, places, 1, places, 0, 0, 1, places, 1, 1, 1, 1, 1, 1)
    made = context.emit("unfold", [view.value], Shape(channels.size * places, batch), windows=windows)
    dims = [tuple(Atom("t", a.stride // places, a.size) for a in d) for d in outer]
    return View(made, (*dims, (Atom("f", 1, made.features),)))


def _each(sizes: Sizes, dims: int) -> tuple[int, ...]:
    listed = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    return listed * (dims // len(listed))


def _product(sizes: Sequence[int]) -> int:
    out = 1
    for size in sizes:
        out *= size
    return out
