"""Linear layers along the tokens: every PE has all tokens of its features, and the whole weight.

In memory [features][batch][seq] is a matrix of features · batch rows, so the three products are those of a
linear layer with the roles of activation and weight exchanged."""

from __future__ import annotations

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value
from openwafer.nn.graph._place import Placing
from openwafer.nn.ops._elementwise import clear_padding, elements
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering


class _Mix(Operator):
    """`weights` = (W [outputs, inputs],): tokens of a sequence."""

    def place(self, op: Op, placing: Placing) -> None:
        placing.whole(op.weights[0])
        first, *others = [*op.inputs, *op.outputs]
        for value in others:
            placing.same(value, first)


def _rows(to: Lowering, x: Value, seq: int) -> int:
    return to.local(x) * (x.tokens // seq)


class MixTokens(_Mix):
    """y[f, b, s′] = Σ W[s′, s] x[f, b, s]."""

    name = "mix_tokens"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y, weight = op.inputs, op.output, op.weights[0]
        out, seq = weight.shape
        to.call(
            "linear_grad_input", to.ref(y), to.weight(weight), to.ref(x), seq, _rows(to, x, seq), out
        )  # fmt: skip

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        tape.effect("mix_tokens_grad_weight", [x, grad], op.weights)
        if tape.needs(x):
            tape.add(x, tape.emit("mix_tokens_grad_input", [grad], x.shape, weights=op.weights))


class MixTokensGradInput(_Mix):
    """dx[f, b, s] = Σ W[s′, s] dy[f, b, s′]."""

    name = "mix_tokens_grad_input"

    def lower(self, op: Op, to: Lowering) -> None:
        (dy,), dx, weight = op.inputs, op.output, op.weights[0]
        out, seq = weight.shape
        turned = to.scratch("mix.turned", out, seq)
        to.call("zero", to.ref(dx), elements(to, dx))
        sizes = (seq, _rows(to, dy, out), out)
        to.call("linear_grad_weight", to.ref(dx), turned, to.ref(dy), to.weight(weight), *sizes)


class MixTokensGradWeight(_Mix):
    """dW[s′, s] += Σ dy[f, b, s′] x[f, b, s]."""

    name = "mix_tokens_grad_weight"

    def lower(self, op: Op, to: Lowering) -> None:
        (x, dy), weight = op.inputs, op.weights[0]
        out, seq = weight.shape
        part, whole = to.scratch("mix.part", seq, out), to.gradient(weight)
        to.call("linear", part, to.ref(dy), to.ref(x), seq, _rows(to, x, seq), out)
        to.sum(to.axis(x), part, seq * out)
        to.call("add", whole, whole, part, seq * out)


class TokenBias(Operator):
    """x + b, `b` a number a token of a sequence."""

    name = "token_bias"

    def place(self, op: Op, placing: Placing) -> None:
        placing.same(op.output, op.inputs[0])

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y, weight = op.inputs, op.output, op.weights[0]
        (seq,) = weight.shape
        to.call("copy", to.ref(y), to.ref(x), elements(to, x))
        to.call("add_row", to.ref(y), to.weight(weight), _rows(to, x, seq), seq)
        clear_padding(to, y)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        tape.effect("token_bias_grad", [grad], op.weights)
        tape.add(op.inputs[0], grad)


class TokenBiasGrad(Operator):
    """db[s] += Σ dy[f, b, s]."""

    name = "token_bias_grad"

    def place(self, op: Op, placing: Placing) -> None:
        """Wherever dy is."""

    def lower(self, op: Op, to: Lowering) -> None:
        (dy,), weight = op.inputs, op.weights[0]
        (seq,) = weight.shape
        part, whole = to.scratch("token_bias.part", seq), to.gradient(weight)
        to.call("sum_rows", part, to.ref(dy), _rows(to, dy, seq), seq)
        to.sum(to.axis(dy), part, seq)
        to.call("add", whole, whole, part, seq)


class ScaleAll(Operator):
    """x · w, `w` one number."""

    name = "scale_all"

    def place(self, op: Op, placing: Placing) -> None:
        placing.same(op.output, op.inputs[0])

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        to.call("copy", to.ref(y), to.ref(x), elements(to, x))
        to.call("scale_by", to.ref(y), to.weight(op.weights[0]), elements(to, x))

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        tape.effect("scale_all_grad", [grad, x], op.weights)
        if tape.needs(x):
            tape.add(x, tape.emit("scale_all", [grad], x.shape, weights=op.weights))


class ScaleAllGrad(Operator):
    """dw += Σ dy x."""

    name = "scale_all_grad"

    def place(self, op: Op, placing: Placing) -> None:
        placing.same(op.inputs[1], op.inputs[0])

    def lower(self, op: Op, to: Lowering) -> None:
        dy, x = op.inputs
        n = elements(to, x)
        work, part = to.scratch("scale_all.work", n), to.scratch("scale_all.part", 1)
        whole = to.gradient(op.weights[0])
        to.call("mul", work, to.ref(dy), to.ref(x), n)
        to.call("zero", part, 1)
        to.call("bias_grad", part, work, 1, n)
        to.sum(to.axis(x), part, 1)
        to.call("add", whole, whole, part, 1)
