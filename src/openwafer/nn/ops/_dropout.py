"""Dropout in training: each mask is computed from numbers, and again in the backward pass."""

from __future__ import annotations

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Argument, Ref, Runtime
from openwafer.nn.run._dropout_seed import HIGH, LIMITS, LOW


def drop(
    to: Lowering, y: Ref, x: Ref, sizes: tuple[int, int, int], where: tuple[Argument, ...], layer: int,
    share: float,
) -> None:  # fmt: skip
    """y = x / (1 − share) with about `share` of the elements 0. `sizes` are heads, keys and tokens here,
    `where` says which rows of the whole matrix these are; y may be x."""
    limit = max(1, round(share * LIMITS))
    factor = LIMITS / (LIMITS - limit) if limit < LIMITS else 0.0
    words = (Runtime(LOW), Runtime(HIGH))
    to.call("dropout", y, x, *sizes, *where, layer, *words, limit, factor)


class Dropout(Operator):
    """Attributes: `share` of the elements that become 0, the number of the `layer`. A mask depends on an
    element's feature and token, not on where it lies."""

    name = "dropout"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        layer, share = op.attributes["layer"], op.attributes["share"]
        where = (to.position(to.axis(x)), 1, 1, 0)
        drop(to, to.ref(y), to.ref(x), (to.local(x), 1, x.tokens), where, layer, share)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit("dropout", [grad], x.shape, **op.attributes))
