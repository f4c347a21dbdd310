"""Attention with heads over one axis and keys over the other, and rotary position embedding."""

from __future__ import annotations

from openwafer.nn.graph._differentiate import Tape
from openwafer.nn.graph._graph import Op, Value
from openwafer.nn.graph._mesh import Split
from openwafer.nn.graph._place import Placing
from openwafer.nn.ops._attention_sizes import Sizes, past, position, sizes_of, visibility
from openwafer.nn.ops._dropout import drop
from openwafer.nn.ops._operator import Operator
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Buffer, Ref, Runtime


def _zeros(to: Lowering, s: Sizes) -> Ref:
    """A mask that hides nothing."""
    made = to.scratch("attention.zeros", s.keys, s.seq)
    to.call("zero", made, s.keys * s.seq)
    return made


def _dropped(op: Op, to: Lowering, s: Sizes, y: Ref, x: Ref) -> None:
    """y = x with dropout, for weights of attention and their gradients; y may be x."""
    where = (to.position(to.axis(op.inputs[0])), s.seq, s.columns, to.position(s.axis))
    drop(to, y, x, (s.heads, s.keys, s.tokens), where, op.attributes["layer"], op.attributes["share"])


class _PlaceHeads(Operator):
    def place(self, op: Op, placing: Placing) -> None:
        """Whole groups of heads on a PE; queries, keys and values on one axis."""
        a = op.attributes
        q, k, v, *rest = [*op.inputs, *(o for o in op.outputs if o.shape.kind == "matrix")]
        share = a["heads"] // a["kv_heads"]
        placing.parallel(k, q)
        placing.same(v, k)
        for value in rest:
            if value.shape.kind == "matrix":
                placing.same(value, q if value.features == q.features else k)
        placing.unit(q, share * a["dim"])
        placing.unit(k, a["dim"])


class Attention(_PlaceHeads):
    """softmax(q kᵀ scale + mask) v, with the attribute `cap` softmax(cap tanh(q kᵀ scale) + mask) v; the
    second output is the softmax, for the gradient.

    With the attribute `context` keys and values stay in a cache of that many positions, and the tokens of
    this call follow `past` earlier ones."""

    name = "sdpa"

    def place(self, op: Op, placing: Placing) -> None:
        super().place(op, placing)

    def lower(self, op: Op, to: Lowering) -> None:
        q, k, v = op.inputs
        o, p = op.outputs
        s = sizes_of(op, to)
        keys, values = (_cached(op, to, s, x, role) for x, role in ((k, "keys"), (v, "values")))
        work = to.scratch("attention.work", *s.scores)
        name = to.memory.free(p.name)
        scores = to.set(p, Buffer(name, s.scores, "temporary"))
        most, total = (
            to.scratch("attention.max", s.heads, s.tokens),
            to.scratch("attention.sum", s.heads, s.tokens),
        )
        half, row = _widening(keys, to, s)
        scale, cap, mask = op.attributes["scale"], op.attributes["cap"], visibility(op, to, s)
        added = _zeros(to, s) if cap else mask
        to.call(f"scores{half}", scores, to.ref(q), keys, added, work, *row, *s.shape, scale)
        if cap:
            to.call("tanh", scores, scores, scores.buffer.size)
            to.call("capped", scores, mask, s.heads, s.keys, s.batch, s.seq, cap)
        to.call("row_max", most, scores, *s.scores)
        to.max(s.axis, most, s.heads * s.tokens)
        to.call("exp_sum", scores, total, most, *s.scores)
        to.sum(s.axis, total, s.heads * s.tokens)
        to.call("reciprocal", total, total, s.heads * s.tokens)
        left = scores
        if op.attributes["share"]:
            left = to.scratch("attention.left", *s.scores)
            _dropped(op, to, s, left, scores)
        to.call(f"values{half}", to.ref(o), left, values, work, *row, *s.shape)
        to.sum(s.axis, to.ref(o), to.local(o) * s.tokens)
        to.call("scale_rows", to.ref(o), total, s.heads, s.hd, s.tokens)
        if to.is_used(p):
            to.call("scale_rows", scores, total, *s.scores)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        q, k, v = op.inputs
        made = tape.graph.emit(
            "sdpa_grad", [q, k, v, *op.outputs, grad], [q.shape, k.shape, v.shape], origin=tape.origin,
            **op.attributes,
        )  # fmt: skip
        for value, part in zip(op.inputs, made.outputs, strict=True):
            tape.add(value, part)


def _widening(cache: Ref, to: Lowering, s: Sizes) -> tuple[str, tuple[Ref, ...]]:
    """The ending of the kernels that read keys or values of the cache's type, and the room that they
    need."""
    if cache.buffer.dtype == "f32":
        return "", ()
    return "_half", (to.scratch("attention.row", s.batch, s.keys),)


def _cached(op: Op, to: Lowering, s: Sizes, x: Value, role: str) -> Ref:
    """The keys (or values) of this PE's positions, the tokens of this call among them."""
    shape = (to.local(x), s.batch, s.keys)
    if "context" in op.attributes:
        cache = Ref(to.memory.kept(f"{op.attributes['cache']}.{role}", shape, "cache", dtype=to.storage))
    else:
        cache = to.scratch(f"attention.{role}", *shape)
        if s.seq % s.columns:
            to.call("zero", cache, cache.buffer.size)
    where = position(s, to, past(op))
    kernel = "cache_append_half" if cache.buffer.dtype == "f16" else "cache_append"
    to.call(kernel, cache, to.ref(x), to.local(x), s.batch, s.keys, s.seq, *where)
    return cache


class AttentionGrad(_PlaceHeads):
    """Gradients of q, k and v from the probabilities kept."""

    name = "sdpa_grad"

    def place(self, op: Op, placing: Placing) -> None:
        super().place(op, placing)

    def lower(self, op: Op, to: Lowering) -> None:
        q, k, v, o, p, do = op.inputs
        dq, dk, dv = op.outputs
        s = sizes_of(op, to)
        keys, values = (_cached(op, to, s, x, role) for x, role in ((k, "keys"), (v, "values")))
        work = to.scratch("attention.work", *s.scores)
        delta, ds = to.scratch("attention.delta", s.heads, s.tokens), to.scratch("attention.ds", *s.scores)
        dot = to.scratch("attention.dot", to.local(q), s.tokens)
        to.call("head_dot", delta, to.ref(do), to.ref(o), dot, s.heads, s.hd, s.tokens)
        to.call("dots", ds, to.ref(do), values, work, *s.shape)
        left = to.ref(p)
        if op.attributes["share"]:
            left = to.scratch("attention.left", *s.scores)
            _dropped(op, to, s, left, to.ref(p))
            _dropped(op, to, s, ds, ds)
        scale, cap = op.attributes["scale"], op.attributes["cap"]
        to.call("score_grad", ds, to.ref(p), delta, *s.scores, scale * (cap or 1))
        if cap:
            inner = to.scratch("attention.inner", *s.scores)
            to.call("scores", inner, to.ref(q), keys, _zeros(to, s), work, *s.shape, scale)
            to.call("tanh", inner, inner, inner.buffer.size)
            to.call("tanh_grad", ds, ds, inner, ds.buffer.size)
        for out, scores, with_ in ((dk, ds, q), (dv, left, do)):
            _key_grad(to, s, out, scores, with_, work)
        to.call("values", to.ref(dq), ds, keys, work, *s.shape)
        to.sum(s.axis, to.ref(dq), to.local(dq) * s.tokens)


def _key_grad(to: Lowering, s: Sizes, out: Value, scores: Ref, queries: Value, work: Ref) -> None:
    part = to.scratch("attention.part", to.local(out), s.batch, s.keys)
    to.call("key_grad", part, scores, to.ref(queries), work, *s.shape)
    where = position(s, to, 0)
    to.call("spread_keys", to.ref(out), part, to.local(out), s.batch, s.keys, s.seq, *where)
    to.sum(s.axis, to.ref(out), to.local(out) * s.tokens)


class Rope(Operator):
    """Rotary position embedding of whole heads; weights are the tables of cosines and sines [head / 2,
    seq]."""

    name = "rope"
    kernel = "rope"

    def place(self, op: Op, placing: Placing) -> None:
        super().place(op, placing)
        placing.unit(op.inputs[0], op.attributes["head"])

    def lower(self, op: Op, to: Lowering) -> None:
        (x,), y = op.inputs, op.output
        head, seq = op.attributes["head"], op.attributes["seq"]
        tables = [to.table(w, tuple(Split(n) for n in w.shape)) for w in op.weights]
        heads, batch = to.local(x) // head, x.tokens // seq
        work = to.scratch("rope.work", heads, head // 2, x.tokens)
        to.call(self.kernel, to.ref(y), to.ref(x), *tables, work, heads, head, head // 2, batch, seq)

    def backward(self, op: Op, grad: Value, tape: Tape) -> None:
        (x,) = op.inputs
        if tape.needs(x):
            tape.add(x, tape.emit("rope_grad", [grad], x.shape, weights=op.weights, **op.attributes))


class RopeTables(Operator):
    """Cosines and sines of this call's positions, made on every PE from the weight [half a head]."""

    name = "rope_tables"

    def lower(self, op: Op, to: Lowering) -> None:
        cos, sin = op.outputs
        frequency = to.weight(op.weights[0])
        to.call("rope_tables", to.ref(cos), to.ref(sin), frequency, cos.features, cos.tokens, Runtime("past"))


class RopeAt(Operator):
    """Rotary position embedding with tables that are values."""

    name = "rope_at"

    def place(self, op: Op, placing: Placing) -> None:
        super().place(op, placing)
        placing.unit(op.inputs[0], op.attributes["head"])

    def lower(self, op: Op, to: Lowering) -> None:
        (x, cos, sin), y = op.inputs, op.output
        head, seq = op.attributes["head"], op.attributes["seq"]
        heads, batch = to.local(x) // head, x.tokens // seq
        work = to.scratch("rope.work", heads, head // 2, x.tokens)
        sizes = (heads, head, head // 2, batch, seq)
        to.call("rope", to.ref(y), to.ref(x), to.ref(cos), to.ref(sin), work, *sizes)


class RopeGrad(Rope):
    name = "rope_grad"
    kernel = "rope_grad"
