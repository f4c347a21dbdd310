"""Reverse differentiation of the operator graph: `differentiate` appends the backward operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from openwafer.nn._graph import Graph, Op, Origin, Shape, Value, Weight


@dataclass(slots=True)
class Tape:
    """Gradients known so far. Those of matrices are values; those of weights are in memory, where operators add."""

    graph: Graph
    known: dict[Value, Value] = field(default_factory=dict[Value, Value])
    needed: set[Value] = field(default_factory=set[Value])
    origin: Origin = field(default_factory=Origin)

    def needs(self, value: Value) -> bool:
        """Whether the gradient of a value leads to a parameter."""
        return value in self.needed

    def emit(
        self, name: str, inputs: Sequence[Value], *shapes: Shape, weights: Sequence[Weight] = (), **attributes: Any
    ) -> Value:  # fmt: skip
        """Appends a backward operator; its first output."""
        op = self.graph.emit(name, inputs, shapes, weights=weights, origin=self.origin, **attributes)
        return op.outputs[0]

    def effect(
        self, name: str, inputs: Sequence[Value], weights: Sequence[Weight], **attributes: Any
    ) -> None:
        """Appends an operator that adds to the gradients of `weights`."""
        if any(w.parameter is not None for w in weights):
            self.graph.emit(name, inputs, [], weights=weights, origin=self.origin, effect=True, **attributes)

    def add(self, value: Value, grad: Value) -> None:
        """One more part of a value's gradient."""
        if not self.needs(value):
            return
        if value in self.known:
            grad = self.emit("add", [self.known[value], grad], value.shape)
        self.known[value] = grad


def differentiate(graph: Graph, loss: Value) -> None:
    """Appends what computes the gradient of `loss` by every parameter. The loss operator makes the first one."""
    from openwafer.nn.ops import OPERATORS

    forward = list(graph.ops)
    tape = Tape(graph, needed=_needed(graph))
    for op in reversed(forward):
        grad = tape.known.get(op.outputs[0]) if op.outputs else None
        if op.outputs and op.outputs[0] is loss:
            grad = loss
        if grad is not None and tape.needs(op.outputs[0]):
            tape.origin = replace(op.origin, module=f"{op.origin.module}'")
            OPERATORS[op.name].backward(op, grad, tape)


def _needed(graph: Graph) -> set[Value]:
    """Values that depend on a parameter."""
    needed: set[Value] = set()
    for op in graph.ops:
        if any(w.parameter is not None for w in op.weights) or any(v in needed for v in op.inputs):
            needed.update(op.outputs)
    return needed


def last_uses(ops: Sequence[Op]) -> dict[Weight, int]:
    """Position of the last operator that uses each weight."""
    return {weight: i for i, op in enumerate(ops) for weight in op.weights}
