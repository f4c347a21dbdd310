"""The rectangle of PEs, and how an array is split over it and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Axis = Literal["x", "y"]


@dataclass(frozen=True, slots=True)
class Mesh:
    """`w` columns (axis x) and `h` rows (axis y) of PEs."""

    w: int
    h: int

    def length(self, axis: Axis) -> int:
        return self.w if axis == "x" else self.h


def other(axis: Axis) -> Axis:
    return "y" if axis == "x" else "x"


@dataclass(frozen=True, slots=True)
class Split:
    """One dimension of an array: PE p of the axis holds the elements from p·chunk on; without an axis each PE
    holds all. What lies beyond `size` is zeros."""

    size: int
    axis: Axis | None = None
    chunk: int = 0

    @property
    def local(self) -> int:
        """Elements on one PE."""
        return self.size if self.axis is None else self.chunk

    def __str__(self) -> str:
        return str(self.size) if self.axis is None else f"{self.size}/{self.axis}"


def split(size: int, axis: Axis, unit: int, mesh: Mesh) -> Split:
    """`size` elements over an axis in pieces of whole `unit`s."""
    units = -(-size // unit)
    return Split(size, axis, -(-units // mesh.length(axis)) * unit)


Layout = tuple[Split, ...]


def pack(array: NDArray[Any], layout: Layout, mesh: Mesh) -> NDArray[Any]:
    """The local arrays, `[h, w, *local]`."""
    padded = np.zeros([_padded(s, mesh) for s in layout], array.dtype)
    padded[tuple(slice(n) for n in array.shape)] = array
    return np.stack([np.stack([_tile(padded, layout, x, y) for x in range(mesh.w)]) for y in range(mesh.h)])


def unpack(tiles: NDArray[Any], layout: Layout, mesh: Mesh) -> NDArray[Any]:
    """The inverse of `pack`; of copies, that of the PE nearest to (0, 0)."""
    padded = np.zeros([_padded(s, mesh) for s in layout], tiles.dtype)
    used = {s.axis for s in layout}
    for y in range(mesh.h if "y" in used else 1):
        for x in range(mesh.w if "x" in used else 1):
            _tile(padded, layout, x, y)[...] = tiles[y, x]
    return padded[tuple(slice(s.size) for s in layout)]


def _padded(s: Split, mesh: Mesh) -> int:
    return s.size if s.axis is None else s.chunk * mesh.length(s.axis)


def _tile(padded: NDArray[Any], layout: Layout, x: int, y: int) -> NDArray[Any]:
    return padded[tuple(_slice(s, x, y) for s in layout)]


def _slice(s: Split, x: int, y: int) -> slice:
    if s.axis is None:
        return slice(None)
    position = x if s.axis == "x" else y
    return slice(position * s.chunk, (position + 1) * s.chunk)


def local_shape(layout: Sequence[Split]) -> tuple[int, ...]:
    return tuple(s.local for s in layout)
