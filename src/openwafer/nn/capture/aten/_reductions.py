"""ATen operators that take many elements together: means, sums, softmax, linear layers along the tokens."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.nn.capture._abstract import MeanSquare, Scores, Squares
from openwafer.nn.capture._view import Atom, Axis, Dim, View, length, merged
from openwafer.nn.capture._walk import Capture
from openwafer.nn.capture.aten._attention import softmax as attention_softmax
from openwafer.nn.capture.aten._elementwise import binary
from openwafer.nn.graph._graph import SCALAR, Shape, Value, Weight

# --- along the tokens ---


def is_sequence(view: View, dim: int) -> bool:
    """Whether a dimension is the innermost one of the tokens."""
    size = length(view.dims[dim])
    return view.dims[dim] == (Atom("t", 1, size),)


def mixed(view: View, made: Value, dim: int, size: int) -> View:
    """The view of a result in which the innermost dimension of the tokens has `size` elements."""
    old = length(view.dims[dim])

    def scaled(atoms: Dim) -> Dim:
        return tuple(Atom(a.axis, a.stride // old * size, a.size) if a.axis == "t" else a for a in atoms)

    dims = [scaled(d) for d in view.dims]
    dims[dim] = (Atom("t", 1, size),) if size > 1 else ()
    return View(made, tuple(dims))


def mix(context: Capture, view: View, dim: int, weight: Weight) -> View:
    """A linear layer along the tokens of a sequence."""
    out, seq = weight.shape
    shape = Shape(view.value.features, view.value.tokens // seq * out)
    return mixed(view, context.emit("mix_tokens", [view.value], shape, weights=[weight]), dim, out)


def linear_along_tokens(context: Capture, view: View, weights: list[Weight]) -> View:
    """y = x Wᵀ + b over a last dimension that holds tokens."""
    out = mix(context, view, len(view.dims) - 1, weights[0])
    for bias in weights[1:]:
        out = out.on(context.emit("token_bias", [out.value], out.value.shape, weights=[bias]))
    return out


# --- means and sums ---


def mean(context: Capture, x: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Any:
    if isinstance(x, Squares) and _dims(x.view, dims) == [len(x.view.dims) - 1] and keepdim:
        return MeanSquare(x.view)
    return _reduce(context, x, dims, keepdim, is_mean=True)


def sum_(context: Capture, x: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Any:
    return _reduce(context, x, dims, keepdim, is_mean=False)


def mean_of_all(context: Capture, x: Any, **_: Any) -> View:
    """Of the squares of a difference: the mean squared error."""
    op = context.graph.producers.get(x.view.value) if isinstance(x, Squares) else None
    if op is not None and op.name == "sub" and x.view.is_whole() and _is_matrix(op.inputs[0]):
        return View(context.emit("mse_loss", list(op.inputs), SCALAR, op.inputs[0].shape), ())
    view = context.whole(x)
    return sum_of_all(context, view, 1 / (view.value.features * view.value.tokens))


def sum_of_all(context: Capture, x: Any, factor: float = 1.0, **_: Any) -> View:
    """factor · the sum, one number that all PEs know."""
    view = context.whole(x)
    if view.value.shape.kind == "scalar":
        made = context.emit("affine", [view.value], SCALAR, factor=factor, offset=0.0)
        return view if factor == 1 else view.on(made)
    if not _is_matrix(view.value):
        raise context.unsupported("a sum of whole numbers is not supported", help="make it on the host")
    return View(context.emit("sum_all", [view.value], SCALAR, factor=factor), ())


def _is_matrix(value: Value) -> bool:
    return value.shape.kind == "matrix"


def _dims(view: View, dims: Any) -> list[int]:
    chosen = range(len(view.dims)) if dims is None else dims if isinstance(dims, list | tuple) else [dims]
    return sorted(d % len(view.dims) for d in chosen)


def _reduce(
    context: Capture, x: Any, dims: Any, keepdim: bool, *, is_mean: bool, factor: float = 1.0
) -> View:
    view = x if isinstance(x, View) and x.is_whole() else context.whole(x)
    chosen = _dims(view, dims)
    for dim in chosen:
        size = length(view.dims[dim])
        number = factor / size if is_mean else factor
        if size > 1:
            factor = 1.0
            view = _reduced(context, view, dim, number)
    left = tuple(d for i, d in enumerate(view.dims) if keepdim or i not in chosen)
    return View(view.value, left)


def _reduced(context: Capture, view: View, dim: int, number: float) -> View:
    size = length(view.dims[dim])
    if is_sequence(view, dim):
        return mix(context, view, dim, context.constant(np.full((1, size), number)))
    if view.dims[dim] == (Atom("f", 1, view.value.features),):
        weight = context.constant(np.full((1, size), number))
        made = context.emit("linear", [view.value], Shape(1, view.value.tokens), weights=[weight])
        return View(made, (*view.dims[:dim], (), *view.dims[dim + 1 :]))
    if all(a.axis == "t" for a in view.dims[dim]):
        return _over_outer_tokens(context, view, dim, number)
    if all(a.axis == "f" for a in view.dims[dim]):
        return _over_features(context, view, dim, number)
    raise context.unsupported("a mean or sum over features and tokens in one dimension is not supported")


def _over_outer_tokens(context: Capture, view: View, dim: int, number: float) -> View:
    """Over tokens that do not lie together, such as a batch: by a matrix for all tokens."""
    matrix, dims = _gathering(view, dim, "t", number)
    shape = Shape(view.value.features, len(matrix))
    return View(context.emit("mix_tokens", [view.value], shape, weights=[context.constant(matrix)]), dims)


def _over_features(context: Capture, view: View, dim: int, number: float) -> View:
    """Over part of the features: by a linear layer."""
    matrix, dims = _gathering(view, dim, "f", number)
    shape = Shape(len(matrix), view.value.tokens)
    return View(context.emit("linear", [view.value], shape, weights=[context.constant(matrix)]), dims)


def _gathering(view: View, dim: int, axis: Axis, number: float) -> tuple[NDArray[Any], tuple[Dim, ...]]:
    """The matrix that adds the elements of a dimension along an axis, each times `number`; the dimensions of
    what it gives."""
    kept = [d for i, d in enumerate(view.dims) if i != dim]
    atoms = sorted((a for d in kept for a in d if a.axis == axis), key=lambda a: a.stride)
    strides: dict[int, int] = {}
    rows, columns = np.zeros(1, int), np.zeros(1, int)
    for atom in atoms:
        strides[atom.stride] = rows.size
        steps = np.arange(atom.size)[:, None]
        rows, columns = (
            (rows + steps * strides[atom.stride]).ravel(),
            (columns + steps * atom.stride).ravel(),
        )
    count = rows.size
    for atom in view.dims[dim]:
        rows = np.tile(rows, atom.size)
        columns = (columns + np.arange(atom.size)[:, None] * atom.stride).ravel()
    matrix = np.zeros((count, view.value.features if axis == "f" else view.value.tokens))
    matrix[rows, columns] = number
    left = [() if i == dim else d for i, d in enumerate(view.dims)]
    return matrix, tuple(merged(_thinner(a, axis, strides) for a in d) for d in left)


def _thinner(atom: Atom, axis: Axis, strides: dict[int, int]) -> Atom:
    return Atom(axis, strides[atom.stride], atom.size) if atom.axis == axis else atom


def cumsum(context: Capture, x: Any, dim: int, **_: Any) -> View:
    """A product with a triangle of ones."""
    view = context.whole(x)
    dim %= len(view.dims)
    weight = context.constant(np.tril(np.ones((length(view.dims[dim]),) * 2)))
    if is_sequence(view, dim):
        return mix(context, view, dim, weight)
    if view.dims[dim] != (Atom("f", 1, view.value.features),):
        raise context.unsupported("only along the tokens, or all features")
    return view.on(context.emit("linear", [view.value], view.value.shape, weights=[weight]))


def variance(context: Capture, x: Any, dims: Any = None, correction: Any = 1, keepdim: bool = False) -> View:
    """The mean of (x − mean)², with the sum divided by the count less `correction`."""
    view = context.whole(x)
    count = int(np.prod([length(view.dims[d]) for d in _dims(view, dims)]))
    apart = binary(context, "sub", view, mean(context, view, dims, True))
    square = binary(context, "mul", apart, apart)
    return _reduce(context, square, dims, keepdim, is_mean=True, factor=count / (count - int(correction)))


def variance_unbiased(
    context: Capture, x: Any, dims: Any, unbiased: bool = True, keepdim: bool = False
) -> View:
    return variance(context, x, dims, int(unbiased), keepdim)


# --- softmax ---


def softmax(context: Capture, x: Any, dim: int, *_: Any) -> Any:
    if isinstance(x, Scores):
        return attention_softmax(context, x, dim)
    return _by_token(context, "softmax", x, dim)


def log_softmax(context: Capture, x: Any, dim: int, *_: Any) -> View:
    return _by_token(context, "log_softmax", x, dim)


def _by_token(context: Capture, name: str, x: Any, dim: int) -> View:
    view = context.whole(x)
    if view.dims[dim] != (Atom("f", 1, view.value.features),):
        raise context.unsupported("softmax is supported over all features, and over the keys of attention")
    return view.on(context.emit(name, [view.value], view.value.shape))
