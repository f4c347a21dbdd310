"""RMSNorm and LayerNorm over all features (one all-reduce), or over each head's (none)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value, Weight
from openwafer.nn.graph._place import Placing
from openwafer.nn.ops._elementwise import clear_padding
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Buffer, Ref


@dataclass(frozen=True, slots=True)
class _Group:
    """Features that are normalised together: `f` on this PE, from element `start` of a matrix on, with the
    `rows` of its statistics from element `row` on."""

    f: int
    start: int
    row: int


def _groups(op: Op, to: Lowering) -> Iterator[_Group]:
    x, size = op.inputs[0], op.attributes["group"]
    rows = len(op.weights) * x.tokens
    if _is_whole(op):
        yield _Group(to.local(x), 0, 0)
        return
    for i in range(to.local(x) // size):
        yield _Group(size, i * size * x.tokens, i * rows)


def _is_whole(op: Op) -> bool:
    return op.attributes["group"] == op.inputs[0].features


def at(ref: Ref, offset: int) -> Ref:
    """`offset` elements further on."""
    return replace(ref, offset=ref.offset + offset)


class _Norm(Operator):
    def place(self, op: Op, placing: Placing) -> None:
        super().place(op, placing)
        if not _is_whole(op):
            placing.unit(op.inputs[0], op.attributes["group"])

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        x, stats = op.inputs[0], op.outputs[1]
        dx = tape.emit(
            f"{self.name}_grad", [x, grad, stats], x.shape, weights=op.weights, effect=True,
            group=op.attributes["group"],
        )  # fmt: skip
        tape.add(x, dx)

    def statistics(self, op: Op, to: Lowering) -> Ref:
        """Where the sums go, and the statistics after them: some rows a group."""
        count = sum(1 for _ in _groups(op, to)) * len(op.weights)
        name = to.memory.free(op.outputs[1].name)
        return to.set(op.outputs[1], Buffer(name, (count, op.inputs[0].tokens), "temporary"))


def _vector(op: Op, to: Lowering, weight: Weight) -> Ref:
    return to.weight(weight, op.inputs[0] if _is_whole(op) else None)


def _combine(op: Op, to: Lowering, ref: Ref, n: int) -> None:
    if _is_whole(op):
        to.sum(to.axis(op.inputs[0]), ref, n)


class RmsNorm(_Norm):
    """x / √(mean x² + eps) · w."""

    name = "rms_norm"

    def lower(self, op: Op, to: Lowering) -> None:
        x, y, t = op.inputs[0], op.outputs[0], op.inputs[0].tokens
        r = self.statistics(op, to)
        work = to.scratch("norm.work", to.local(x), t)
        weight = _vector(op, to, op.weights[0])
        group, eps = op.attributes["group"], op.attributes["eps"]
        for g in _groups(op, to):
            source, row = at(to.ref(x), g.start), at(r, g.row)
            to.call("rms_sum", row, source, work, g.f, t)
            _combine(op, to, row, t)
            to.call("rms_scale", row, row, t, float(group), eps)
            to.call("rms_apply", at(to.ref(y), g.start), source, weight, row, g.f, t)


class LayerNorm(_Norm):
    """(x − mean) / √(variance + eps) · w + b."""

    name = "layer_norm"

    def lower(self, op: Op, to: Lowering) -> None:
        x, y, t = op.inputs[0], op.outputs[0], op.inputs[0].tokens
        stats = self.statistics(op, to)
        work = to.scratch("norm.work", to.local(x), t)
        root = to.scratch("norm.root", t)
        weight, bias = (_vector(op, to, w) for w in op.weights)
        group, eps = op.attributes["group"], op.attributes["eps"]
        for g in _groups(op, to):
            source, row = at(to.ref(x), g.start), at(stats, g.row)
            to.call("layer_sum", row, source, work, g.f, t)
            _combine(op, to, row, 2 * t)
            to.call("layer_scale", row, row, root, t, float(group), eps)
            to.call("layer_apply", at(to.ref(y), g.start), source, weight, bias, row, g.f, t)


class _NormGrad(Operator):
    def place(self, op: Op, placing: Placing) -> None:
        super().place(op, placing)
        if not _is_whole(op):
            placing.unit(op.inputs[0], op.attributes["group"])

    def into(self, op: Op, to: Lowering) -> list[Ref]:
        """Where the gradients of the weights are summed: for heads, apart, because other PEs have more
        heads."""
        if _is_whole(op):
            return [to.gradient(w, op.inputs[0]) for w in op.weights]
        parts = [to.scratch("norm.part", op.attributes["group"]) for _ in op.weights]
        for part in parts:
            to.call("zero", part, part.buffer.size)
        return parts

    def finish(self, op: Op, to: Lowering, parts: list[Ref]) -> None:
        if _is_whole(op):
            return
        for weight, part in zip(op.weights, parts, strict=True):
            to.sum(to.axis(op.inputs[0]), part, part.buffer.size)
            whole = to.gradient(weight)
            to.call("add", whole, whole, part, part.buffer.size)


class RmsNormGrad(_NormGrad):
    name = "rms_norm_grad"

    def lower(self, op: Op, to: Lowering) -> None:
        x, dy, r = op.inputs
        dx, t, group = op.output, x.tokens, float(op.attributes["group"])
        s, work = to.scratch("norm.sum", t), to.scratch("norm.work", to.local(x), t)
        weight, parts = _vector(op, to, op.weights[0]), self.into(op, to)
        for g in _groups(op, to):
            xs, dys, row = at(to.ref(x), g.start), at(to.ref(dy), g.start), at(to.ref(r), g.row)
            to.call("rms_grad_sum", s, dys, xs, weight, work, g.f, t)
            _combine(op, to, s, t)
            out = at(to.ref(dx), g.start)
            to.call("rms_grad", out, *parts, s, dys, xs, weight, row, work, g.f, t, group)
        self.finish(op, to, parts)


class LayerNormGrad(_NormGrad):
    name = "layer_norm_grad"

    def lower(self, op: Op, to: Lowering) -> None:
        x, dy, stats = op.inputs
        dx, t, group = op.output, x.tokens, float(op.attributes["group"])
        s, work = to.scratch("norm.sum", 2, t), to.scratch("norm.work", to.local(x), t)
        weight, parts = _vector(op, to, op.weights[0]), self.into(op, to)
        for g in _groups(op, to):
            xs, dys, row = at(to.ref(x), g.start), at(to.ref(dy), g.start), at(to.ref(stats), g.row)
            to.call("layer_grad_sum", s, dys, xs, weight, row, work, g.f, t)
            _combine(op, to, s, 2 * t)
            out = at(to.ref(dx), g.start)
            to.call("layer_grad", out, *parts, s, dys, xs, weight, row, work, g.f, t, group)
        clear_padding(to, dx)
        self.finish(op, to, parts)
