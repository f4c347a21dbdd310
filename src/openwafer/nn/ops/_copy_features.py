"""Features put together from parts of other matrices: concatenation, and parts that have to move."""

from __future__ import annotations

from dataclasses import dataclass

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value
from openwafer.nn.graph._place import Placing
from openwafer.nn.ops._elementwise import elements
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering


@dataclass(frozen=True, slots=True)
class Piece:
    """`count` features from `first` on become those from `place` on."""

    first: int
    count: int
    place: int

    @property
    def back(self) -> Piece:
        """The transpose."""
        return Piece(self.place, self.count, self.first)


class CopyFeatures(Operator):
    """The attribute `pieces` has one piece an input; features that no piece fills are zeros.

    From one axis to the other: each PE puts in what it has, and the sum along the inputs' axis is all."""

    name = "copy_features"

    def place(self, op: Op, placing: Placing) -> None:
        first, *others = op.inputs
        for value in others:
            placing.parallel(value, first)
        placing.flip(placing.now(first), op.output)

    def lower(self, op: Op, to: Lowering) -> None:
        y, axis = op.output, to.axis(op.inputs[0])
        to.call("zero", to.ref(y), elements(to, y))
        for x, piece in zip(op.inputs, op.attributes["pieces"], strict=True):
            sizes = (to.local(y), to.local(x), x.tokens)
            where = (to.position(to.axis(y)), to.position(axis))
            to.call(
                "copy_rows", to.ref(y), to.ref(x), *sizes, *where, piece.first, piece.count, piece.place
            )  # fmt: skip
        to.sum(axis, to.ref(y), elements(to, y))

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        for value, piece in zip(op.inputs, op.attributes["pieces"], strict=True):
            if tape.needs(value):
                tape.add(value, tape.emit("copy_features", [grad], value.shape, pieces=(piece.back,)))
