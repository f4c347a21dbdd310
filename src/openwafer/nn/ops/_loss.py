"""Losses. Each makes the gradient of its input on the way: the second output."""

from __future__ import annotations

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value
from openwafer.nn.ops._elementwise import clear_padding, elements
from openwafer.nn.ops._norm import at
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering

HIDDEN = -1e30


class CrossEntropy(Operator):
    """The mean over the tokens of −log softmax(logits)[label]; outputs: loss, gradient of the logits."""

    name = "cross_entropy"

    def lower(self, op: Op, to: Lowering) -> None:
        logits, labels = op.inputs
        loss, grad = op.outputs
        v, t, axis = to.local(logits), logits.tokens, to.axis(logits)
        ignore = float(op.attributes["ignore_index"])
        sums, most, share = (
            to.scratch("loss.sums", 2, t),
            to.scratch("loss.max", t),
            to.scratch("loss.share", 1),
        )
        picked, total, work = sums, at(sums, t), to.scratch("loss.work", t)
        row, x, ids = to.position(axis), to.ref(grad), to.ref(labels)
        to.call("copy", x, to.ref(logits), v * t)
        clear_padding(to, grad, HIDDEN)
        to.call("row_max", most, x, 1, v, t)
        to.max(axis, most, t)
        to.call("label_logit", picked, x, ids, v, t, row)
        to.call("exp_sum", x, total, most, 1, v, t)
        to.sum(axis, sums, 2 * t)
        to.call("token_loss", to.ref(loss), share, work, most, total, picked, ids, t, ignore)
        if to.is_used(grad):
            to.call("loss_grad", x, work, total, ids, share, v, t, row, ignore)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        tape.add(op.inputs[0], tape.times(op.outputs[1], grad))


class MseLoss(Operator):
    """The mean of (a − b)²; outputs: loss, gradient of a."""

    name = "mse_loss"

    def lower(self, op: Op, to: Lowering) -> None:
        a, b = op.inputs
        loss, grad = op.outputs
        n, count = elements(to, a), a.features * a.tokens
        to.call("sub", to.ref(grad), to.ref(a), to.ref(b), n)
        to.call("zero", to.ref(loss), 1)
        to.call("square_sum", to.ref(loss), to.ref(grad), n)
        to.sum(to.axis(a), to.ref(loss), 1)
        to.call("scale", to.ref(loss), to.ref(loss), 1, 1 / count)
        to.call("scale", to.ref(grad), to.ref(grad), n, 2 / count)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        a, b = op.inputs
        part = tape.times(op.outputs[1], grad)
        tape.add(a, part)
        if tape.needs(b):
            tape.add(b, tape.scaled(part, -1.0))
