"""From a matrix to one number that all PEs know, and back: what losses end in."""

from __future__ import annotations

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import SCALAR, Op, Value
from openwafer.nn.ops._elementwise import clear_padding, elements
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering


def fill(to: Lowering, y: Value, number: float) -> None:
    """All elements of `y` become `number`; padded features are zeros."""
    to.call("fill_rows", to.ref(y), to.local(y), y.tokens, 0, number)
    clear_padding(to, y)


class Number(Operator):
    """The attribute `number`, as a scalar."""

    name = "number"

    def lower(self, op: Op, to: Lowering) -> None:
        fill(to, op.output, op.attributes["number"])


class Fill(Operator):
    """A matrix of which all elements are the attribute `number`. It lies as those that read it."""

    name = "fill"

    def lower(self, op: Op, to: Lowering) -> None:
        fill(to, op.output, op.attributes["number"])


class SumAll(Operator):
    """factor · the sum of all elements."""

    name = "sum_all"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        factor = op.attributes["factor"]
        to.call("zero", to.ref(y), 1)
        to.call("bias_grad", to.ref(y), to.ref(x), 1, elements(to, x))
        to.sum(to.axis(x), to.ref(y), 1)
        if factor != 1:
            to.call("scale", to.ref(y), to.ref(y), 1, factor)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        grad = tape.scaled(grad, op.attributes["factor"])
        if grad in tape.numbers:
            tape.add(x, tape.emit("fill", [], x.shape, number=tape.numbers[grad]))
        else:
            tape.add(x, tape.emit("spread_number", [grad], x.shape))


class SpreadNumber(Operator):
    """A matrix of which all elements are a scalar. It lies as those that read it."""

    name = "spread_number"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        fill(to, y, 1.0)
        to.call("scale_by", to.ref(y), to.ref(x), elements(to, y))

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit("sum_all", [grad], SCALAR, factor=1.0))
