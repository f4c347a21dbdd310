"""Functions of one element, and those made of others."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from openwafer.nn.capture._abstract import MeanSquare, Param
from openwafer.nn.capture._view import View, length, narrow
from openwafer.nn.capture._walk import Capture, Handler
from openwafer.nn.capture.aten import _elementwise as elementwise
from openwafer.nn.capture.aten._elementwise import Scalar, affine, binary, unary
from openwafer.nn.capture.aten._reductions import variance, variance_unbiased

relu = unary("relu")
absolute = unary("absolute")
exp = unary("exp")
log = unary("log")
sigmoid = unary("sigmoid")
tanh = unary("tanh")
reciprocal = unary("reciprocal")
inverse_root = unary("inverse_root")


def clamp(context: Capture, x: Any, min: Scalar | None = None, max: Scalar | None = None) -> View:
    """min + relu(x − min), and max − relu(max − x)."""
    y = context.whole(x)
    if min is not None:
        y = affine(context, relu(context, affine(context, y, 1.0, -min)), 1.0, min)
    if max is not None:
        y = affine(context, relu(context, affine(context, y, -1.0, max)), -1.0, max)
    return y


def clamp_max(context: Capture, x: Any, max: Scalar) -> View:
    return clamp(context, x, max=max)


def hardtanh(context: Capture, x: Any, min: Scalar = -1, max: Scalar = 1) -> View:
    return clamp(context, x, min, max)


def relu6(context: Capture, x: Any) -> View:
    return clamp_max(context, relu(context, x), 6)


def hardsigmoid(context: Capture, x: Any) -> View:
    return affine(context, relu6(context, affine(context, x, 1.0, 3.0)), 1 / 6, 0.0)


def hardswish(context: Capture, x: Any) -> View:
    return binary(context, "mul", x, hardsigmoid(context, x))


def leaky_relu(context: Capture, x: Any, slope: Scalar = 0.01) -> View:
    """slope x + (1 − slope) relu(x)."""
    steep = affine(context, relu(context, x), 1.0 - slope, 0.0)
    return binary(context, "add", affine(context, x, slope, 0.0), steep)


def elu(context: Capture, x: Any, alpha: Scalar = 1, scale: Scalar = 1, input_scale: Scalar = 1) -> View:
    """scale (relu(x) + alpha (e^min(x, 0) − 1))."""
    if input_scale != 1:
        raise context.unsupported("only with `input_scale` 1")
    power = exp(context, clamp_max(context, x, 0.0))
    return affine(
        context, binary(context, "add", relu(context, x), affine(context, power, alpha, -alpha)), scale, 0.0
    )


def softplus(context: Capture, x: Any, beta: Scalar = 1, threshold: Scalar = 20) -> View:
    """log(1 + e^(beta x)) / beta."""
    if beta == 1:
        return unary("softplus")(context, x)
    scaled = affine(context, x, float(beta), 0.0)
    return affine(context, unary("softplus")(context, scaled), 1 / beta, 0.0)


def log_sigmoid(context: Capture, x: Any) -> View:
    return affine(context, softplus(context, affine(context, x, -1.0, 0.0)), -1.0, 0.0)


def mish(context: Capture, x: Any) -> View:
    return binary(context, "mul", x, tanh(context, softplus(context, x)))


def maximum(context: Capture, a: Any, b: Any) -> View:
    """b + relu(a − b)."""
    return binary(context, "add", b, relu(context, binary(context, "sub", a, b)))


def minimum(context: Capture, a: Any, b: Any) -> View:
    return binary(context, "sub", b, relu(context, binary(context, "sub", b, a)))


def glu(context: Capture, x: View, dim: int = -1) -> View:
    """The first half times the sigmoid of the second."""
    dim %= len(x.dims)
    half = length(x.dims[dim]) // 2
    first, second = (narrow(x, dim, start, half) for start in (0, half))
    return binary(context, "mul", first, sigmoid(context, second))


def power(context: Capture, x: Any, exponent: Scalar) -> Any:
    """Whole numbers of small size: products; and roots."""
    if exponent in (1, 2):
        return elementwise.square(context, x) if exponent == 2 else x
    if exponent == -1:
        return reciprocal(context, x)
    if exponent in (0.5, -0.5):
        return (root if exponent > 0 else elementwise.rsqrt)(context, x)
    if exponent not in (3, 4):
        raise context.unsupported(f"the power {exponent} is not supported, only 1, 2, 3, 4, -1, 0.5 and -0.5")
    square = binary(context, "mul", x, x)
    return binary(context, "mul", square, x if exponent == 3 else square)


def root(context: Capture, x: Any) -> Any:
    """x / √x; of a mean square, a part of RMSNorm."""
    if isinstance(x, MeanSquare) and not x.inverse and not x.root:
        return replace(x, root=True)
    return binary(context, "mul", x, inverse_root(context, x))


def standard_deviation(context: Capture, x: Any, *args: Any, **options: Any) -> View:
    return root(context, variance(context, x, *args, **options))


def standard_deviation_unbiased(context: Capture, x: Any, *args: Any, **options: Any) -> View:
    return root(context, variance_unbiased(context, x, *args, **options))


def prelu(context: Capture, x: Any, weight: Any) -> View:
    """relu(x) − w relu(−x), `w` one number or one a channel."""
    low = relu(context, affine(context, x, -1.0, 0.0))
    if isinstance(weight, Param) and weight.index.numel() > 1:
        weight = Param(weight.name, weight.index.reshape(-1, *[1] * (len(x.dims) - 2)))
    return binary(context, "sub", relu(context, x), elementwise.mul(context, low, weight))


def made(fill: float | None) -> Handler:
    """The handler of what makes a constant of a known shape."""

    def handle(context: Capture, *args: Any, **_: Any) -> torch.Tensor:
        return torch.full(context.shape, float(args[-1]) if fill is None else fill)

    return handle
