"""ATen operators that are operators of the graph too."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from typing import Any

import torch

from openwafer.diag import error
from openwafer.nn.capture._abstract import Param, Scores
from openwafer.nn.capture._hints import BATCH
from openwafer.nn.capture._nodes import notes_of, target_name
from openwafer.nn.capture._view import Atom, View
from openwafer.nn.capture._walk import Capture
from openwafer.nn.capture.aten._attention import attend, dropped, scores
from openwafer.nn.capture.aten._elementwise import add, norm
from openwafer.nn.capture.aten._elementwise import mul as multiply
from openwafer.nn.capture.aten._reductions import is_sequence, linear_along_tokens
from openwafer.nn.graph._graph import Shape, Weight


def linear(context: Capture, x: Any, weight: Any, bias: Any = None) -> View:
    if not isinstance(weight, Param | torch.Tensor):
        raise context.unsupported("the weight must be a parameter or a constant")
    if isinstance(weight, Param) and (turned := context.known(weight.name, weight.index.t())) is not None:
        return _linear_turned(context, context.rows(x), turned, bias)
    weights = [context.weight(weight), *([context.weight(bias)] if bias is not None else [])]
    if isinstance(x, View) and is_sequence(view := context.whole(x), -1) and len(weights[0].shape) == 2:
        return linear_along_tokens(context, view, weights)
    return _linear(context, context.rows(x), weights)


def _linear(context: Capture, view: View, weights: list[Weight]) -> View:
    features = weights[0].shape[0]
    made = context.emit("linear", [view.value], Shape(features, view.value.tokens), weights=weights)
    last = (Atom("f", 1, features),) if features > 1 else ()
    return View(made, (*view.dims[:-1], last))


def _linear_turned(context: Capture, view: View, weight: Weight, bias: Any) -> View:
    """y = Wᵀ x + b: a weight that an earlier layer uses the other way, as in tied autoencoders."""
    features = weight.shape[1]
    shape = Shape(features, view.value.tokens)
    made = context.emit("linear_grad_input", [view.value], shape, weights=[weight])
    if bias is not None:
        made = context.emit("bias", [made], shape, weights=[context.weight(bias)])
    return View(made, (*view.dims[:-1], (Atom("f", 1, features),) if features > 1 else ()))


def addmm(context: Capture, bias: Any, x: Any, weight: Any, *, beta: float = 1, alpha: float = 1) -> View:
    if beta != 1 or alpha != 1 or not isinstance(weight, Param):
        raise context.unsupported("only bias + x · weight")
    return linear(context, x, Param(weight.name, weight.index.t()), bias)


def matmul(context: Capture, a: Any, b: Any) -> Any:
    """x · weight, or one of the two products of attention."""
    if isinstance(b, Param) and b.index.dim() == 2:
        return linear(context, a, Param(b.name, b.index.t()))
    if isinstance(a, Scores) and a.softmax and isinstance(b, View):
        return attend(context, a, b)
    if isinstance(a, View) and isinstance(b, View) and len(a.dims) == len(b.dims) >= 3:
        return scores(context, a, b)
    raise context.unsupported("only products with a parameter, and those of attention")


def embedding(context: Capture, table: Any, ids: Any, padding_idx: int = -1, *_: Any, **__: Any) -> Any:
    if isinstance(table, Param) and isinstance(ids, torch.Tensor):
        check_rows(context, ids, table.index.shape[0])
        return Param(table.name, table.index[ids])
    if not isinstance(ids, View):
        raise context.unsupported("ids must be inputs or constants")
    view = context.whole(ids)
    weight = context.weight(table)
    features = weight.shape[1]
    shape = Shape(features, view.value.tokens)
    made = context.emit("embedding", [view.value], shape, weights=[weight], padding=padding_idx)
    return View(made, (*view.dims, (Atom("f", 1, features),) if features > 1 else ()))


def check_rows(context: Capture, ids: torch.Tensor, count: int) -> None:
    """Diagnostics: id-out-of-range."""
    wrong = ids[(ids < 0) | (ids >= count)]
    if wrong.numel():
        found = f"`{target_name(context.node)}`: the id {int(wrong[0])} is not one of 0 … {count - 1}"
        raise error("id-out-of-range", found, notes=notes_of(context.node))


def rms_norm(context: Capture, x: Any, shape: list[int], weight: Any = None, eps: Any = None) -> View:
    return norm(context, "rms_norm", x, shape, weight, None, eps)


def layer_norm(
    context: Capture, x: Any, shape: list[int], weight: Any = None, bias: Any = None, eps: float = 1e-5,
    *_: Any,
) -> View:  # fmt: skip
    return norm(context, "layer_norm", x, shape, weight, bias, eps)


def batch_norm(
    context: Capture, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, _: float,
    eps: float, *__: Any,
) -> Any:  # fmt: skip
    """In evaluation: (x − mean) / √(variance + eps) · w + b, with numbers a feature that are known."""
    if training:
        raise context.unsupported("batch statistics in training", help=f"call `model.eval()`; {BATCH}")
    inverse = torch.rsqrt(variance + eps)
    shape = [1, -1, *[1] * (len(x.dims) - 2)]
    steps = ((multiply, inverse), (add, -mean * inverse), (multiply, weight), (add, bias))
    for step, table in steps:
        if isinstance(table, Param):
            x = step(context, x, Param(table.name, table.index.reshape(shape)))
        elif table is not None:
            x = step(context, x, table.reshape(shape))
    return x


def dropout(context: Capture, x: Any, p: float, train: bool) -> Any:
    """In evaluation nothing; of the weights of attention, a part of it."""
    if not train or p == 0:
        return x
    if isinstance(x, Scores) and x.softmax and not x.share:
        return dropped(context, x, p)
    view, layer = context.whole(x), context.next_dropout()
    return view.on(context.emit("dropout", [view.value], view.value.shape, share=float(p), layer=layer))
