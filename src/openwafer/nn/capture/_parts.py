"""Part of a matrix as a matrix of its own: fused projections are split into their weights, tokens are copied.

Features of a linear layer's result are chosen by choosing rows of its weight, so nothing moves on the wafer.
"""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from openwafer.nn.capture._view import Atom, Axis, View, ViewError, merged
from openwafer.nn.graph._graph import Op, Shape, Value, Weight

if TYPE_CHECKING:
    from openwafer.nn.capture._walk import Capture

ELEMENTWISE = ("unary", "affine", "add", "sub", "mul")
"""Operators that commute with choosing features."""

MOST_RUNS = 64
"""Pieces of neighbouring features that one matrix is put together from."""


def part(context: Capture, view: View) -> View:
    """The view over a new value that has only the features and tokens it shows."""
    features = _chosen(view, "f", view.feature)
    tokens = _chosen(view, "t", view.token)
    value = view.value
    if len(features) < value.features:
        value = features_of(context, value, features)
    if len(tokens) < value.tokens:
        shape = Shape(value.features, len(tokens), value.shape.kind)
        value = context.emit("take_tokens", [value], shape, index=tokens)
    dims = _compact(_compact(view.dims, "f"), "t")
    return View(value, dims)


def _chosen(view: View, axis: Axis, start: int) -> NDArray[np.int64]:
    """Indices along an axis in ascending order."""
    index = np.array([start])
    for atom in (a for d in view.dims for a in d if a.axis == axis):
        index = (index[:, None] + np.arange(atom.size) * atom.stride).ravel()
    return np.unique(index)


def _compact(dims: tuple[tuple[Atom, ...], ...], axis: Axis) -> tuple[tuple[Atom, ...], ...]:
    """Strides over the chosen indices instead of all."""
    atoms = sorted((a for d in dims for a in d if a.axis == axis), key=lambda a: a.stride)
    strides: dict[int, int] = {}
    reach = 1
    for atom in atoms:
        strides[atom.stride] = reach
        reach *= atom.size
    return tuple(
        merged(Atom(axis, strides[a.stride], a.size) if a.axis == axis else a for a in d) for d in dims
    )


def features_of(context: Capture, value: Value, index: NDArray[np.int64]) -> Value:
    """These features of a value in this order."""
    key = (value, index.tobytes())
    if key not in context.slices:
        context.slices[key] = _take(context, value, index)
    return context.slices[key]


def _take(context: Capture, value: Value, index: NDArray[np.int64]) -> Value:
    op = context.graph.producers.get(value)
    if (
        context.moves_parts
        or op is None
        or op.name not in (*ELEMENTWISE, "linear", "bias", "scale", "embedding")
    ):
        return _moved(context, value, index)
    inputs = list(op.inputs)
    if op.name in (*ELEMENTWISE, "bias", "scale"):
        inputs = [features_of(context, v, index) for v in inputs]
    weights = [_cut(context, op, w, index) for w in op.weights]
    shape = Shape(len(index), value.tokens)
    attributes: dict[str, Any] = dict(op.attributes)
    made = context.graph.emit(op.name, inputs, [shape], weights=weights, origin=op.origin, **attributes)
    return made.output


def _moved(context: Capture, value: Value, index: NDArray[np.int64]) -> Value:
    """Features of what cannot be computed in parts: they move between PEs."""
    from openwafer.nn.ops._copy_features import Piece

    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    runs = np.split(np.arange(index.size), breaks)
    if len(runs) > MOST_RUNS:
        op = context.graph.producers.get(value)
        what = f"the result of `{op.name}`" if op else "an input"
        raise ViewError(f"features of {what} would have to move between PEs one by one")
    pieces = tuple(Piece(int(index[run[0]]), run.size, int(run[0])) for run in runs)
    shape = Shape(len(index), value.tokens)
    return context.emit("copy_features", [value] * len(pieces), shape, pieces=pieces)


def _cut(context: Capture, op: Op, weight: Weight, index: NDArray[np.int64]) -> Weight:
    """The rows (columns, of a table) of a weight."""
    rows = (slice(None), index) if op.name == "embedding" else (index,)
    if weight.constant is not None:
        return context.constant(weight.constant[rows])
    size = int(np.prod(weight.shape))
    flat = (weight.index if weight.index is not None else np.arange(size)).reshape(weight.shape)
    return context.parameter(weight.parameter or "", flat[rows])
