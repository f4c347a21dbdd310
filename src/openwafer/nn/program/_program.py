"""The program that all PEs run: buffers, and calls of local kernels and collectives in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from openwafer.nn.graph._graph import Weight
from openwafer.nn.graph._mesh import Axis, Layout, Mesh
from openwafer.nn.kernels._kernel import NUMPY_DTYPES, DType

BufferKind = Literal["weight", "gradient", "state", "cache", "input", "output", "constant", "temporary"]


@dataclass(frozen=True, eq=False, slots=True)
class Buffer:
    """Memory on every PE, of the same shape on each; compared by identity.

    `layout` says which part of a whole array a PE holds (None: the content has no meaning to the host);
    `weight` is what a weight, gradient or state belongs to; in a tile its two dimensions are exchanged,
    [K][N] in memory."""

    name: str
    shape: tuple[int, ...]
    kind: BufferKind
    dtype: DType = "f32"
    layout: Layout | None = None
    weight: Weight | None = None
    is_tile: bool = False

    @property
    def size(self) -> int:
        """Elements."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def bytes(self) -> int:
        return self.size * np.dtype(NUMPY_DTYPES[self.dtype]).itemsize


@dataclass(frozen=True, slots=True)
class Ref:
    """A place in a buffer: `offset` elements from its start."""

    buffer: Buffer
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """The PE's coordinate on an axis, as an argument."""

    axis: Axis


@dataclass(frozen=True, slots=True)
class Valid:
    """How many of the PE's `chunk` elements lie below `size`, as an argument."""

    axis: Axis
    size: int
    chunk: int


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the positions 0 … size − 1 lie on this PE, dealt out one by one over `count` PEs, as an
    argument."""

    axis: Axis
    size: int
    count: int


@dataclass(frozen=True, slots=True)
class Runtime:
    """A number that the host gives at the launch: an argument of the entry."""

    name: str


Argument = Ref | int | float | Position | Valid | Share | Runtime


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a local kernel; arguments in the order of its parameters.

    `phase` is the module of the model it is for, `operator` that of the graph, in instructions of both
    kinds."""

    kernel: str
    arguments: tuple[Argument, ...]
    phase: str = ""
    operator: str = ""

    def refs(self) -> Iterator[Ref]:
        return (a for a in self.arguments if isinstance(a, Ref))


@dataclass(frozen=True, slots=True)
class Collective:
    """An all-reduce of `n` elements in place."""

    axis: Axis
    op: Literal["sum", "max"]
    ref: Ref
    n: int
    phase: str = ""
    operator: str = ""

    def refs(self) -> Iterator[Ref]:
        yield self.ref


Instruction = Call | Collective


@dataclass(frozen=True, slots=True)
class Entry:
    """A function that the host launches: its arguments by name, and what it does."""

    name: str
    instructions: tuple[Instruction, ...]
    arguments: tuple[tuple[str, DType], ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """Entries that share buffers; `buffers` are in the order of their first use."""

    mesh: Mesh
    entries: tuple[Entry, ...]
    buffers: tuple[Buffer, ...] = field(default=())

    def named(self, name: str) -> Buffer:
        return next(b for b in self.buffers if b.name == name)
