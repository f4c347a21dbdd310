"""Linear layers: the three products, each local, and one all-reduce for two of them."""

from __future__ import annotations

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value, Weight
from openwafer.nn.graph._mesh import other
from openwafer.nn.graph._place import Placing
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering


class Linear(Operator):
    """y = W x (+ b), `weights` = (W [N, K], b [N]); from one axis to the other."""

    name = "linear"

    def place(self, op: Op, placing: Placing) -> None:
        weight = op.weights[0]
        placing.same(op.inputs[0], (weight, 1))
        placing.flip((weight, 1), (weight, 0))
        placing.same(op.output, (weight, 0))
        for bias in op.weights[1:]:
            placing.same(op.output, (bias, 0))

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        k, n, t = to.local(x), to.local(y), x.tokens
        weight = to.stored(op.weights[0])
        if to.storage == "f16":
            half = to.scratch("linear.half", k, t, dtype="f16")
            to.call("linear_half", to.ref(y), half, to.ref(x), weight, n, k, t)
        else:
            to.call("linear", to.ref(y), to.ref(x), weight, n, k, t)
        to.sum(to.axis(x), to.ref(y), n * t)
        for bias in op.weights[1:]:
            to.call("add_bias", to.ref(y), to.weight(bias, y), n, t)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,), weight = op.inputs, op.weights[0]
        for bias in op.weights[1:]:
            tape.effect("bias_grad", [grad], [bias])
        tape.effect("linear_grad_weight", [x, grad], [weight])
        if tape.needs(x):
            tape.add(x, tape.emit("linear_grad_input", [grad], x.shape, weights=[weight]))


class LinearGradInput(Operator):
    """dx = Wᵀ dy; in a model with tied weights also a layer."""

    name = "linear_grad_input"

    def place(self, op: Op, placing: Placing) -> None:
        weight = op.weights[0]
        placing.same(op.inputs[0], (weight, 0))
        placing.same(op.output, (weight, 1))

    def lower(self, op: Op, to: Lowering) -> None:
        (dy,), dx = op.inputs, op.output
        k, n, t = to.local(dx), to.local(dy), dy.tokens
        to.call("linear_grad_input", to.ref(dx), to.ref(dy), to.weight(op.weights[0]), n, k, t)
        to.sum(to.axis(dy), to.ref(dx), k * t)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        tape.effect("linear_grad_weight", [grad, x], op.weights)
        if tape.needs(x):
            tape.add(x, tape.emit("linear", [grad], x.shape, weights=op.weights))


class LinearGradWeight(Operator):
    """dW += dy xᵀ, without communication."""

    name = "linear_grad_weight"

    def place(self, op: Op, placing: Placing) -> None:
        weight = op.weights[0]
        placing.same(op.inputs[0], (weight, 1))
        placing.same(op.inputs[1], (weight, 0))

    def lower(self, op: Op, to: Lowering) -> None:
        x, dy = op.inputs
        weight: Weight = op.weights[0]
        assert to.axis(x) == other(to.axis(dy))
        gradient = to.gradient(weight)
        k, n, t = to.local(x), to.local(dy), x.tokens
        turned = to.scratch("linear.turned", t, n)
        to.call("linear_grad_weight", gradient, turned, to.ref(x), to.ref(dy), n, k, t)
