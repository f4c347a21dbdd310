"""Token look-up, choosing tokens, and moving a matrix from one axis to the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value, Weight
from openwafer.nn.graph._mesh import Split, other
from openwafer.nn.graph._place import Placing
from openwafer.nn.ops._elementwise import elements
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Runtime


class ConstantIds(Operator):
    """Ids that are known, such as positions."""

    name = "constant_ids"

    def lower(self, op: Op, to: Lowering) -> None:
        ids: NDArray[np.int32] = op.attributes["data"]
        name = to.memory.free(op.output.name)
        weight = Weight(name, ids.shape, constant=ids)  # type: ignore[arg-type]
        layout = (Split(ids.size),)
        buffer = to.memory.kept(name, ids.shape, "constant", dtype="i32", layout=layout, weight=weight)
        to.set(op.output, buffer)


class Embedding(Operator):
    """Rows of a table [vocabulary, features]: the tile of a tied output layer. The row of the attribute
    `padding`, if there is one, gets no gradient."""

    name = "embedding"

    def place(self, op: Op, placing: Placing) -> None:
        table = op.weights[0]
        placing.same(op.output, (table, 1))
        placing.flip((table, 1), (table, 0))

    def lower(self, op: Op, to: Lowering) -> None:
        (ids,), y, table = op.inputs, op.output, op.weights[0]
        _, vocabulary = to.weight_layout(table)
        axis = other(to.axis(y))
        f, t = to.local(y), y.tokens
        row = to.position(axis)
        kernel = "embed_half" if to.storage == "f16" else "embed"
        to.call(kernel, to.ref(y), to.ref(ids), to.stored(table), f, vocabulary.local, t, row)
        to.sum(axis, to.ref(y), f * t)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        padding = op.attributes.get("padding", -1)
        tape.effect("embedding_grad", [op.inputs[0], grad], op.weights, padding=padding)


class EmbeddingGrad(Operator):
    """Adds each token's gradient to its row."""

    name = "embedding_grad"

    def place(self, op: Op, placing: Placing) -> None:
        placing.same(op.inputs[1], (op.weights[0], 1))

    def lower(self, op: Op, to: Lowering) -> None:
        (ids, dy), table = op.inputs, op.weights[0]
        _, vocabulary = to.weight_layout(table)
        row = to.position(other(to.axis(dy)))
        gradient = to.gradient(table)
        sizes = (to.local(dy), vocabulary.local, dy.tokens)
        padding = float(op.attributes.get("padding", -1))
        to.call("embed_grad", gradient, to.ref(dy), to.ref(ids), *sizes, row, padding)


def _runs(index: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """(place among the chosen, first token, count) of each run of neighbouring tokens."""
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    for part in np.split(np.arange(index.size), breaks):
        yield int(part[0]), int(index[part[0]]), part.size


class TakeTokens(Operator):
    """Some tokens of a matrix, by the attribute `index`."""

    name = "take_tokens"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        for place, first, count in _runs(op.attributes["index"]):
            sizes = (to.local(x), y.tokens, x.tokens)
            to.call("copy_tokens", to.ref(y), to.ref(x), *sizes, place, first, count)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit("put_tokens", [grad], x.shape, **op.attributes))


class LastToken(Operator):
    """The token whose number in this call the host gives."""

    name = "last_token"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        to.call("copy_tokens", to.ref(y), to.ref(x), to.local(x), 1, x.tokens, 0, Runtime("last"), 1)


class PutTokens(Operator):
    """The transpose of `take_tokens`: zeros for the tokens not chosen."""

    name = "put_tokens"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        to.call("zero", to.ref(y), elements(to, y))
        for place, first, count in _runs(op.attributes["index"]):
            sizes = (to.local(x), y.tokens, x.tokens)
            to.call("copy_tokens", to.ref(y), to.ref(x), *sizes, first, place, count)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit("take_tokens", [grad], x.shape, **op.attributes))


class JoinTokens(Operator):
    """The tokens of several matrices, one behind the other."""

    name = "join_tokens"

    def lower(self, op: Op, to: Lowering) -> None:
        y, place = op.output, 0
        for x in op.inputs:
            sizes = (to.local(x), y.tokens, x.tokens)
            to.call("copy_tokens", to.ref(y), to.ref(x), *sizes, place, 0, x.tokens)
            place += x.tokens

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        place = 0
        for x in op.inputs:
            if tape.needs(x):
                index = np.arange(place, place + x.tokens)
                tape.add(x, tape.emit("take_tokens", [grad], x.shape, index=index))
            place += x.tokens


class TurnTokens(Operator):
    """Tokens [outer][inner] in the order [inner][outer]: in memory, what `unfold` makes of one window."""

    name = "turn_tokens"

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        outer, inner = op.attributes["outer"], op.attributes["inner"]
        window = (outer, 1, inner, 1, inner, 0, 0, 1, inner, 1, 1, 1, 1, 1, 1)
        to.call("unfold", to.ref(y), to.ref(x), to.ref(x), to.local(x), *window)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            outer, inner = op.attributes["outer"], op.attributes["inner"]
            tape.add(x, tape.emit("turn_tokens", [grad], x.shape, outer=inner, inner=outer))


class Move(Operator):
    """The same matrix split over the other axis: each PE puts in what it has, and the sum along the old axis
    is all."""

    name = "move"

    def place(self, op: Op, placing: Placing) -> None:
        """The pass that inserts moves places them."""

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        f, g, t = to.local(x), to.local(y), x.tokens
        where = (to.position(to.axis(y)), to.position(to.axis(x)))
        to.call("repack", to.ref(y), to.ref(x), g, f, t, *where)
        to.sum(to.axis(x), to.ref(y), g * t)
