"""Softmax and its logarithm over all features."""

from __future__ import annotations

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value
from openwafer.nn.ops._elementwise import clear_padding, elements
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Ref

HIDDEN = -1e30


class _Softmax(Operator):
    def largest(self, to: Lowering, x: Value, y: Value) -> Ref:
        """y = x, with padding that does not count; the largest of each token."""
        most = to.scratch("softmax.max", x.tokens)
        to.call("copy", to.ref(y), to.ref(x), elements(to, x))
        clear_padding(to, y, HIDDEN)
        to.call("row_max", most, to.ref(y), 1, to.local(x), x.tokens)
        to.max(to.axis(x), most, x.tokens)
        return most

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit(f"{self.name}_grad", [grad, op.output], x.shape))


class Softmax(_Softmax):
    """e^x / Σ e^x."""

    name = "softmax"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        f, t = to.local(x), x.tokens
        most, total = self.largest(to, x, y), to.scratch("softmax.sum", t)
        to.call("exp_sum", to.ref(y), total, most, 1, f, t)
        to.sum(to.axis(x), total, t)
        to.call("reciprocal", total, total, t)
        to.call("scale_rows", to.ref(y), total, 1, f, t)


class LogSoftmax(_Softmax):
    """x − max − log Σ e^(x − max)."""

    name = "log_softmax"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        f, t = to.local(x), x.tokens
        most, total = self.largest(to, x, y), to.scratch("softmax.sum", t)
        powers = to.scratch("softmax.powers", f, t)
        to.call("copy", powers, to.ref(y), f * t)
        to.call("exp_sum", powers, total, most, 1, f, t)
        to.sum(to.axis(x), total, t)
        to.call("log", total, total, t)
        to.call("add", total, total, most, t)
        to.call("scale", total, total, t, -1.0)
        to.call("add_row", to.ref(y), total, f, t)
        clear_padding(to, y)


class _SoftmaxGrad(Operator):
    def minus_sum(self, to: Lowering, of: Ref, like: Value) -> Ref:
        """− the sum over all features, a number a token."""
        s = to.scratch("softmax.dot", like.tokens)
        to.call("sum_rows", s, of, to.local(like), like.tokens)
        to.sum(to.axis(like), s, like.tokens)
        to.call("scale", s, s, like.tokens, -1.0)
        return s


class SoftmaxGrad(_SoftmaxGrad):
    """dx = y (dy − Σ dy y)."""

    name = "softmax_grad"

    def lower(self, op: Op, to: Lowering) -> None:
        (dy, y), dx = op.inputs, op.output
        f, t = to.local(dy), dy.tokens
        to.call("mul", to.ref(dx), to.ref(dy), to.ref(y), f * t)
        s = self.minus_sum(to, to.ref(dx), dy)
        to.call("copy", to.ref(dx), to.ref(dy), f * t)
        to.call("add_row", to.ref(dx), s, f, t)
        to.call("mul", to.ref(dx), to.ref(dx), to.ref(y), f * t)


class LogSoftmaxGrad(_SoftmaxGrad):
    """dx = dy − e^y Σ dy."""

    name = "log_softmax_grad"

    def lower(self, op: Op, to: Lowering) -> None:
        (dy, y), dx = op.inputs, op.output
        f, t = to.local(dy), dy.tokens
        s = self.minus_sum(to, to.ref(dy), dy)
        to.call("exp", to.ref(dx), to.ref(y), f * t)
        to.call("scale_rows", to.ref(dx), s, 1, f, t)
        to.call("add", to.ref(dx), to.ref(dx), to.ref(dy), f * t)
        clear_padding(to, dx)
