"""Losses: two that make their gradients on the way, and those that are made of functions of an element."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from typing import Any

import numpy as np
import torch

from openwafer.nn.capture._abstract import Squares
from openwafer.nn.capture._view import View
from openwafer.nn.capture._walk import Capture
from openwafer.nn.capture.aten._elementwise import Scalar, affine, binary, mul, unary
from openwafer.nn.capture.aten._functions import absolute, clamp, exp, log, softplus
from openwafer.nn.capture.aten._reductions import log_softmax, mean_of_all, sum_, sum_of_all
from openwafer.nn.capture.aten._views import permute
from openwafer.nn.graph._graph import SCALAR, Shape

NONE, MEAN, SUM = 0, 1, 2
"""Values of `reduction`."""

SMALLEST = 2.0**-126
"""The smallest normal f32: what logarithms are taken of instead of 0."""

NO_LABEL = -(2**24)
"""Not to be found among labels, and a whole number in f32."""


def _reduced(context: Capture, loss: View, reduction: int, weight: Any = None) -> View:
    if weight is not None:
        loss = mul(context, loss, weight)
    if reduction == NONE:
        return loss
    return mean_of_all(context, loss) if reduction == MEAN else sum_of_all(context, loss)


# --- of classes ---


def cross_entropy(
    context: Capture, x: Any, target: Any, weight: Any = None, reduction: int = MEAN,
    ignore_index: int = -100, label_smoothing: float = 0.0,
) -> View:  # fmt: skip
    """The plain mean is one operator; all else is made of the losses of the tokens."""
    if isinstance(x, View) and len(x.dims) > 2:
        x = permute(context, x, [0, *range(2, len(x.dims)), 1])
    logits, target = context.rows(x), context.whole(target)
    if target.value.shape.kind != "ids":
        return _of_probabilities(context, logits, target, weight, reduction, label_smoothing)
    if logits.dims[:-1] != target.dims:
        raise context.unsupported("labels must be one class a row of the logits")
    inputs = [logits.value, target.value]
    if weight is None and reduction == MEAN and not label_smoothing:
        made = context.emit("cross_entropy", inputs, SCALAR, logits.value.shape, ignore_index=ignore_index)
        return View(made, ())
    if weight is not None and label_smoothing:
        raise context.unsupported("class weights together with label smoothing")
    loss = _by_token(context, logits, target, ignore_index, label_smoothing)
    if weight is None and reduction != MEAN:
        return _reduced(context, loss, reduction)
    share = _shares(context, target, weight, logits.value.features, ignore_index)
    if weight is not None:
        loss = binary(context, "mul", loss, share)
    if reduction != MEAN:
        return _reduced(context, loss, reduction)
    count = unary("reciprocal")(context, sum_of_all(context, share))
    return binary(context, "mul", sum_of_all(context, loss), count)


def _by_token(context: Capture, logits: View, labels: View, ignore_index: int, smoothing: float) -> View:
    made = context.emit(
        "token_cross_entropy", [logits.value, labels.value], Shape(1, logits.value.tokens),
        logits.value.shape, ignore_index=ignore_index, smoothing=float(smoothing),
    )  # fmt: skip
    return labels.on(made)


def _shares(context: Capture, labels: View, weight: Any, classes: int, ignore_index: int) -> View:
    """What each token counts in the mean: its class's weight, or 1; 0 if it is ignored."""
    each = Shape(1, labels.value.tokens)
    counted = labels.on(context.emit("counted", [labels.value], each, ignore_index=ignore_index))
    if weight is None:
        return counted
    if not isinstance(weight, torch.Tensor):
        raise context.unsupported("class weights must be constants")
    table = context.constant(weight.to(torch.float32).reshape(-1, 1).numpy())
    looked = context.emit("embedding", [labels.value], each, weights=[table], ignored=ignore_index)
    return binary(context, "mul", labels.on(looked), counted)


def _of_probabilities(
    context: Capture, logits: View, target: View, weight: Any, reduction: int, smoothing: float
) -> View:
    """Targets that have a probability for each class: −Σ q log softmax."""
    if weight is not None:
        raise context.unsupported("class weights together with probabilities as targets")
    if len(target.dims) > 2:
        target = permute(context, target, [0, *range(2, len(target.dims)), 1])
    if smoothing:
        target = affine(context, target, 1 - smoothing, smoothing / logits.shape[-1])
    each = binary(context, "mul", log_softmax(context, logits, -1), target)
    if reduction == NONE:
        return affine(context, sum_(context, each, [-1]), -1.0, 0.0)
    rows = float(np.prod(logits.shape[:-1])) if reduction == MEAN else 1.0
    return sum_of_all(context, each, -1.0 / rows)


def nll_loss(
    context: Capture, x: Any, target: Any, weight: Any = None, reduction: int = MEAN,
    ignore_index: int = -100,
) -> View:  # fmt: skip
    """Of a `log_softmax`: together they are the cross-entropy."""
    view = context.whole(x)
    op = context.graph.producers.get(view.value)
    if op is None or op.name != "log_softmax":
        raise context.unsupported("it is supported only behind `log_softmax`")
    return cross_entropy(context, view.on(op.inputs[0]), target, weight, reduction, ignore_index)


# --- of differences ---


def mse_loss(context: Capture, x: Any, target: Any, reduction: int = MEAN) -> View:
    """The mean is one operator."""
    apart = binary(context, "sub", x, target)
    if reduction == MEAN:
        return mean_of_all(context, Squares(apart))
    return _reduced(context, context.whole(Squares(apart)), reduction)


def l1_loss(context: Capture, x: Any, target: Any, reduction: int = MEAN) -> View:
    return _reduced(context, absolute(context, binary(context, "sub", x, target)), reduction)


def huber_loss(context: Capture, x: Any, target: Any, reduction: int = MEAN, delta: Scalar = 1.0) -> View:
    return _reduced(context, _huber(context, x, target, delta), reduction)


def smooth_l1_loss(context: Capture, x: Any, target: Any, reduction: int = MEAN, beta: Scalar = 1.0) -> View:
    """Huber's, over beta."""
    if beta == 0:
        return l1_loss(context, x, target, reduction)
    return _reduced(context, affine(context, _huber(context, x, target, beta), 1 / beta, 0.0), reduction)


def _huber(context: Capture, x: Any, target: Any, delta: Scalar) -> View:
    """c (d − c / 2) with c = d between −delta and delta, else the nearer of these."""
    apart = binary(context, "sub", x, target)
    near = clamp(context, apart, -delta, delta)
    rest = binary(context, "sub", apart, affine(context, near, 0.5, 0.0))
    return binary(context, "mul", near, rest)


# --- of probabilities ---


def bce_with_logits(
    context: Capture, x: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = MEAN
) -> View:
    """log(1 + e^x) − z x; with a weight p of the positive: (1 − z) x + (1 + (p − 1) z) log(1 + e^−x)."""
    if pos_weight is None:
        loss = binary(context, "sub", softplus(context, x), mul(context, x, target))
        return _reduced(context, loss, reduction, weight)
    rest = softplus(context, affine(context, x, -1.0, 0.0))
    factor = affine(context, mul(context, target, pos_weight - 1), 1.0, 1.0)
    linear = binary(context, "sub", x, mul(context, x, target))
    return _reduced(
        context, binary(context, "add", linear, binary(context, "mul", factor, rest)), reduction, weight
    )


def bce(context: Capture, x: Any, target: Any, weight: Any = None, reduction: int = MEAN) -> View:
    """Of a sigmoid: together they are `binary_cross_entropy_with_logits`."""
    view = context.whole(x)
    op = context.graph.producers.get(view.value)
    if op is None or op.attributes.get("function") != "sigmoid":
        raise context.unsupported(
            "it is supported only behind `sigmoid`", help="`binary_cross_entropy_with_logits` is, too"
        )
    return bce_with_logits(context, view.on(op.inputs[0]), target, weight, None, reduction)


def kl_div(context: Capture, x: Any, target: Any, reduction: int = MEAN, *, log_target: bool = False) -> View:
    """q (log q − x); e^q (q − x) with `log_target`. 0 log 0 is 0."""
    share = exp(context, target) if log_target else target
    known = target if log_target else log(context, clamp(context, target, min=SMALLEST))
    apart = binary(context, "sub", known, x)
    return _reduced(context, binary(context, "mul", share, apart), reduction)


def gather(context: Capture, x: Any, dim: int, index: Any, **_: Any) -> View:
    """One logarithm of a probability a token: what the cross-entropy of the token is made of."""
    view, labels = context.rows(x), context.whole(index)
    op = context.graph.producers.get(view.value)
    is_last = dim % len(view.dims) == len(view.dims) - 1 and labels.shape[-1] == 1
    if op is None or op.name != "log_softmax" or not is_last or labels.dims[:-1] != view.dims[:-1]:
        raise context.unsupported("it is supported only for one class a token, behind `log_softmax`")
    loss = _by_token(context, view.on(op.inputs[0]), labels, NO_LABEL, 0.0)
    return affine(context, loss, -1.0, 0.0)
