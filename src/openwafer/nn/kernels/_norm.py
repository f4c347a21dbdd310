"""RMSNorm and LayerNorm with the features split over an axis (`kernels/rms_norm.csl`,
`kernels/layer_norm.csl`).

    rms_sum → all-reduce → rms_scale → rms_apply          rms_grad_sum → all-reduce → rms_grad
    layer_sum → all-reduce → layer_scale → layer_apply    layer_grad_sum → all-reduce → layer_grad

What is all-reduced is the first argument, whole. Padded features are zeros in `x`, `weight` and `bias`, and
do no harm; a norm without a weight gets ones, and zeros in the padding. `dx` may be `dy`. Gradients of
`weight` and `bias` are added to what is there, and are complete on each PE."""

# pyright: basic
from __future__ import annotations

import numpy as np

from openwafer.nn.kernels._kernel import Constant, KernelTable, Size, out, read, scratch, update

NORM = KernelTable()
MATRICES = ({"f": 3, "t": 5}, {"f": 8, "t": 1}, {"f": 1, "t": 3}, {"f": 8, "t": 16})
F, T = Size("f"), Size("t")
FEATURES, EPS = Constant("features", 24.0), Constant("eps", 1e-5)


def squares(random, shape):
    """Sums of squares as they come from other PEs too."""
    return random.uniform(5, 50, shape)


def statistics(random, shape):
    """Means and inverse deviations."""
    return np.stack([random.standard_normal(shape[1:]), random.uniform(0.5, 2, shape[1:])])


def sums(random, shape):
    """Sums and sums of squares over 24 features."""
    return np.stack([random.standard_normal(shape[1:]) * 5, random.uniform(20, 50, shape[1:])])


def positive(random, shape):
    return random.uniform(0.5, 2, shape)


@NORM.define("rms_norm", out("ss", "t"), read("x", "f", "t"), scratch("work", "f", "t"), F, T, cases=MATRICES)
def rms_sum(ss, x, work, f, t):
    ss[:] = (x * x).sum(0)


@NORM.define("rms_norm", out("r", "t"), read("ss", "t", draw=squares), T, FEATURES, EPS, cases=MATRICES)
def rms_scale(r, ss, t, features, eps):
    """What each token is multiplied by; keep it for the gradient. `r` may be `ss`."""
    r[:] = 1 / np.sqrt(ss / features + eps)


@NORM.define(
    "rms_norm",
    out("y", "f", "t"),
    read("x", "f", "t"),
    read("weight", "f"),
    read("r", "t", draw=positive),
    F,
    T,
    cases=MATRICES,
)
def rms_apply(y, x, weight, r, f, t):
    """`y` may be `x`."""
    y[:] = x * r * weight[:, None]


@NORM.define(
    "rms_norm",
    out("s", "t"),
    read("dy", "f", "t"),
    read("x", "f", "t"),
    read("weight", "f"),
    scratch("work", "f", "t"),
    F,
    T,
    cases=MATRICES,
)
def rms_grad_sum(s, dy, x, weight, work, f, t):
    s[:] = (dy * x * weight[:, None]).sum(0)


@NORM.define(
    "rms_norm",
    out("dx", "f", "t"),
    update("dweight", "f"),
    update("s", "t"),
    read("dy", "f", "t"),
    read("x", "f", "t"),
    read("weight", "f"),
    read("r", "t", draw=positive),
    scratch("work", "f", "t"),
    F,
    T,
    FEATURES,
    cases=MATRICES,
    tolerance=2e-6,
)
def rms_grad(dx, dweight, s, dy, x, weight, r, work, f, t, features):
    """`s` is used up."""
    dweight += (dy * x * r).sum(1)
    s *= r**3 / features
    dx[:] = r * weight[:, None] * dy - x * s


@NORM.define(
    "layer_norm", out("sums", 2, "t"), read("x", "f", "t"), scratch("work", "f", "t"), F, T, cases=MATRICES
)
def layer_sum(sums, x, work, f, t):
    """Sums and sums of squares."""
    sums[0] = x.sum(0)
    sums[1] = (x * x).sum(0)


@NORM.define(
    "layer_norm",
    out("stats", 2, "t"),
    read("sums", 2, "t", draw=sums),
    scratch("work", "t"),
    T,
    FEATURES,
    EPS,
    cases=MATRICES,
)
def layer_scale(stats, sums, work, t, features, eps):
    """Means and inverse deviations; keep them for the gradient. `stats` may be `sums`."""
    mean = sums[0] / features
    stats[1] = 1 / np.sqrt(sums[1] / features - mean * mean + eps)
    stats[0] = mean


@NORM.define(
    "layer_norm",
    out("y", "f", "t"),
    read("x", "f", "t"),
    read("weight", "f"),
    read("bias", "f"),
    read("stats", 2, "t", draw=statistics),
    F,
    T,
    cases=MATRICES,
)
def layer_apply(y, x, weight, bias, stats, f, t):
    """`y` may be `x`."""
    y[:] = (x - stats[0]) * stats[1] * weight[:, None] + bias[:, None]


@NORM.define(
    "layer_norm",
    out("s", 2, "t"),
    read("dy", "f", "t"),
    read("x", "f", "t"),
    read("weight", "f"),
    read("stats", 2, "t", draw=statistics),
    scratch("work", "f", "t"),
    F,
    T,
    cases=MATRICES,
)
def layer_grad_sum(s, dy, x, weight, stats, work, f, t):
    """Sums of w dy, and of w dy times the normalised x."""
    s[0] = (weight[:, None] * dy).sum(0)
    s[1] = (weight[:, None] * dy * (x - stats[0]) * stats[1]).sum(0)


@NORM.define(
    "layer_norm",
    out("dx", "f", "t"),
    update("dweight", "f"),
    update("dbias", "f"),
    update("s", 2, "t"),
    read("dy", "f", "t"),
    read("x", "f", "t"),
    read("weight", "f"),
    read("stats", 2, "t", draw=statistics),
    scratch("work", "f", "t"),
    F,
    T,
    FEATURES,
    cases=MATRICES,
    tolerance=2e-6,
)
def layer_grad(dx, dweight, dbias, s, dy, x, weight, stats, work, f, t, features):
    """`s` is used up. Padded features of `dx` do not become zeros: clear them with `fill_rows`."""
    mean, r = stats
    normal = (x - mean) * r
    dweight += (dy * normal).sum(1)
    dbias += dy.sum(1)
    s /= features
    dx[:] = r * (weight[:, None] * dy - s[0] - normal * s[1])
