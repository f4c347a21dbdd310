"""Writes into part of a tensor, as values: `slice_scatter` and its relatives, `copy` and `fill`.

The matrix on the wafer is put together anew: tokens that are not written stay, of the others the written
features come from what is written.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from openwafer.nn.capture import _view
from openwafer.nn.capture._abstract import Param
from openwafer.nn.capture._parts import MOST_RUNS
from openwafer.nn.capture._view import Atom, View, ViewError, matrix
from openwafer.nn.capture._walk import Capture
from openwafer.nn.capture.aten._join import cat, copy_features, table_view
from openwafer.nn.capture.aten._views import view_of
from openwafer.nn.graph._graph import Shape, Value
from openwafer.nn.ops._copy_features import Piece

Pick = Callable[[torch.Tensor], torch.Tensor]
"""From a tensor to the part of it that is written."""
Index = NDArray[np.int64]

aten: Any = torch.ops.aten


def slice_scatter(
    context: Capture, x: Any, part: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> View:  # fmt: skip
    if isinstance(x, torch.Tensor | Param) and step == 1:
        return _around(context, x, part, dim, start, end)
    return _scatter(context, x, part, lambda places: aten.slice.Tensor(places, dim, start, end, step))


def select_scatter(context: Capture, x: Any, part: Any, dim: int, index: int) -> View:
    if isinstance(x, torch.Tensor | Param):
        index %= _shape(x)[dim]
        return _around(context, x, _unsqueezed(part, dim % len(_shape(x))), dim, index, index + 1)
    return _scatter(context, x, part, lambda places: places.select(dim, index))


def index_put(
    context: Capture, x: Any, indices: list[Any], part: Any, accumulate: bool = False, *_: Any
) -> View:
    """Constant indices that choose a rectangle."""
    given = [i for i in indices if i is not None]
    if accumulate or not all(isinstance(i, torch.Tensor) for i in given) or isinstance(x, torch.Tensor):
        raise context.unsupported("only with constant indices, and without sums")
    return _scatter(
        context, x, part, lambda places: places[tuple(slice(None) if i is None else i for i in indices)]
    )


def copy(context: Capture, x: Any, source: Any, *_: Any) -> Any:
    """`source` in the shape of `x`."""
    shape = context.shape
    if isinstance(source, Param):
        return Param(source.name, source.index.expand(shape))
    if isinstance(source, torch.Tensor):
        return source.to(context.dtype).expand(shape)
    return _view.expand(view_of(context, source), shape)


def fill(context: Capture, _: Any, number: Any) -> torch.Tensor:
    if not isinstance(number, int | float | torch.Tensor):
        raise context.unsupported("a fill with a number that is computed on the wafer")
    return torch.full(
        context.shape, number.item() if isinstance(number, torch.Tensor) else number, dtype=context.dtype
    )


def zero(context: Capture, *_: Any) -> torch.Tensor:
    return torch.zeros(context.shape, dtype=context.dtype)


def _around(context: Capture, x: Any, part: Any, dim: int, start: Any, end: Any) -> View:
    """A part of a constant is written: its rest stands around what is written."""
    dim %= len(_shape(x))
    begin, stop, _ = slice(start, end).indices(_shape(x)[dim])
    narrow = lambda first, count: _narrowed(x, dim, first, count)  # noqa: E731
    parts = [narrow(0, begin), part, narrow(stop, _shape(x)[dim] - stop)]
    return cat(context, [p for p in parts if 0 not in _shape(p)], dim)


def _narrowed(x: Any, dim: int, first: int, count: int) -> Any:
    if isinstance(x, Param):
        return Param(x.name, x.index.narrow(dim, first, count))
    return x.narrow(dim, first, count)


def _unsqueezed(part: Any, dim: int) -> Any:
    if isinstance(part, Param):
        return Param(part.name, part.index.unsqueeze(dim))
    if isinstance(part, torch.Tensor):
        return part.unsqueeze(dim)
    return View(part.value, (*part.dims[:dim], (), *part.dims[dim:]), part.feature, part.token)


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(x.index.shape if isinstance(x, Param) else x.shape)


def _scatter(context: Capture, x: Any, part: Any, pick: Pick) -> View:
    base = context.whole(x)
    if base.value.shape.kind != "matrix":
        raise context.unsupported("only of matrices")
    features, tokens = (pick(torch.from_numpy(places)).numpy() for places in matrix(base))
    if features.size == 0:
        return base
    to_f, to_t = np.unique(features), np.unique(tokens)
    pairs = np.unique(np.stack([features.ravel(), tokens.ravel()]), axis=1)
    if not to_f.size * to_t.size == pairs.shape[1] == features.size:
        raise ViewError("what is written is no rectangle of features and tokens")
    source, from_f, from_t = _source(context, part, features, tokens)
    chosen = _order(features, from_f, to_f), _order(tokens, from_t, to_t)
    if context.draws and np.unique(chosen[1]).size < to_t.size:
        raise context.unsupported("in training: one token is written to several")
    return base.on(_put(context, base.value, source, (to_f, to_t), chosen))


def _source(context: Capture, part: Any, features: Index, tokens: Index) -> tuple[Value, Index, Index]:
    """What is written, as a matrix, and where in it its elements lie."""
    if isinstance(part, Param | torch.Tensor):
        return _table(context, part, features, tokens)
    view = view_of(context, part)
    if view.value.shape.kind != "matrix":
        raise context.unsupported("only of matrices")
    return view.value, *matrix(view)


def _table(context: Capture, part: Any, features: Index, tokens: Index) -> tuple[Value, Index, Index]:
    """A constant, or a parameter, arranged as the part that it becomes."""
    chosen_f, f = np.unique(features, return_inverse=True)
    chosen_t, t = np.unique(tokens, return_inverse=True)
    f, t = f.reshape(features.shape), t.reshape(tokens.shape)
    table = part.index if isinstance(part, Param) else part.to(torch.float32)
    spread = torch.empty(chosen_f.size, chosen_t.size, dtype=table.dtype)
    spread[torch.from_numpy(f), torch.from_numpy(t)] = table.expand(features.shape)
    source = Param(part.name, spread) if isinstance(part, Param) else spread
    dims = tuple(
        (Atom(axis, 1, n),) if n > 1 else () for axis, n in zip(("f", "t"), spread.shape, strict=True)
    )
    shape = Shape(chosen_f.size, chosen_t.size)
    return table_view(context, source, shape, dims).value, f, t


def _order(to: Index, origin: Index, chosen: Index) -> Index:
    """For each of `chosen` the place in the source from which it comes."""
    shape = np.broadcast_shapes(to.shape, origin.shape)
    to, origin = np.broadcast_to(to, shape), np.broadcast_to(origin, shape)
    out = np.full(int(chosen[-1]) + 1, -1)
    out[to] = origin
    if not (out[to] == origin).all():
        raise ViewError("what is written does not lie as the tensor that it is written to")
    return out[chosen]


def _put(
    context: Capture, base: Value, source: Value, to: tuple[Index, Index], chosen: tuple[Index, Index]
) -> Value:
    """`base` with the features and tokens `to` from those `chosen` of the source."""
    (features, tokens), (from_f, from_t) = to, chosen
    source = _taken(context, source, from_t)
    if tokens.size == base.tokens:
        return _mixed_features(context, base, source, features, from_f)
    inner = source
    if features.size < base.features or not np.array_equal(from_f, np.arange(source.features)):
        inner = _mixed_features(context, _taken(context, base, tokens), source, features, from_f)
    rest = np.setdiff1d(np.arange(base.tokens), tokens)
    kept = context.emit("put_tokens", [_taken(context, base, rest)], base.shape, index=rest)
    put = context.emit("put_tokens", [inner], base.shape, index=tokens)
    return context.emit("add", [kept, put], base.shape)


def _taken(context: Capture, value: Value, index: Index) -> Value:
    if np.array_equal(index, np.arange(value.tokens)):
        return value
    return context.emit("take_tokens", [value], Shape(value.features, index.size), index=index)


def _mixed_features(context: Capture, base: Value, source: Value, features: Index, chosen: Index) -> Value:
    """Features of two matrices in one: neighbours that stay neighbours move together."""
    if features.size == base.features and np.array_equal(chosen, np.arange(source.features)):
        return source
    is_new = np.isin(np.arange(base.features), features)
    origin = np.arange(base.features)
    origin[features] = chosen
    breaks = np.flatnonzero((np.diff(origin) != 1) | (np.diff(is_new.astype(int)) != 0)) + 1
    runs = np.split(np.arange(base.features), breaks)
    if len(runs) > MOST_RUNS:
        raise ViewError(f"{len(runs)} pieces of features would have to move between PEs one by one")
    pieces = tuple(Piece(int(origin[run[0]]), run.size, int(run[0])) for run in runs)
    values = [source if is_new[run[0]] else base for run in runs]
    return copy_features(context, values, base.features, pieces)
