"""Activation functions and their gradients (`kernels/activation*.csl`). `dx` may be `dy` or `x`, `y` may be
`x`."""

# pyright: basic
from __future__ import annotations

import math

import numpy as np

from openwafer.nn.kernels._kernel import KernelTable, Size, out, read

ACTIVATION = KernelTable()
LENGTHS = ({"n": 1}, {"n": 65}, {"n": 200})
ROOT_HALF, ROOT_TAU = math.sqrt(0.5), math.sqrt(2 * math.pi)
GELU_SCALE, GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


def wide(random, shape):
    """Numbers from the whole range in which an activation changes."""
    return random.standard_normal(shape) * 4


FORWARD = (out("y", "n"), read("x", "n", draw=wide), Size("n"))
BACKWARD = (out("dx", "n"), read("dy", "n"), read("x", "n", draw=wide), Size("n"))


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _normal_cdf(x):
    return 0.5 * np.vectorize(math.erfc, otypes=[float])(-x * ROOT_HALF)


def _tanh_slope(x):
    """Of the tanh form of GELU: tanh of the inner function, and the derivative of the inner function."""
    inner = GELU_SCALE * (x + GELU_CUBE * x**3)
    return np.tanh(inner), GELU_SCALE * (1 + 3 * GELU_CUBE * x**2)


@ACTIVATION.define("activation", *FORWARD, cases=LENGTHS)
def relu(y, x, n):
    y[:] = np.maximum(x, 0)


@ACTIVATION.define("activation", *BACKWARD, cases=LENGTHS)
def relu_grad(dx, dy, x, n):
    dx[:] = np.where(x > 0, dy, 0)


@ACTIVATION.define("activation", *FORWARD, cases=LENGTHS)
def sigmoid(y, x, n):
    y[:] = _sigmoid(x)


@ACTIVATION.define("activation", out("dx", "n"), read("dy", "n"), read("y", "n"), Size("n"), cases=LENGTHS)
def sigmoid_grad(dx, dy, y, n):
    """From the function's value `y`."""
    dx[:] = dy * y * (1 - y)


@ACTIVATION.define("activation", *FORWARD, cases=LENGTHS)
def softplus(y, x, n):
    """log(1 + e^x); its derivative is the sigmoid."""
    y[:] = np.logaddexp(x, 0)


@ACTIVATION.define("activation", *FORWARD, cases=LENGTHS)
def absolute(y, x, n):
    y[:] = np.abs(x)


@ACTIVATION.define("activation", *BACKWARD, cases=LENGTHS)
def absolute_grad(dx, dy, x, n):
    """0 where x is 0."""
    dx[:] = dy * np.sign(x)


@ACTIVATION.define("activation", *FORWARD, cases=LENGTHS)
def tanh(y, x, n):
    y[:] = np.tanh(x)


@ACTIVATION.define("activation", out("dx", "n"), read("dy", "n"), read("y", "n"), Size("n"), cases=LENGTHS)
def tanh_grad(dx, dy, y, n):
    """From the function's value `y`."""
    dx[:] = dy * (1 - y * y)


@ACTIVATION.define("activation", *FORWARD, cases=LENGTHS)
def silu(y, x, n):
    y[:] = x * _sigmoid(x)


@ACTIVATION.define("activation", *BACKWARD, cases=LENGTHS)
def silu_grad(dx, dy, x, n):
    s = _sigmoid(x)
    dx[:] = dy * s * (1 + x * (1 - s))


@ACTIVATION.define("activation_gelu", *FORWARD, cases=LENGTHS)
def gelu(y, x, n):
    """The exact form: x Φ(x)."""
    y[:] = x * _normal_cdf(x)


@ACTIVATION.define("activation_gelu", *BACKWARD, cases=LENGTHS)
def gelu_grad(dx, dy, x, n):
    dx[:] = dy * (_normal_cdf(x) + x * np.exp(-0.5 * x * x) / ROOT_TAU)


@ACTIVATION.define("activation_gelu", *FORWARD, cases=LENGTHS)
def gelu_tanh(y, x, n):
    y[:] = 0.5 * x * (1 + _tanh_slope(x)[0])


@ACTIVATION.define("activation_gelu", *BACKWARD, cases=LENGTHS)
def gelu_tanh_grad(dx, dy, x, n):
    value, slope = _tanh_slope(x)
    dx[:] = dy * 0.5 * (1 + value + x * (1 - value * value) * slope)


@ACTIVATION.define(
    "activation",
    out("y", "n"),
    read("gate", "n", draw=wide),
    read("up", "n"),
    Size("n"),
    cases=LENGTHS,
)
def silu_mul(y, gate, up, n):
    """The middle of a gated MLP; `y` may be `gate` or `up`."""
    y[:] = gate * _sigmoid(gate) * up


@ACTIVATION.define(
    "activation",
    out("dgate", "n"),
    out("dup", "n"),
    read("dy", "n"),
    read("gate", "n", draw=wide),
    read("up", "n"),
    Size("n"),
    cases=LENGTHS,
)
def silu_mul_grad(dgate, dup, dy, gate, up, n):
    """`dgate` may be `gate`, `dup` may be `up`."""
    s = _sigmoid(gate)
    dgate[:] = dy * up * s * (1 + gate * (1 - s))
    dup[:] = dy * gate * s
