"""Operators on single elements, and with one number a feature: nothing is communicated."""

from __future__ import annotations

from typing import ClassVar

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value
from openwafer.nn.graph._mesh import Split
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering


def elements(to: Lowering, value: Value) -> int:
    """On one PE."""
    return to.local(value) * value.tokens


def clear_padding(to: Lowering, value: Value, number: float = 0.0) -> None:
    """Sets the padded features of a value, if there are any."""
    if to.is_padded(value):
        to.call("fill_rows", to.ref(value), to.local(value), value.tokens, to.valid(value), number)


class _Binary(Operator):
    kernel: ClassVar[str]

    def lower(self, op: Op, to: Lowering) -> None:
        a, b = op.inputs
        to.call(self.kernel, to.ref(op.output), to.ref(a), to.ref(b), elements(to, a))


class Add(_Binary):
    name = kernel = "add"

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        for value in op.inputs:
            tape.add(value, grad)


class Sub(_Binary):
    name = kernel = "sub"

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        a, b = op.inputs
        tape.add(a, grad)
        if tape.needs(b):
            tape.add(b, tape.scaled(grad, -1.0))


class Mul(_Binary):
    name = kernel = "mul"

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        a, b = op.inputs
        for value, factor in ((a, b), (b, a)):
            if tape.needs(value):
                tape.add(value, tape.emit("mul", [grad, factor], value.shape))


class Affine(Operator):
    """factor · x + offset."""

    name = "affine"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        n = elements(to, x)
        factor, offset = op.attributes["factor"], op.attributes["offset"]
        source = to.ref(x)
        if factor != 1 or offset == 0:
            to.call("scale", to.ref(y), source, n, factor)
            source = to.ref(y)
        if offset != 0:
            to.call("shift", to.ref(y), source, n, offset)
            clear_padding(to, y)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        factor = op.attributes["factor"]
        if tape.needs(x):
            tape.add(x, tape.scaled(grad, factor))


FROM_RESULT = ("tanh", "sigmoid")
"""Functions whose derivative is computed from the result."""

BY_PRODUCTS = ("exp", "log", "reciprocal", "inverse_root", "softplus")
"""Functions whose derivative is made of products and such functions."""

NOT_ZERO_AT_ZERO = ("sigmoid", *BY_PRODUCTS)


class Unary(Operator):
    """A function of one element; the attribute `function` is the kernel's name."""

    name = "unary"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        to.call(op.attributes["function"], to.ref(y), to.ref(x), elements(to, x))
        if op.attributes["function"] in NOT_ZERO_AT_ZERO:
            clear_padding(to, y)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,), function = op.inputs, op.attributes["function"]
        if not tape.needs(x):
            return
        if function in BY_PRODUCTS:
            tape.add(x, _by_products(function, x, op.output, grad, tape))
            return
        known = op.output if function in FROM_RESULT else x
        tape.add(x, tape.emit("unary_grad", [grad, known], x.shape, function=function))


def _by_products(function: str, x: Value, y: Value, grad: Value, tape: Tape) -> Value:
    """dy e^x; dy / x; −dy / x²; −dy / (2 x √x); dy / (1 + e^−x)."""
    slope = {"log": "reciprocal", "softplus": "sigmoid"}.get(function)
    if slope is not None:
        y = tape.emit("unary", [x], x.shape, function=slope)
    out = tape.emit("mul", [grad, y], x.shape)
    powers = {"reciprocal": 1, "inverse_root": 2}.get(function, 0)
    for _ in range(powers):
        out = tape.emit("mul", [out, y], x.shape)
    if powers:
        out = tape.emit("affine", [out], x.shape, factor=-1.0 / powers, offset=0.0)
    return out


class UnaryGrad(Operator):
    """dy · f′."""

    name = "unary_grad"

    def lower(self, op: Op, to: Lowering) -> None:
        dy, known = op.inputs
        kernel = f"{op.attributes['function']}_grad"
        to.call(kernel, to.ref(op.output), to.ref(dy), to.ref(known), elements(to, dy))


class Bias(Operator):
    """x + b, `b` a number a feature."""

    name = "bias"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        to.call("copy", to.ref(y), to.ref(x), elements(to, x))
        to.call("add_bias", to.ref(y), to.weight(op.weights[0], x), to.local(x), x.tokens)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        tape.effect("bias_grad", [grad], op.weights)
        tape.add(op.inputs[0], grad)


class BiasGrad(Operator):
    """db += the sum of dy over the tokens."""

    name = "bias_grad"

    def lower(self, op: Op, to: Lowering) -> None:
        (dy,) = op.inputs
        to.call("bias_grad", to.gradient(op.weights[0], dy), to.ref(dy), to.local(dy), dy.tokens)


class Scale(Operator):
    """x · w, `w` a number a feature."""

    name = "scale"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        to.call("scale_features", to.ref(y), to.ref(x), to.weight(op.weights[0], x), to.local(x), x.tokens)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        tape.effect("scale_grad", [grad, x], op.weights)
        if tape.needs(x):
            tape.add(x, tape.emit("scale", [grad], x.shape, weights=op.weights))


class ScaleGrad(Operator):
    """dw += the sum of dy · x over the tokens."""

    name = "scale_grad"

    def lower(self, op: Op, to: Lowering) -> None:
        dy, x = op.inputs
        work = to.scratch("scale_grad.work", to.local(x), x.tokens)
        to.call("mul", work, to.ref(dy), to.ref(x), elements(to, x))
        to.call("bias_grad", to.gradient(op.weights[0], dy), work, to.local(x), x.tokens)


class MulTable(Operator):
    """x · a constant of its own shape."""

    name = "mul_table"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        table = to.table(op.weights[0], (to.split(x), Split(x.tokens)))
        to.call("mul", to.ref(y), to.ref(x), table, elements(to, x))

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit("mul_table", [grad], x.shape, weights=op.weights))
