"""Optimisers as PyTorch has them, the gradient's norm and the search for NaN (`kernels/optimizer.csl`,
`kernels/gradient.csl`). All of it is local; `square_sum` and `count_bad` add up over calls, then over the
PEs."""

# pyright: basic
from __future__ import annotations

import numpy as np

from openwafer.nn.kernels._kernel import Constant, KernelTable, Size, out, read, update

OPTIMIZER = KernelTable()
LENGTHS = ({"n": 1}, {"n": 65}, {"n": 200})
N = Size("n")
LR, DECAY = Constant("lr", 0.01, runtime=True), Constant("decay", 0.1, runtime=True)


def squares(random, shape):
    """Second moments, some of them 0."""
    return random.standard_normal(shape) ** 2 * (random.random(shape) > 0.1)


def broken(random, shape):
    """Numbers with NaN and infinities among them."""
    bad = random.choice([np.nan, np.inf, -np.inf], shape)
    return np.where(random.random(shape) < 0.2, bad, random.standard_normal(shape) * 1e30)


@OPTIMIZER.define("optimizer", update("weight", "n"), read("grad", "n"), N, LR, DECAY, cases=LENGTHS)
def sgd(weight, grad, n, lr, decay):
    weight -= lr * (grad + decay * weight)


@OPTIMIZER.define(
    "optimizer",
    update("weight", "n"),
    update("velocity", "n"),
    read("grad", "n"),
    N,
    LR,
    Constant("momentum", 0.9, runtime=True),
    Constant("dampening", 0.25, runtime=True),
    DECAY,
    cases=LENGTHS,
)
def sgd_momentum(weight, velocity, grad, n, lr, momentum, dampening, decay):
    """PyTorch sets the velocity to the gradient in the first step: give dampening 0 there."""
    velocity[:] = momentum * velocity + (1 - dampening) * (grad + decay * weight)
    weight -= lr * velocity


@OPTIMIZER.define(
    "optimizer",
    update("weight", "n"),
    update("velocity", "n"),
    read("grad", "n"),
    N,
    LR,
    Constant("momentum", 0.9, runtime=True),
    Constant("dampening", 0.25, runtime=True),
    DECAY,
    cases=LENGTHS,
)
def sgd_nesterov(weight, velocity, grad, n, lr, momentum, dampening, decay):
    step = grad + decay * weight
    velocity[:] = momentum * velocity + (1 - dampening) * step
    weight -= lr * (step + momentum * velocity)


@OPTIMIZER.define(
    "optimizer",
    update("weight", "n"),
    update("m", "n"),
    update("v", "n", draw=squares),
    read("grad", "n"),
    N,
    LR,
    Constant("beta1", 0.9, runtime=True),
    Constant("beta2", 0.999, runtime=True),
    Constant("eps", 1e-8, runtime=True),
    DECAY,
    Constant("correction1", 0.271, runtime=True),
    Constant("correction2", 0.002997, runtime=True),
    cases=LENGTHS,
    tolerance=2e-6,
)
def adamw(weight, m, v, grad, n, lr, beta1, beta2, eps, decay, correction1, correction2):
    """correction1 = 1 − beta1^step, correction2 = 1 − beta2^step, step from 1."""
    weight *= 1 - lr * decay
    m += (1 - beta1) * (grad - m)
    v[:] = beta2 * v + (1 - beta2) * grad * grad
    weight -= lr / correction1 * m / (np.sqrt(v / correction2) + eps)


@OPTIMIZER.define("gradient", update("total", 1), read("x", "n"), N, cases=LENGTHS)
def square_sum(total, x, n):
    total[0] += (x * x).sum()


@OPTIMIZER.define(
    "gradient",
    out("factor", 1),
    read("total", 1, draw=squares),
    Constant("most", 0.1, runtime=True),
    cases=({},),
)
def clip_factor(factor, total, most):
    """What gradients are scaled by so that their norm, the root of `total`, is at most `most`."""
    factor[0] = min(1, most / (np.sqrt(total[0]) + 1e-6))


@OPTIMIZER.define("gradient", update("count", 1), read("x", "n", draw=broken), N, cases=LENGTHS)
def count_bad(count, x, n):
    """Adds the number of NaN and infinities, as a float so that it can be all-reduced."""
    count[0] += (~np.isfinite(x)).sum()
