"""ATen operators on single elements, and the patterns that they make: RMSNorm written by hand."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from openwafer.nn.capture._abstract import (
    Complex,
    MeanSquare,
    Negated,
    Param,
    Rotated,
    RotatedTimes,
    Scores,
    Shifted,
    Squares,
    Times,
    Turned,
)
from openwafer.nn.capture._view import Atom, View, ViewError, length
from openwafer.nn.capture._walk import Capture, Handler, matrix_of
from openwafer.nn.capture.aten._attention import scaled, with_mask
from openwafer.nn.capture.aten._rotary import rope, turned_complex
from openwafer.nn.graph._graph import Shape, Value

Scalar = int | float


def unary(function: str) -> Handler:
    """The handler of a function of one element."""

    def handle(context: Capture, x: Any) -> View:
        view = context.whole(x)
        return view.on(context.emit("unary", [view.value], view.value.shape, function=function))

    return handle


def tanh(context: Capture, x: Any) -> Any:
    """Of scores: the middle of a soft cap."""
    if isinstance(x, Scores) and x.mask is None and not x.cap and not x.softmax:
        return replace(x, cap=1.0)
    return unary("tanh")(context, x)


def gelu(context: Capture, x: Any, *, approximate: str = "none") -> View:
    return unary("gelu_tanh" if approximate == "tanh" else "gelu")(context, x)


def add(context: Capture, a: Any, b: Any, *, alpha: Scalar = 1) -> Any:
    if alpha != 1:
        b = mul(context, b, alpha) if not isinstance(b, torch.Tensor | int | float) else b * alpha
    a, b = _activation_first(a, b)
    match a, b:
        case (MeanSquare(inverse=False, root=False), _) if (c := scalar(b)) is not None:
            return replace(a, eps=a.eps + c)
        case (RotatedTimes(), View()):
            return rope(context, a, b)
        case (View(), RotatedTimes()):
            return rope(context, b, a)
        case (Times(), Times()):
            return Turned(a, b, 1)
        case (Scores(), torch.Tensor()):
            return _mask(context, a, b)
        case (int() | float(), Param()):
            return Shifted(b, float(a))
        case (Param(), int() | float()):
            return Shifted(a, float(b))
    if (c := scalar(b)) is not None:
        return affine(context, a, 1.0, c)
    if isinstance(b, Param | torch.Tensor):
        return add_table(context, context.whole(a), b)
    return binary(context, "add", a, b)


def sub(context: Capture, a: Any, b: Any, *, alpha: Scalar = 1) -> Any:
    if isinstance(b, View) and isinstance(a, View) and alpha == 1:
        return binary(context, "sub", a, b)
    if isinstance(b, Times) and isinstance(a, Times) and alpha == 1:
        return Turned(a, b, -1)
    minus = torch.neg(torch.as_tensor(b)) if isinstance(b, torch.Tensor | int | float) else neg(context, b)
    return add(context, a, minus, alpha=alpha)


def rsub(context: Capture, x: Any, other: Scalar, alpha: Scalar = 1) -> View:
    """other − alpha x."""
    return affine(context, x, -alpha, other)


def mul(context: Capture, a: Any, b: Any) -> Any:
    a, b = _activation_first(a, b)
    match a, b:
        case (View(), Shifted()):
            return _times_shifted(context, a, b)
        case (Shifted(), View()):
            return _times_shifted(context, b, a)
        case (Scores(softmax=False), _) if (c := scalar(b)) is not None:
            return scaled(a, c)
        case (Rotated(), torch.Tensor()):
            return RotatedTimes(a.view, b)
        case (View(), MeanSquare(inverse=True)):
            return _normalise(context, a, b)
        case (MeanSquare(inverse=True), View()):
            return _normalise(context, b, a)
        case (View(), View()) if a == b:
            return Squares(a)
        case (Complex(), torch.Tensor()):
            return turned_complex(context, a, b)
        case (View(), torch.Tensor()) if b.numel() > 1 and not a.is_whole():
            return Times(a, b)
    if (c := scalar(b)) is not None:
        return affine(context, a, c, 0.0)
    if isinstance(b, Param | torch.Tensor):
        return times_table(context, context.whole(a), b)
    return binary(context, "mul", a, b)


def _times_shifted(context: Capture, x: View, factor: Shifted) -> View:
    """x · (w + offset)."""
    scaled = affine(context, x, factor.offset, 0.0)
    return binary(context, "add", scaled, mul(context, x, factor.param))


def div(context: Capture, a: Any, b: Any) -> Any:
    if isinstance(b, torch.Tensor | int | float) and not isinstance(a, Param):
        return mul(context, a, 1.0 / b)
    if isinstance(b, MeanSquare) and b.root and isinstance(a, View):
        return _normalise(context, a, b)
    inverse = unary("reciprocal")(context, b)
    return inverse if scalar(a) == 1 else mul(context, a, inverse)


def neg(context: Capture, x: Any) -> Any:
    if isinstance(x, View) and not x.is_whole():
        return Negated(x)
    return affine(context, x, -1.0, 0.0)


def square(context: Capture, x: Any) -> Any:
    return Squares(context.whole(x))


def rsqrt(context: Capture, x: Any) -> Any:
    if isinstance(x, MeanSquare) and not x.inverse and not x.root:
        return replace(x, inverse=True)
    return unary("inverse_root")(context, x)


def affine(context: Capture, x: Any, factor: float, offset: float) -> View:
    """factor · x + offset."""
    view = context.whole(x)
    return view.on(context.emit("affine", [view.value], view.value.shape, factor=factor, offset=offset))


def binary(context: Capture, name: str, a: Any, b: Any) -> View:
    """Two matrices of the same arrangement, or one and a scalar."""
    a, b = _of_one_kind(context, context.whole(a), context.whole(b))
    a, b = context.alike(a, b)
    return a.on(context.emit(name, [a.value, b.value], a.value.shape))


def _of_one_kind(context: Capture, a: View, b: View) -> tuple[View, View]:
    """A scalar next to a matrix becomes one, and a matrix of one element next to a scalar a scalar."""
    kinds = (a.value.shape.kind, b.value.shape.kind)
    if "scalar" not in kinds or kinds[0] == kinds[1]:
        return a, b
    if kinds[1] == "scalar":
        b, a = _of_one_kind(context, b, a)
        return a, b
    if b.shape == ():
        return a, View(context.emit("sum_all", [b.value], a.value.shape, factor=1.0), ())
    return b.on(context.emit("spread_number", [a.value], b.value.shape)), b


def scalar(x: Any) -> float | None:
    """The number, if it is one."""
    if isinstance(x, bool) or (isinstance(x, torch.Tensor) and x.numel() != 1):
        return None
    return float(x) if isinstance(x, int | float | torch.Tensor) else None


def squared(context: Capture, x: Squares) -> View:
    """Squares of which no mean is taken."""
    view = context.whole(x.view)
    return view.on(context.emit("mul", [view.value, view.value], view.value.shape))


def _activation_first(a: Any, b: Any) -> tuple[Any, Any]:
    return (b, a) if isinstance(a, Param | torch.Tensor | int | float) else (a, b)


def _spread(context: Capture, view: View, table: Param | torch.Tensor) -> np.ndarray[Any, Any]:
    """A parameter's index, or a constant, as [features][tokens]."""
    array = table.index if isinstance(table, Param) else table.to(torch.float32)
    if np.broadcast_shapes(tuple(array.shape), view.shape) != view.shape:
        raise ViewError(f"{list(view.shape)} would have to be repeated to {list(context.shape)}")
    return matrix_of(array, view)


def _one_number(table: Any, spread: np.ndarray[Any, Any]) -> bool:
    """Whether all elements are one element of a parameter."""
    return isinstance(table, Param) and bool((spread == spread[0, 0]).all()) and spread.size > 1


def _one_column(spread: np.ndarray[Any, Any]) -> bool:
    return bool((spread == spread[:, :1]).all())


def _vector(context: Capture, table: Any, column: np.ndarray[Any, Any]) -> Any:
    return context.parameter(table.name, column) if isinstance(table, Param) else context.constant(column)


def add_table(context: Capture, view: View, table: Param | torch.Tensor) -> View:
    """x + a value a feature (a bias), or + a row of a table a token (positions)."""
    spread = _spread(context, view, table)
    if isinstance(table, Param) and view.value.features > 1 and bool((spread == spread[:1]).all()):
        weight = _vector(context, table, spread[0, : _period(spread[0])])
        return view.on(context.emit("token_bias", [view.value], view.value.shape, weights=[weight]))
    if _one_column(spread):
        weight = _vector(context, table, spread[:, 0])
        return view.on(context.emit("bias", [view.value], view.value.shape, weights=[weight]))
    rows, ids = np.unique(spread.T, axis=0, return_inverse=True)
    rows = _first_seen(rows, ids)
    positions = _constant_ids(context, _renumber(ids))
    looked = context.emit("embedding", [positions], view.value.shape, weights=[_vector(context, table, rows)])
    return view.on(context.emit("add", [view.value, looked], view.value.shape))


def _period(row: np.ndarray[Any, Any]) -> int:
    """After how many elements a row repeats."""
    sizes = (n for n in range(1, row.size + 1) if row.size % n == 0)
    return next(n for n in sizes if (row.reshape(-1, n) == row[:n]).all())


def _renumber(ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Numbers in the order of first occurrence."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int32)


def _first_seen(rows: np.ndarray[Any, Any], ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    _, first = np.unique(ids, return_index=True)
    return rows[np.argsort(first)]


def _constant_ids(context: Capture, ids: np.ndarray[Any, Any]) -> Value:
    return context.emit("constant_ids", [], Shape(1, ids.size, "ids"), data=ids)


def times_table(context: Capture, view: View, table: Param | torch.Tensor) -> View:
    spread = _spread(context, view, table)
    if _one_number(table, spread):
        weight = _vector(context, table, spread[0, :1])
        return view.on(context.emit("scale_all", [view.value], view.value.shape, weights=[weight]))
    if _one_column(spread):
        weight = _vector(context, table, spread[:, 0])
        return view.on(context.emit("scale", [view.value], view.value.shape, weights=[weight]))
    if isinstance(table, Param):
        raise context.unsupported("a product with a parameter that differs from token to token")
    weight = context.constant(spread)
    made = context.emit("mul_table", [view.value], view.value.shape, weights=[weight], table=table)
    return view.on(made)


def _normalise(context: Capture, view: View, stat: MeanSquare) -> View:
    if view != stat.view:
        raise context.unsupported("RMSNorm of one tensor times another")
    return norm(context, "rms_norm", view, [length(view.dims[-1])], None, None, stat.eps)


def norm(
    context: Capture, name: str, x: Any, shape: list[int], weight: Any, bias: Any, eps: float | None
) -> View:
    """rms_norm or layer_norm over the last dimension: all features, or each head's."""
    view = context.whole(x)
    group = length(view.dims[-1])
    if len(shape) != 1 or view.dims[-1] != (Atom("f", 1, group),):
        raise context.unsupported("norms are supported over the last dimension, which must hold features")
    scale = torch.ones(group) if weight is None else weight
    weights = [context.weight(scale)]
    if name == "layer_norm":
        weights.append(context.weight(torch.zeros(group) if bias is None else bias))
    features, tokens = view.value.features, view.value.tokens
    rows = Shape((features // group) * len(weights), tokens, "rows")
    eps = torch.finfo(torch.float32).eps if eps is None else eps
    made = context.emit(name, [view.value], view.value.shape, rows, weights=weights, group=group, eps=eps)
    return view.on(made)


def _mask(context: Capture, scores: Scores, mask: torch.Tensor) -> Scores:
    hidden = mask < -1e4
    return with_mask(context, scores, hidden, bool(((mask == 0) | hidden).all()))
