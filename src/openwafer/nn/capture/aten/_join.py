"""Concatenation: of features (they move), of tokens, and of the parts of a rotary embedding."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from openwafer.nn.capture._abstract import Param, Turned
from openwafer.nn.capture._inputs import row_major
from openwafer.nn.capture._view import Atom, Dim, View, ViewError, length, matrix, merged, narrow, to_matrix
from openwafer.nn.capture._walk import Capture
from openwafer.nn.capture.aten._elementwise import add_table
from openwafer.nn.capture.aten._reductions import mix
from openwafer.nn.capture.aten._rotary import rotate_half, turned_pair
from openwafer.nn.graph._graph import Shape, Value
from openwafer.nn.ops._copy_features import Piece


def cat(context: Capture, tensors: list[Any], dim: int = 0) -> Any:
    dim %= len(context.shape)
    if dim == len(context.shape) - 1:
        if (rotated := rotate_half(context, tensors)) is not None:
            return rotated
        if (pair := _pair(context, tensors)) is not None:
            return replace(pair, dims=(*pair.dims[:-2], merged((*pair.dims[-1], *pair.dims[-2]))))
    tensors = [x for x in tensors if not isinstance(x, torch.Tensor) or x.numel()]
    if all(isinstance(x, Param) for x in tensors) and len({x.name for x in tensors}) == 1:
        return Param(tensors[0].name, torch.cat([x.index for x in tensors], dim))
    parts = [x if isinstance(x, Param | torch.Tensor) else context.whole(x) for x in tensors]
    views = [x for x in parts if isinstance(x, View)]
    if not views:
        raise context.unsupported("concatenation of parameters")
    if any(a.axis == "f" for view in views for a in view.dims[dim]):
        return _features(context, parts, dim)
    return _tokens(context, parts, views[0], dim)


def stack(context: Capture, tensors: list[Any], dim: int = 0) -> View:
    if dim % len(context.shape) == len(context.shape) - 1 and (pair := _pair(context, tensors)) is not None:
        return pair
    raise context.unsupported("it is supported only within rotary position embedding", help="`torch.cat` is")


def _pair(context: Capture, tensors: list[Any]) -> View | None:
    match tensors:
        case [Turned() as real, Turned() as imag]:
            return turned_pair(context, real, imag)
    return None


def _features(context: Capture, parts: list[Any], dim: int) -> View:
    """One matrix behind the other."""
    first = next(x for x in parts if isinstance(x, View))
    parts = [x if isinstance(x, View) else _features_of_table(context, x, first, dim) for x in parts]
    for view in parts:
        if view.dims[dim] != ((Atom("f", 1, view.value.features),) if view.value.features > 1 else ()):
            raise ViewError("concatenation needs all features of each tensor, in order")
        if view.dims[:dim] + view.dims[dim + 1 :] != first.dims[:dim] + first.dims[dim + 1 :]:
            raise ViewError(f"{list(first.shape)} and {list(view.shape)} do not lie alike on the wafer")
    counts = [view.value.features for view in parts]
    pieces = tuple(Piece(0, n, sum(counts[:i])) for i, n in enumerate(counts))
    made = copy_features(context, [v.value for v in parts], sum(counts), pieces)
    return View(made, (*first.dims[:dim], (Atom("f", 1, sum(counts)),), *first.dims[dim + 1 :]))


def table_view(context: Capture, table: Param | torch.Tensor, shape: Shape, dims: tuple[Dim, ...]) -> View:
    """A table as a matrix that is seen with the dimensions `dims`."""
    is_known = isinstance(table, torch.Tensor)
    if is_known and table.unique().numel() == 1:
        return View(context.emit("fill", [], shape, number=float(table.flatten()[0])), dims)
    return add_table(context, View(context.emit("fill", [], shape, number=0.0), dims), table)


def _features_of_table(context: Capture, table: Any, like: View, dim: int) -> View:
    """A constant or a parameter as features of the tokens of `like`."""
    count = (table.index if isinstance(table, Param) else table).shape[dim]
    dims = (*like.dims[:dim], (Atom("f", 1, count),) if count > 1 else (), *like.dims[dim + 1 :])
    return table_view(context, table, Shape(count, like.value.tokens), dims)


def copy_features(context: Capture, values: list[Value], count: int, pieces: tuple[Piece, ...]) -> Value:
    shape = Shape(count, values[0].tokens)
    return context.emit("copy_features", values, shape, pieces=pieces)


def _tokens(context: Capture, parts: list[Any], like: View, dim: int) -> View:
    """Tokens of several matrices in the order of the result; those of parameters are looked up."""
    shape = context.shape
    features = [any(a.axis == "f" for a in d) for d in like.dims]
    seq = tuple(1 if is_f else size for is_f, size in zip(features, shape, strict=True))
    rows = row_major("t", seq)
    dims = tuple(d if is_f else r for d, r, is_f in zip(like.dims, rows, features, strict=True))
    tokens = int(np.prod(seq))
    total = Shape(like.value.features, tokens)
    whole = View(Value("", total), dims)
    start, made = 0, None
    for x in parts:
        size = x.shape[dim] if isinstance(x, View | torch.Tensor) else x.index.shape[dim]
        piece = _piece(context, x, whole, dim, start, size)
        made = piece if made is None else context.emit("add", [made, piece], total)
        start += size
    assert made is not None
    return whole.on(made)


def _piece(context: Capture, x: Any, whole: View, dim: int, start: int, size: int) -> Value:
    """The part's tokens in their places, zeros elsewhere."""
    chosen = tuple(slice(start, start + size) if i == dim else slice(None) for i in range(len(whole.dims)))
    if isinstance(x, View):
        _, to = matrix(whole)
        here_f, here_t = matrix(x)
        if not (here_f == matrix(whole)[0][chosen]).all():
            raise ViewError("the features of the parts do not lie alike on the wafer")
        index = np.zeros(x.value.tokens, np.int64)
        index[here_t] = to[chosen]
        return context.emit("put_tokens", [x.value], whole.value.shape, index=index)
    table = x.index if isinstance(x, Param) else x
    full = torch.full(whole.shape, -1, dtype=table.dtype)
    mark = torch.zeros(whole.shape, dtype=torch.bool)
    full[chosen], mark[chosen] = table, True
    columns, is_here = to_matrix(full.numpy(), whole).T, to_matrix(mark.numpy(), whole).all(0)
    rows, ids = np.unique(columns[is_here], axis=0, return_inverse=True)
    numbers = np.full(whole.value.tokens, -1, np.int32)
    numbers[is_here] = ids.ravel()
    weight = context.parameter(x.name, rows) if isinstance(x, Param) else context.constant(rows)
    places = context.emit("constant_ids", [], Shape(1, whole.value.tokens, "ids"), data=numbers)
    return context.emit("embedding", [places], whole.value.shape, weights=[weight])


def spread(context: Capture, x: View, like: View) -> View:
    """`x` with its dimensions of length 1 repeated, where `like` has all features or a sequence there."""
    missing = len(like.dims) - len(x.dims)
    if missing > 0:
        x = replace(x, dims=((),) * missing + x.dims)
    for dim, (have, want) in enumerate(zip(x.shape, like.shape, strict=False)):
        if have == 1 and want > 1:
            x = _repeated(context, x, like.dims[dim], dim)
    return x


def _repeated(context: Capture, x: View, wanted: Dim, dim: int) -> View:
    """By a product with ones."""
    size = length(wanted)
    weight = context.constant(np.ones((size, 1)))
    if wanted == (Atom("f", 1, size),) and x.value.features == 1:
        made = context.emit("linear", [x.value], Shape(size, x.value.tokens), weights=[weight])
        return View(made, (*x.dims[:dim], wanted, *x.dims[dim + 1 :]))
    if wanted == (Atom("t", 1, size),):
        return mix(context, x, dim, weight)
    return x


def roll(context: Capture, x: Any, shifts: list[int], dims: list[int]) -> View:
    """The end before the beginning."""
    view = context.whole(x)
    for shift, dim in zip(shifts, dims, strict=True):
        size = length(view.dims[dim])
        place = -shift % size
        parts = [narrow(view, dim % len(view.dims), *ends) for ends in ((place, size - place), (0, place))]
        view = cat(context, [part for part in parts if 0 not in part.shape], dim)
    return view


def pad(
    context: Capture, x: Any, sizes: list[int], mode: str = "constant", value: float | None = None
) -> View:
    """Numbers before and after the tokens of one dimension."""
    dims = [len(context.shape) - 1 - i // 2 for i, size in enumerate(sizes) if size]
    if mode != "constant" or len(set(dims)) != 1 or min(sizes) < 0:
        raise context.unsupported("only of one dimension, with a constant")
    (dim,) = set(dims)
    before, after = sizes[2 * (len(context.shape) - 1 - dim) :][:2]
    shape = list(context.shape)
    parts: list[Any] = [x]
    for size, at in ((before, 0), (after, len(parts))):
        shape[dim] = size
        if size:
            parts.insert(at, torch.full(shape, value or 0.0))
    return cat(context, parts, dim)


def repeat(context: Capture, x: Any, repeats: list[int]) -> View:
    """One behind the other, along one dimension."""
    extra = len(repeats) - len(x.dims)
    chosen = [i for i, count in enumerate(repeats) if count > 1]
    if extra or len(chosen) > 1:
        raise context.unsupported("only along one dimension")
    return cat(context, [x] * repeats[chosen[0]], chosen[0]) if chosen else x
