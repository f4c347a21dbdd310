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
    tiles = padded[_places(layout, mesh)]
    return np.broadcast_to(tiles, (mesh.h, mesh.w, *tiles.shape[2:])).copy()


def unpack(tiles: NDArray[Any], layout: Layout, mesh: Mesh) -> NDArray[Any]:
    """The inverse of `pack`; of copies, that of the PE nearest to (0, 0)."""
    padded = np.zeros([_padded(s, mesh) for s in layout], tiles.dtype)
    used = {s.axis for s in layout}
    h, w = (mesh.length(axis) if axis in used else 1 for axis in ("y", "x"))
    padded[_places(layout, mesh)] = tiles[:h, :w]
    return padded[tuple(slice(s.size) for s in layout)]


def _padded(s: Split, mesh: Mesh) -> int:
    return s.size if s.axis is None else s.chunk * mesh.length(s.axis)


def _places(layout: Layout, mesh: Mesh) -> tuple[NDArray[np.int64], ...]:
    """For each dimension the indices of the local elements of all PEs, to be broadcast against each other:
    `[h, w, *local]`, with 1 where they do not depend on it."""
    out: list[NDArray[np.int64]] = []
    for k, s in enumerate(layout):
        local = [1] * len(layout)
        local[k] = s.local
        index = np.arange(s.local).reshape(1, 1, *local)
        if s.axis is not None:
            count = mesh.length(s.axis)
            shape = (count, 1) if s.axis == "y" else (1, count)
            index = index + (np.arange(count) * s.chunk).reshape(*shape, *[1] * len(layout))
        out.append(index)
    return tuple(out)


def local_shape(layout: Sequence[Split]) -> tuple[int, ...]:
    return tuple(s.local for s in layout)
