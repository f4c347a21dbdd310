"""Local sizes of attention, where its keys lie, and which of them each token sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openwafer.diag import error
from openwafer.nn.capture._abstract import Mask
from openwafer.nn.graph._graph import Op, Weight
from openwafer.nn.graph._mesh import Axis, Split, other
from openwafer.nn.program._lower import Lowering
from openwafer.nn.program._program import Argument, Ref, Runtime, Share

HIDDEN = -1e30


@dataclass(frozen=True, slots=True)
class Sizes:
    """Local sizes of one attention: `keys` slots a sequence on each of the `columns` PEs of `axis`."""

    heads: int
    groups: int
    hd: int
    keys: int
    batch: int
    seq: int
    axis: Axis
    columns: int

    @property
    def shape(self) -> tuple[int, ...]:
        """In the order of the kernels' parameters."""
        return (self.heads, self.groups, self.hd, self.keys, self.batch, self.seq)

    @property
    def tokens(self) -> int:
        return self.batch * self.seq

    @property
    def scores(self) -> tuple[int, ...]:
        return (self.heads, self.keys, self.tokens)


def sizes_of(op: Op, to: Lowering) -> Sizes:
    q, k = op.inputs[:2]
    a = op.attributes
    axis = other(to.axis(q))
    heads, groups = to.local(q) // a["dim"], to.local(k) // a["dim"]
    if heads * a["kv_heads"] != groups * a["heads"]:
        raise error("heads-apart", f"`{q.name}` and `{k.name}` cannot be split by groups of heads")
    columns = to.length(axis)
    positions = a.get("context", a["seq"])
    return Sizes(heads, groups, a["dim"], -(-positions // columns), a["batch"], a["seq"], axis, columns)


def past(op: Op) -> Argument:
    return Runtime("past") if "context" in op.attributes else 0


def position(s: Sizes, to: Lowering, past: Argument) -> tuple[Argument, ...]:
    return (s.columns, to.position(s.axis), past)


def visibility(op: Op, to: Lowering, s: Sizes) -> Ref:
    """What is added to the scores: 0 or `HIDDEN`. One serves all layers of a call with the same mask."""
    mask: Mask | None = op.attributes["mask"]
    key = ("mask", mask, s.keys, s.seq, s.axis)
    if key not in to.shared:
        to.shared[key] = _table(mask.visible, to, s) if mask and mask.visible else _made(op, to, s, mask)
    return to.shared[key]


def _made(op: Op, to: Lowering, s: Sizes, mask: Mask | None) -> Ref:
    made = to.scratch("mask", s.keys, s.seq)
    if mask is None:
        to.call("zero", made, s.keys * s.seq)
        if s.seq % s.columns:
            to.call("fill_rows", made, s.keys, s.seq, Share(s.axis, s.seq, s.columns), HIDDEN)
    elif mask.window:
        to.call("window_mask", made, s.keys, s.seq, *position(s, to, past(op)), mask.window)
    else:
        to.call("causal_mask", made, s.keys, s.seq, *position(s, to, past(op)))
    return made


def _table(visible: bytes, to: Lowering, s: Sizes) -> Ref:
    """A mask that is a constant: each column has the rows of its keys."""
    seen = np.frombuffer(visible, bool).reshape(s.seq, s.seq).T
    rows = np.full((s.keys * s.columns, s.seq), HIDDEN, np.float32)
    rows[: s.seq] = np.where(seen, 0, HIDDEN)
    dealt = rows.reshape(s.keys, s.columns, s.seq).swapaxes(0, 1).reshape(-1, s.seq)
    weight = Weight("mask", dealt.shape, constant=dealt)
    return to.table(weight, (Split(len(dealt), s.axis, s.keys), Split(s.seq)))
