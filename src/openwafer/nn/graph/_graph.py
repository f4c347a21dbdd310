"""The graph of operators between a captured model and its instructions.

A value is a matrix of features × tokens, the token ids, or the loss; what PyTorch calls its shape is kept
only where it enters and leaves (`_view.py`). Operators are in the order of execution.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["matrix", "ids", "rows", "scalar", "local"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value is: a matrix of `features` × `tokens`, `tokens` ids, `features` numbers a token that all
    PEs have (rows), one number, or something whose size only its operators know (local)."""

    features: int
    tokens: int
    kind: Kind = "matrix"


SCALAR = Shape(1, 1, "scalar")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the model an operator comes from: the module's path, and the line as `file:line: text`."""

    module: str = ""
    line: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """One value; compared by identity. `name` is unique in the graph."""

    name: str
    shape: Shape

    @property
    def features(self) -> int:
        return self.shape.features

    @property
    def tokens(self) -> int:
        return self.shape.tokens


@dataclass(frozen=True, eq=False, slots=True)
class Weight:
    """A parameter or constant as an operator uses it: `[N, K]` (a table: `[vocabulary, features]`), or `[F]`.

    `parameter` is its name in the model, None for a constant. `index` says which elements of the flat
    parameter these are; None: all of it, in order. `constant` holds the numbers of a constant."""

    name: str
    shape: tuple[int, ...]
    parameter: str | None = None
    index: NDArray[np.int64] | None = None
    constant: NDArray[np.float32] | None = None

    def pick(self, parameter: NDArray[Any]) -> NDArray[Any]:
        """These elements, in this shape, of the parameter's array."""
        flat = parameter.ravel()
        return (flat if self.index is None else flat[self.index.ravel()]).reshape(self.shape)

    def put(self, parameter: NDArray[Any], values: NDArray[Any]) -> None:
        """The inverse of `pick`, adding: for gradients and for reading trained weights back."""
        index = np.arange(parameter.size) if self.index is None else self.index.ravel()
        np.add.at(parameter.reshape(-1), index, values.ravel())


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One operator. With the attribute `effect` it is needed though nobody reads its outputs: it changes the
    gradients of its weights, or the weights."""

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    weights: tuple[Weight, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    origin: Origin = field(default_factory=Origin)

    @property
    def output(self) -> Value:
        (value,) = self.outputs
        return value

    def has_effect(self) -> bool:
        """Whether it is needed though nobody reads its outputs."""
        return bool(self.attributes.get("effect"))


@dataclass(slots=True)
class Graph:
    """Operators in order, under construction: `emit` appends."""

    ops: list[Op] = field(default_factory=list[Op])
    inputs: list[Value] = field(default_factory=list[Value])
    names: set[str] = field(default_factory=set[str])
    producers: dict[Value, Op] = field(default_factory=dict[Value, Op])

    def value(self, name: str, shape: Shape) -> Value:
        """A new value with a name close to `name`."""
        unique, i = name, 1
        while unique in self.names:
            unique, i = f"{name}_{i}", i + 1
        self.names.add(unique)
        return Value(unique, shape)

    def input(self, name: str, shape: Shape) -> Value:
        value = self.value(name, shape)
        self.inputs.append(value)
        return value

    def emit(
        self,
        name: str,
        inputs: Sequence[Value],
        shapes: Sequence[Shape],
        *,
        weights: Sequence[Weight] = (),
        label: str = "",
        origin: Origin | None = None,
        **attributes: Any,
    ) -> Op:
        """Appends an operator; its outputs are named after `label`, the module, or the operator."""
        origin = origin or Origin()
        base = label or (f"{origin.module}.{name}" if origin.module else name)
        outputs = tuple(self.value(base, shape) for shape in shapes)
        op = Op(name, tuple(inputs), outputs, tuple(weights), attributes, origin)
        self.append(op)
        return op

    def append(self, op: Op) -> None:
        self.ops.append(op)
        self.producers.update((out, op) for out in op.outputs)

    def weights(self) -> list[Weight]:
        """Every weight that an operator uses, in the order of first use."""
        return list(dict.fromkeys(w for op in self.ops for w in op.weights))

    def prune(self, wanted: Iterable[Value]) -> None:
        """Drops the operators that neither an effect nor a wanted value needs."""
        live = set(wanted)
        kept: list[Op] = []
        for op in reversed(self.ops):
            if op.has_effect() or any(out in live for out in op.outputs):
                live.update(op.inputs)
                kept.append(op)
        self.ops = kept[::-1]

    def copy(self) -> Graph:
        """A graph that can be changed without changing this one; values and operators are the same."""
        return Graph(list(self.ops), list(self.inputs), set(self.names), dict(self.producers))
