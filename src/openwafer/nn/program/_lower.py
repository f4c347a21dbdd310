"""Placed operators to instructions: `Lowering` is what an operator's rule writes with."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from openwafer.diag import error
from openwafer.nn.graph._graph import Graph, Op, Value, Weight
from openwafer.nn.graph._mesh import Axis, Layout, Mesh, Split, local_shape
from openwafer.nn.graph._place import Placement
from openwafer.nn.kernels._kernel import DType, Storage
from openwafer.nn.kernels._kernels import KERNELS
from openwafer.nn.program._program import (
    Argument,
    Buffer,
    BufferKind,
    Call,
    Collective,
    Instruction,
    Position,
    Ref,
    Valid,
)


@dataclass(slots=True)
class Memory:
    """Buffers that outlive one entry: weights with what training keeps for them, caches, constants."""

    weights: dict[tuple[Weight, Layout, DType], Buffer] = field(
        default_factory=dict[tuple[Weight, Layout, DType], Buffer]
    )
    others: dict[str, Buffer] = field(default_factory=dict[str, Buffer])
    names: set[str] = field(default_factory=set[str])

    def weight(
        self, weight: Weight, layout: Layout, *, is_tile: bool = False, dtype: DType = "f32"
    ) -> Buffer:
        """The buffer of a weight in a layout and type, made at the first call."""
        key = (weight, layout, dtype)
        if key not in self.weights:
            kind: BufferKind = "constant" if weight.parameter is None else "weight"
            name, shape = self.free(weight.name), local_shape(layout)
            self.weights[key] = Buffer(name, shape, kind, dtype, layout, weight, is_tile)
        return self.weights[key]

    def kept(
        self, name: str, shape: tuple[int, ...], kind: BufferKind, *, dtype: DType = "f32",
        layout: Layout | None = None, weight: Weight | None = None, is_tile: bool = False,
    ) -> Buffer:  # fmt: skip
        """The buffer of this name, made at the first call."""
        if name not in self.others:
            self.others[name] = Buffer(self.free(name), shape, kind, dtype, layout, weight, is_tile)
        return self.others[name]

    def free(self, name: str) -> str:
        """The name, with a number if it is taken."""
        unique, i = name, 1
        while unique in self.names:
            unique, i = f"{name}_{i}", i + 1
        self.names.add(unique)
        return unique


@dataclass(slots=True)
class Lowering:
    """Instructions of one entry under construction."""

    mesh: Mesh
    placement: Placement
    memory: Memory
    graph: Graph
    instructions: list[Instruction] = field(default_factory=list[Instruction])
    values: dict[Value, Buffer] = field(default_factory=dict[Value, Buffer])
    gradients: dict[Weight, Buffer] = field(default_factory=dict[Weight, Buffer])
    users: dict[Value, int] = field(default_factory=dict[Value, int])
    shared: dict[tuple[object, ...], Ref] = field(default_factory=dict[tuple[object, ...], Ref])
    keep_gradients: bool = False
    storage: Storage = "f32"
    phase: str = ""
    operator: str = ""

    # --- sizes and places ---

    def split(self, value: Value) -> Split:
        return self.placement.split_of(value)

    def axis(self, value: Value) -> Axis:
        axis = self.split(value).axis
        assert axis is not None
        return axis

    def local(self, value: Value) -> int:
        """Features on one PE."""
        return self.split(value).local

    def length(self, axis: Axis) -> int:
        return self.mesh.length(axis)

    def position(self, axis: Axis) -> Argument:
        return Position(axis) if self.length(axis) > 1 else 0

    def valid(self, value: Value) -> Argument:
        """Features on this PE that are not padding."""
        s = self.split(value)
        is_exact = s.axis is None or s.chunk * self.length(s.axis) == s.size
        return s.local if is_exact or s.axis is None else Valid(s.axis, s.size, s.chunk)

    def is_padded(self, value: Value) -> bool:
        return not isinstance(self.valid(value), int)

    # --- buffers ---

    def ref(self, value: Value) -> Ref:
        """Where a value is; a temporary is made at the first call."""
        if value not in self.values:
            self.values[value] = self._temporary(value)
        return Ref(self.values[value])

    def _temporary(self, value: Value) -> Buffer:
        layout = value_layout(value, self.placement)
        shape = local_shape(layout)
        dtype: DType = "i32" if value.shape.kind == "ids" else "f32"
        return Buffer(self.memory.free(value.name), shape, "temporary", dtype, layout)

    def set(self, value: Value, buffer: Buffer) -> Ref:
        """Puts a value into a buffer of its own size or kind."""
        self.values[value] = buffer
        return Ref(buffer)

    def scratch(self, name: str, *shape: int, dtype: DType = "f32") -> Ref:
        """Room that only the current operator uses."""
        return Ref(Buffer(self.memory.free(name), shape, "temporary", dtype))

    def is_used(self, value: Value) -> bool:
        return value in self.users

    def weight_layout(self, weight: Weight, like: Value | None = None) -> Layout:
        """A matrix is a tile [K][N]; a vector lies as the features of `like`, or whole on each PE."""
        if len(weight.shape) == 2:
            n, k = (self.placement.split_of((weight, i)) for i in (0, 1))
            return (k, n)
        return (Split(weight.shape[0]),) if like is None else (self.split(like),)

    def weight(self, weight: Weight, like: Value | None = None) -> Ref:
        layout = self.weight_layout(weight, like)
        return Ref(self.memory.weight(weight, layout, is_tile=len(layout) == 2))

    def stored(self, weight: Weight) -> Ref:
        """The tile of a matrix in the type in which weights are stored."""
        layout = self.weight_layout(weight)
        return Ref(self.memory.weight(weight, layout, is_tile=True, dtype=self.storage))

    def table(self, weight: Weight, layout: Layout) -> Ref:
        """A constant in any layout."""
        return Ref(self.memory.weight(weight, layout))

    def gradient(self, weight: Weight, like: Value | None = None) -> Ref:
        """The gradient's sum so far: zeros at the first call."""
        if weight not in self.gradients:
            layout = self.weight_layout(weight, like)
            kind: BufferKind = "gradient" if self.keep_gradients else "temporary"
            name = self.memory.free(f"{weight.name}.grad")
            is_tile = len(layout) == 2
            buffer = Buffer(name, local_shape(layout), kind, "f32", layout, weight, is_tile)
            self.gradients[weight] = buffer
            self.call("zero", Ref(buffer), buffer.size)
        buffer = self.gradients[weight]
        if buffer.layout != self.weight_layout(weight, like):
            raise error("weight-placed-twice", f"the parameter `{weight.name}` is used in two placements")
        return Ref(buffer)

    # --- instructions ---

    def call(self, kernel: str, *arguments: Argument) -> None:
        assert kernel in KERNELS, kernel
        self.instructions.append(Call(kernel, arguments, self.phase, self.operator))

    def sum(self, axis: Axis, ref: Ref, n: int) -> None:
        self._collective(axis, "sum", ref, n)

    def max(self, axis: Axis, ref: Ref, n: int) -> None:
        self._collective(axis, "max", ref, n)

    def _collective(self, axis: Axis, op: Literal["sum", "max"], ref: Ref, n: int) -> None:
        if self.length(axis) > 1:
            self.instructions.append(Collective(axis, op, ref, n, self.phase, self.operator))

    @contextmanager
    def op_phase(self, op: Op) -> Generator[None]:
        self.phase, self.operator = op.origin.module or op.name, op.name
        yield
        self.phase = self.operator = ""


def value_layout(value: Value, placement: Placement) -> Layout:
    """How a value's whole array is split: [features][tokens], [tokens], [rows][tokens] or one number."""
    tokens = Split(value.tokens)
    match value.shape.kind:
        case "matrix":
            return (placement.split_of(value), tokens)
        case "ids":
            return (tokens,)
        case "rows":
            return (Split(value.features), tokens)
        case "scalar" | "local":
            return (Split(1),)
