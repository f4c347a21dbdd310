"""Recurrent layers, written out step by step: for short sequences."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from openwafer.nn.capture._abstract import Param
from openwafer.nn.capture._inputs import row_major
from openwafer.nn.capture._view import Atom, View, narrow
from openwafer.nn.capture._walk import Capture
from openwafer.nn.graph._graph import Shape, Value
from openwafer.nn.ops._copy_features import Piece


@dataclass(frozen=True, slots=True)
class Cell:
    """One layer in one direction: `gates` parts of its weights, `states` that go from step to step."""

    context: Capture
    gates: int
    states: int
    parameters: Sequence[Param]
    is_new_apart: bool = False
    """Whether the last gate's bias for the hidden state is added to what comes from there alone."""

    @property
    def features(self) -> int:
        return self.parameters[1].index.shape[1]

    def part(self, which: int, gate: int) -> Any:
        """A gate's rows of one of the parameters."""
        rows = slice(gate * self.features, (gate + 1) * self.features)
        return self.context.weight(Param(self.parameters[which].name, self.parameters[which].index[rows]))

    def _is_apart(self, gate: int) -> bool:
        return self.is_new_apart and gate == self.gates - 1

    def given(self, x: Value) -> list[Value]:
        """What each gate gets from the inputs of all steps."""
        out: list[Value] = []
        shape, has_bias = Shape(self.features, x.tokens), len(self.parameters) > 2
        for gate in range(self.gates):
            weights = [self.part(which, gate) for which in ((0, 2) if has_bias else (0,))]
            made = self.context.emit("linear", [x], shape, weights=weights)
            if has_bias and not self._is_apart(gate):
                made = self.context.emit("bias", [made], shape, weights=[self.part(3, gate)])
            out.append(made)
        return out

    def behind(self, hidden: Value, gate: int) -> Value:
        """What a gate gets from the hidden state."""
        has_bias = len(self.parameters) > 2 and self._is_apart(gate)
        weights = [self.part(which, gate) for which in ((1, 3) if has_bias else (1,))]
        return self.context.emit("linear", [hidden], hidden.shape, weights=weights)

    def sum(self, a: Value, b: Value, name: str = "add") -> Value:
        return self.context.emit(name, [a, b], a.shape)

    def function(self, function: str, x: Value) -> Value:
        return self.context.emit("unary", [x], x.shape, function=function)


Step = Callable[[Cell, list[Value], list[Value]], list[Value]]
"""The next states, hidden first, from what the gates get from the input and the states."""


def _lstm_step(cell: Cell, given: list[Value], states: list[Value]) -> list[Value]:
    hidden, memory = states
    sums = [cell.sum(x, cell.behind(hidden, gate)) for gate, x in enumerate(given)]
    enter, keep, new, show = (
        cell.function(name, x)
        for name, x in zip(("sigmoid", "sigmoid", "tanh", "sigmoid"), sums, strict=True)
    )
    memory = cell.sum(cell.sum(keep, memory, "mul"), cell.sum(enter, new, "mul"))
    return [cell.sum(show, cell.function("tanh", memory), "mul"), memory]


def _gru_step(cell: Cell, given: list[Value], states: list[Value]) -> list[Value]:
    """n + z (h − n)."""
    (hidden,) = states
    reset, keep = (cell.function("sigmoid", cell.sum(given[g], cell.behind(hidden, g))) for g in (0, 1))
    new = cell.sum(given[2], cell.sum(reset, cell.behind(hidden, 2), "mul"))
    new = cell.function("tanh", new)
    return [cell.sum(new, cell.sum(keep, cell.sum(hidden, new, "sub"), "mul"))]


def _plain_step(function: str) -> Step:
    def step(cell: Cell, given: list[Value], states: list[Value]) -> list[Value]:
        return [cell.function(function, cell.sum(given[0], cell.behind(states[0], 0)))]

    return step


def lstm(context: Capture, x: Any, states: Sequence[Any], *rest: Any) -> tuple[View, ...]:
    return _recurrent(context, _lstm_step, 4, x, states, *rest)


def gru(context: Capture, x: Any, hidden: Any, *rest: Any) -> tuple[View, ...]:
    return _recurrent(context, _gru_step, 3, x, [hidden], *rest)


def rnn(function: str) -> Callable[..., tuple[View, ...]]:
    def handle(context: Capture, x: Any, hidden: Any, *rest: Any) -> tuple[View, ...]:
        return _recurrent(context, _plain_step(function), 1, x, [hidden], *rest)

    return handle


def _recurrent(
    context: Capture, step: Step, gates: int, x: Any, starts: Sequence[Any], parameters: Sequence[Any],
    has_biases: bool, layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[View, ...]:  # fmt: skip
    """The hidden states of all steps, and the last states of all layers."""
    directions, count = 1 + bidirectional, 4 if has_biases else 2
    if len(parameters) != layers * directions * count or not all(isinstance(p, Param) for p in parameters):
        raise context.unsupported("only of parameters, without a projection")
    value, batch, seq = _by_steps(context, x, batch_first)
    last: list[list[Value]] = [[] for _ in starts]
    for layer in range(layers):
        if layer and dropout and train:
            share = {"share": float(dropout), "layer": context.next_dropout()}
            value = context.emit("dropout", [value], value.shape, **share)
        sides: list[Value] = []
        for direction in range(directions):
            number = layer * directions + direction
            cell = Cell(context, gates, len(starts), parameters[number * count :][:count], step is _gru_step)
            states = [_start(context, cell, s, number, batch) for s in starts]
            made, states = _walk(cell, step, value, states, seq, is_backward=direction == 1)
            sides.append(made)
            for kept, state in zip(last, states, strict=True):
                kept.append(state)
        value = sides[0] if directions == 1 else _side_by_side(context, sides)
    order = {"outer": seq, "inner": batch}
    value = context.emit("turn_tokens", [value], value.shape, **order) if batch_first else value
    counts = (batch, seq) if batch_first else (seq, batch)
    return (_rows(value, counts), *(_rows(_joined(context, kept), (len(kept), batch)) for kept in last))


def _by_steps(context: Capture, x: Any, batch_first: bool) -> tuple[Value, int, int]:
    """The input with tokens [step][text], the number of texts and steps."""
    view = context.rows(x)
    if len(view.dims) != 3 or view.dims[:2] != row_major("t", view.shape[:2]):
        raise context.unsupported("only of [batch, steps, features], or steps first")
    outer, inner = view.shape[:2]
    if not batch_first:
        return view.value, inner, outer
    order = {"outer": outer, "inner": inner}
    return context.emit("turn_tokens", [view.value], view.value.shape, **order), outer, inner


def _start(context: Capture, cell: Cell, given: Any, number: int, batch: int) -> Value:
    if isinstance(given, View):
        return context.rows(narrow(given, 0, number, 1)).value
    if not isinstance(given, torch.Tensor) or given.any():
        raise context.unsupported("first states that are constants, but not zeros")
    return context.emit("fill", [], Shape(cell.features, batch), number=0.0)


def _walk(
    cell: Cell, step: Step, x: Value, states: list[Value], seq: int, *, is_backward: bool
) -> tuple[Value, list[Value]]:
    given, batch = cell.given(x), x.tokens // seq
    found: list[Value] = []
    for number in reversed(range(seq)) if is_backward else range(seq):
        index = np.arange(number * batch, (number + 1) * batch)
        shape = Shape(cell.features, batch)
        now = [cell.context.emit("take_tokens", [g], shape, index=index) for g in given]
        states = step(cell, now, states)
        found.append(states[0])
    return _joined(cell.context, found[::-1] if is_backward else found), states


def _joined(context: Capture, values: list[Value]) -> Value:
    shape = Shape(values[0].features, sum(v.tokens for v in values))
    return context.emit("join_tokens", values, shape)


def _side_by_side(context: Capture, sides: list[Value]) -> Value:
    size = sides[0].features
    pieces = tuple(Piece(0, size, size * i) for i in range(len(sides)))
    return context.emit("copy_features", sides, Shape(size * len(sides), sides[0].tokens), pieces=pieces)


def _rows(value: Value, counts: tuple[int, int]) -> View:
    features = (Atom("f", 1, value.features),) if value.features > 1 else ()
    return View(value, (*row_major("t", counts), features))
