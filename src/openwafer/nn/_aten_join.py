"""Concatenation: of features (they move), of tokens, and of the parts of a rotary embedding."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from openwafer.nn._abstract import Param, Turned
from openwafer.nn._aten_rotary import rotate_half, turned_pair
from openwafer.nn._capture import Capture
from openwafer.nn._graph import Shape, Value
from openwafer.nn._inputs import row_major
from openwafer.nn._view import Atom, View, ViewError, matrix, merged, to_matrix
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
    if not all(isinstance(x, View) for x in parts):
        raise context.unsupported("features of activations next to parameters or constants")
    first = parts[0]
    for view in parts:
        if view.dims[dim] != ((Atom("f", 1, view.value.features),) if view.value.features > 1 else ()):
            raise ViewError("concatenation needs all features of each tensor, in order")
        if view.dims[:dim] + view.dims[dim + 1 :] != first.dims[:dim] + first.dims[dim + 1 :]:
            raise ViewError(f"{list(first.shape)} and {list(view.shape)} do not lie alike on the wafer")
    counts = [view.value.features for view in parts]
    pieces = tuple(Piece(0, n, sum(counts[:i])) for i, n in enumerate(counts))
    made = copy_features(context, [v.value for v in parts], sum(counts), pieces)
    return View(made, (*first.dims[:dim], (Atom("f", 1, sum(counts)),), *first.dims[dim + 1 :]))


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
