"""Reverse differentiation of the operator graph: `differentiate` appends the backward operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.nn.graph._graph import SCALAR, Graph, Origin, Shape, Value, Weight


@dataclass(slots=True)
class Tape:
    """Gradients known so far. Those of matrices are values; those of weights are in memory, where operators
    add."""

    graph: Graph
    known: dict[Value, Value] = field(default_factory=dict[Value, Value])
    needed: set[Value] = field(default_factory=set[Value])
    trained: frozenset[str] = frozenset()
    origin: Origin = field(default_factory=Origin)
    numbers: dict[Value, float] = field(default_factory=dict[Value, float])
    """Gradients by scalars that are numbers known now: those of losses that are scaled and added."""

    def needs(self, value: Value) -> bool:
        """Whether the gradient of a value leads to a parameter."""
        return value in self.needed

    def emit(
        self, name: str, inputs: Sequence[Value], *shapes: Shape, weights: Sequence[Weight] = (),
        **attributes: Any,
    ) -> Value:  # fmt: skip
        """Appends a backward operator; its first output."""
        op = self.graph.emit(name, inputs, shapes, weights=weights, origin=self.origin, **attributes)
        return op.outputs[0]

    def effect(
        self, name: str, inputs: Sequence[Value], weights: Sequence[Weight], **attributes: Any
    ) -> None:
        """Appends an operator that adds to the gradients of `weights`, unless none of them is trained."""
        if any(w.parameter in self.trained for w in weights):
            self.graph.emit(name, inputs, [], weights=weights, origin=self.origin, effect=True, **attributes)

    def add(self, value: Value, grad: Value) -> None:
        """One more part of a value's gradient."""
        if not self.needs(value):
            return
        if value in self.known:
            grad = self._sum(self.known[value], grad)
        self.known[value] = grad

    def _sum(self, a: Value, b: Value) -> Value:
        if a in self.numbers and b in self.numbers:
            return self.number(self.numbers[a] + self.numbers[b])
        return self.emit("add", [a, b], a.shape)

    def number(self, number: float) -> Value:
        """A gradient by a scalar that is known now."""
        value = self.emit("number", [], SCALAR, number=number)
        self.numbers[value] = number
        return value

    def scaled(self, grad: Value, factor: float) -> Value:
        """factor · grad."""
        if factor == 1:
            return grad
        if grad in self.numbers:
            return self.number(factor * self.numbers[grad])
        return self.emit("affine", [grad], grad.shape, factor=factor, offset=0.0)

    def times(self, x: Value, grad: Value) -> Value:
        """A matrix times the gradient by a scalar."""
        if grad in self.numbers:
            return self.scaled(x, self.numbers[grad])
        return self.emit("mul", [x, self.emit("spread_number", [grad], x.shape)], x.shape)


def append_updates(graph: Graph, name: str, attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """Puts the optimiser `name` behind the last use of each trained weight; `attributes` by parameter."""
    last = {weight: i for i, op in enumerate(graph.ops) for weight in op.weights}
    behind: dict[int, list[Weight]] = {}
    for weight, i in last.items():
        if weight.parameter in attributes and _has_gradient(graph, weight):
            behind.setdefault(i, []).append(weight)
    ops, graph.ops = graph.ops, []
    for i, op in enumerate(ops):
        graph.append(op)
        for weight in behind.get(i, ()):
            given = attributes[weight.parameter or ""]
            origin = replace(op.origin, module="optimizer")
            graph.emit(name, [], [], weights=[weight], origin=origin, effect=True, **given)


def check_uses(graph: Graph) -> None:
    """Each element of a trained parameter must be in one weight, once: where its gradient is summed and the
    optimizer changes it.

    Diagnostics: weight-used-twice."""
    trained = {w.parameter for w in graph.weights() if _has_gradient(graph, w)}
    seen: dict[str, list[Weight]] = {}
    for weight in graph.weights():
        if weight.parameter is not None and weight.parameter in trained:
            seen.setdefault(weight.parameter, []).append(weight)
    for name, weights in seen.items():
        used = np.concatenate([_elements(w) for w in weights])
        if np.unique(used).size < used.size:
            first, *_ = (op.origin for op in graph.ops if weights[-1] in op.weights)
            raise error(
                "weight-used-twice",
                f"elements of the parameter `{name}` are used in {len(weights)} arrangements",
                notes=tuple(note for note in (first.line,) if note),
                help="training needs one use of each element, or the same use again (a shared layer)",
            )


def _elements(weight: Weight) -> NDArray[np.int64]:
    if weight.index is not None:
        return weight.index.ravel()
    return np.arange(int(np.prod(weight.shape)))


def _has_gradient(graph: Graph, weight: Weight) -> bool:
    return any(op.has_effect() and weight in op.weights for op in graph.ops)
