"""Functions of vectors (`kernels/vector_math.csl`). `y` may be `x`."""

# pyright: basic
from __future__ import annotations

import numpy as np

from openwafer.nn.kernels._kernel import KernelTable, Size, out, read

VECTOR = KernelTable()
LENGTHS = ({"n": 1}, {"n": 65}, {"n": 200})


def low(random, shape):
    """From where e^x is tiny up to 5."""
    return random.uniform(-20, 5, shape)


def small(random, shape):
    return random.standard_normal(shape) * 0.01


def positive(random, shape):
    return np.exp(random.uniform(-1, 1, shape))


def around(random, shape):
    """Of both signs, from 1 to 1.5 in size."""
    return random.uniform(1, 1.5, shape) * random.choice([-1, 1], shape)


def near_one(random, shape):
    return random.uniform(0.5, 2, shape)


def _parameters(draw):
    return out("y", "n"), read("x", "n", draw=draw), Size("n")


@VECTOR.define("vector_math", *_parameters(low), cases=LENGTHS, tolerance=4e-7)
def exp(y, x, n):
    """x at most 88; all below −87 give e^−87."""
    y[:] = np.exp(np.maximum(x, -87))


@VECTOR.define("vector_math", *_parameters(small), cases=LENGTHS, tolerance=4e-7)
def exp_less_one(y, x, n):
    y[:] = np.expm1(x)


@VECTOR.define("vector_math", *_parameters(around), cases=LENGTHS, tolerance=4e-7)
def reciprocal(y, x, n):
    y[:] = 1 / x


@VECTOR.define("vector_math", *_parameters(positive), cases=LENGTHS, tolerance=4e-7)
def inverse_root(y, x, n):
    y[:] = 1 / np.sqrt(x)


@VECTOR.define("vector_math", *_parameters(near_one), cases=LENGTHS, tolerance=4e-7)
def log(y, x, n):
    y[:] = np.log(x)
