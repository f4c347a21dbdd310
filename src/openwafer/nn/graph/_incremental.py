"""From the graph of a whole text to that of some more tokens of it: what `prefill` and `decode` run.

Keys and values stay in caches, positions come from the host, rotary tables are made on the wafer, and what
follows the last attention is done for one token only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from openwafer.diag import error
from openwafer.nn.capture._rotary import frequencies
from openwafer.nn.graph._graph import Graph, Op, Shape, Value, Weight

TOKEN_BY_TOKEN = (
    "linear", "unary", "affine", "add", "sub", "mul", "bias", "scale", "rms_norm", "layer_norm", "embedding",
)  # fmt: skip
"""Operators that treat every token alike."""


@dataclass(frozen=True, slots=True)
class Incremental:
    """The graph for `tokens` more tokens; `ids` and `positions` (None if not needed) are its inputs."""

    graph: Graph
    ids: Value
    positions: Value | None
    logits: Value


def incremental(graph: Graph, ids: Value, logits: Value, tokens: int) -> Incremental:
    """Rewrites the graph of a text of `ids.tokens` tokens, the context. Diagnostics: not-incremental,
    rotary-tables."""
    return _Rewrite(graph, ids.tokens, tokens).run(ids, logits)


@dataclass(slots=True)
class _Rewrite:
    old: Graph
    context: int
    tokens: int
    new: Graph = field(default_factory=Graph)
    values: dict[Value, Value] = field(default_factory=dict[Value, Value])
    positions: Value | None = None
    caches: int = 0
    taken: dict[Value, Value] = field(default_factory=dict[Value, Value])
    tables: dict[tuple[Weight, ...], tuple[Value, Value]] = field(
        default_factory=dict[tuple[Weight, ...], tuple[Value, Value]]
    )

    def run(self, ids: Value, logits: Value) -> Incremental:
        self.values[ids] = new_ids = self.new.input(ids.name, Shape(1, self.tokens, "ids"))
        attentions = [i for i, op in enumerate(self.old.ops) if op.name == "sdpa"]
        if not attentions:
            raise error("not-incremental", "generation needs a model with causal attention")
        for i, op in enumerate(self.old.ops):
            self._op(op, is_last_only=i > attentions[-1] and self.tokens > 1)
        return Incremental(self.new, new_ids, self.positions, self.values[logits])

    def _op(self, op: Op, *, is_last_only: bool) -> None:
        match op.name:
            case "constant_ids":
                self._position_ids(op)
            case "rope":
                self._rope(op)
            case "sdpa":
                self._attention(op)
            case name if name in TOKEN_BY_TOKEN:
                inputs = [self._last(v) if is_last_only else self.values[v] for v in op.inputs]
                self._emit(op, inputs, tokens=1 if is_last_only else self.tokens)
            case name:
                raise error("not-incremental", f"generation does not know the operator `{name}`")

    def _emit(self, op: Op, inputs: list[Value], *, tokens: int, **changed: Any) -> None:
        shapes = [replace(v.shape, tokens=tokens) if v.shape.kind != "local" else v.shape for v in op.outputs]
        attributes: dict[str, Any] = {**op.attributes, **changed}
        made = self.new.emit(
            op.name,
            inputs,
            shapes,
            weights=op.weights,
            label=op.outputs[0].name,
            origin=op.origin,
            **attributes,
        )
        self.values.update(zip(op.outputs, made.outputs, strict=True))

    def _last(self, value: Value) -> Value:
        """The token that the host names."""
        new = self.values[value]
        if new.tokens == 1:
            return new
        if value not in self.taken:
            made = self.new.emit("last_token", [new], [Shape(new.features, 1)])
            self.taken[value] = made.output
        return self.taken[value]

    def _position_ids(self, op: Op) -> None:
        if not np.array_equal(op.attributes["data"], np.arange(self.context)):
            raise error("not-incremental", "constant ids that are not the positions 0, 1, 2, …")
        if self.positions is None:
            self.positions = self.new.input("positions", Shape(1, self.tokens, "ids"))
        self.values[op.output] = self.positions

    def _rope(self, op: Op) -> None:
        if op.weights not in self.tables:
            cos, sin = (w.constant for w in op.weights)
            assert cos is not None and sin is not None
            frequency = Weight("rotary.frequency", (cos.shape[0],), constant=frequencies(cos, sin))
            shapes = [Shape(cos.shape[0], self.tokens, "rows")] * 2
            made = self.new.emit(
                "rope_tables", [], shapes, weights=[frequency], label="rotary", origin=op.origin
            )
            self.tables[op.weights] = (made.outputs[0], made.outputs[1])
        x = self.values[op.inputs[0]]
        made = self.new.emit(
            "rope_at", [x, *self.tables[op.weights]], [x.shape], origin=op.origin,
            head=op.attributes["head"], seq=self.tokens,
        )  # fmt: skip
        self.values[op.output] = made.output

    def _attention(self, op: Op) -> None:
        mask = op.attributes["mask"]
        if mask is None or mask.visible or op.attributes["seq"] != self.context:
            raise error("not-incremental", "generation needs causal attention over the whole text")
        inputs = [self.values[v] for v in op.inputs]
        cache = f"cache_{self.caches}"
        self.caches += 1
        self._emit(op, inputs, tokens=self.tokens, seq=self.tokens, context=self.context, cache=cache)
