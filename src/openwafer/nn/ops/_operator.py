"""What an operator of the graph is: where its values lie, its instructions, its gradient."""

from __future__ import annotations

from typing import ClassVar

from openwafer.diag import error
from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value, Weight
from openwafer.nn.graph._place import Placing
from openwafer.nn.program._lower import Lowering


class Operator:
    """One row of the table `OPERATORS`; the name is that of `Op.name`."""

    name: ClassVar[str]

    def place(self, op: Op, placing: Placing) -> None:
        """States the constraints. Here: all matrices lie alike, and as the vectors that go with them."""
        matrices = [v for v in [*op.inputs, *op.outputs] if v.shape.kind == "matrix"]
        if not matrices:
            return
        first, *others = matrices
        for weight in op.weights:
            if is_vector(weight, first):
                placing.same(first, (weight, 0))
        for value in others:
            placing.same(value, first)

    def lower(self, op: Op, to: Lowering) -> None:
        """Writes the instructions."""
        raise NotImplementedError

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        """Adds to `tape` the gradients of inputs and weights; `grad` is that of the first output."""
        raise error("no-gradient", f"the operator `{self.name}` has no gradient")


def is_vector(weight: Weight, like: Value) -> bool:
    """Whether a parameter has one number for each feature of a value. Constants lie wherever they are
    used."""
    return weight.parameter is not None and weight.shape == (like.features,)
