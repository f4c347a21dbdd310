"""The cross-entropy of each token, for means and sums that are weighted, and labels that are smoothed."""

from __future__ import annotations

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value
from openwafer.nn.graph._place import Placing
from openwafer.nn.ops._elementwise import clear_padding, elements
from openwafer.nn.ops._loss import HIDDEN
from openwafer.nn.ops._norm import at
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Ref


class TokenCrossEntropy(Operator):
    """−Σ q log softmax(logits) of each token, q being 1 − `smoothing` at the label and smoothing / V more
    everywhere; 0 where the label is `ignore_index`. Outputs: losses [1, tokens], their gradient by the
    logits.

    Sums over the features: the logit of the label, the exponentials and, for smoothing, the logits."""

    name = "token_cross_entropy"

    def place(self, op: Op, placing: Placing) -> None:
        logits = op.inputs[0]
        placing.same(op.outputs[1], logits)
        placing.parallel(op.outputs[0], logits)

    def lower(self, op: Op, to: Lowering) -> None:
        logits, labels = op.inputs
        loss, grad = op.outputs
        v, t, axis = to.local(logits), logits.tokens, to.axis(logits)
        smoothing, share = op.attributes["smoothing"], op.attributes["smoothing"] / logits.features
        sums, most, counted = (to.scratch(f"loss.{n}", k, t) for n, k in (("sums", 3), ("max", 1), ("on", 1)))
        picked, total, all_logits = sums, at(sums, t), at(sums, 2 * t)
        row, x, ids = to.position(axis), to.ref(grad), to.ref(labels)
        to.call("counted", counted, ids, t, float(op.attributes["ignore_index"]))
        to.call("copy", x, to.ref(logits), v * t)
        if smoothing:
            to.call("sum_rows", all_logits, x, v, t)
        clear_padding(to, grad, HIDDEN)
        to.call("row_max", most, x, 1, v, t)
        to.max(axis, most, t)
        to.call("label_logit", picked, x, ids, v, t, row)
        to.call("exp_sum", x, total, most, 1, v, t)
        to.sum(axis, sums, (3 if smoothing else 2) * t)
        y = to.ref(loss)
        to.call("log", y, total, t)
        to.call("add", y, y, most, t)
        to.call("add_scaled", y, y, picked, t, smoothing - 1)
        if smoothing:
            to.call("add_scaled", y, y, all_logits, t, -share)
        to.call("mul", y, y, counted, t)
        clear_padding(to, loss)
        if to.is_used(grad):
            self._gradient(to, grad, total, counted, ids, smoothing, share)

    def _gradient(
        self, to: Lowering, grad: Value, total: Ref, counted: Ref, ids: Ref, smoothing: float, share: float
    ) -> None:
        """(softmax − q) of the tokens that count, out of the exponentials."""
        v, t, x = to.local(grad), grad.tokens, to.ref(grad)
        to.call("reciprocal", total, total, t)
        to.call("scale_rows", x, total, 1, v, t)
        to.call("add_at_labels", x, ids, v, t, to.position(to.axis(grad)), smoothing - 1)
        if smoothing:
            to.call("shift", x, x, v * t, -share)
            clear_padding(to, grad)
        to.call("scale_rows", x, counted, 1, v, t)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        logits = op.inputs[0]
        tape.add(logits, tape.emit("scale_tokens", [op.outputs[1], grad], logits.shape))


class ScaleTokens(Operator):
    """x times a number a token: the second input, [1, tokens], on the first PE of the same axis."""

    name = "scale_tokens"

    def place(self, op: Op, placing: Placing) -> None:
        x, factor = op.inputs
        placing.parallel(factor, x)
        placing.same(op.output, x)

    def lower(self, op: Op, to: Lowering) -> None:
        (x, factor), y = op.inputs, op.output
        t, row = x.tokens, to.scratch("scale_tokens.row", x.tokens)
        to.call("copy", row, to.ref(factor), t)
        to.sum(to.axis(x), row, t)
        to.call("copy", to.ref(y), to.ref(x), elements(to, x))
        to.call("scale_rows", to.ref(y), row, 1, to.local(x), t)


class Counted(Operator):
    """1 for labels that count, 0 for `ignore_index`: [1, tokens]. It lies as those that read it."""

    name = "counted"

    def lower(self, op: Op, to: Lowering) -> None:
        (labels,), y = op.inputs, op.output
        to.call("counted", to.ref(y), to.ref(labels), y.tokens, float(op.attributes["ignore_index"]))
        clear_padding(to, y)
