"""How a PyTorch tensor lies in a matrix of features × tokens.

Each dimension is a tuple of atoms, outer first; an atom walks over features or tokens with a stride, or
repeats (`axis="n"`). Views, transpositions, slices and expansions only rearrange atoms, so they cost nothing
on the wafer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from openwafer.nn.graph._graph import Value

Axis = Literal["f", "t", "n"]


@dataclass(frozen=True, slots=True)
class Atom:
    """`size` steps of `stride` along features (f) or tokens (t); along nothing (n): a repetition."""

    axis: Axis
    stride: int
    size: int


Dim = tuple[Atom, ...]


class ViewError(Exception):
    """The tensor cannot be seen as a rearrangement; the text says why."""


@dataclass(frozen=True, slots=True)
class View:
    """A tensor as a part of `value`: element (i, j, …) is at feature `feature + …`, token `token + …`."""

    value: Value
    dims: tuple[Dim, ...]
    feature: int = 0
    token: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(length(d) for d in self.dims)

    def atoms(self, axis: Axis) -> tuple[Atom, ...]:
        """The atoms along an axis, merged where they continue each other."""
        return merged([a for d in self.dims for a in d if a.axis == axis])

    def is_whole(self) -> bool:
        """Whether every feature and token occurs exactly once."""
        return _covers(self, "f", self.value.features) and _covers(self, "t", self.value.tokens)

    def on(self, value: Value) -> View:
        """The same arrangement of another value."""
        return replace(self, value=value)


def length(dim: Dim) -> int:
    return int(np.prod([a.size for a in dim], dtype=int))


def merged(atoms: Iterable[Atom]) -> Dim:
    """Without atoms of size 1, neighbours that continue each other joined."""
    out: list[Atom] = []
    for atom in atoms:
        if atom.size == 1:
            continue
        if out and out[-1].axis == atom.axis and out[-1].stride == atom.stride * atom.size:
            out[-1] = Atom(atom.axis, atom.stride, out[-1].size * atom.size)
        else:
            out.append(atom)
    return tuple(out)


def _covers(view: View, axis: Axis, size: int) -> bool:
    atoms = sorted((a for d in view.dims for a in d if a.axis == axis and a.size > 1), key=lambda a: a.stride)
    reach = 1
    for atom in atoms:
        if atom.stride != reach:
            return False
        reach *= atom.size
    return reach == size


def reshape(view: View, shape: Sequence[int]) -> View:
    """The view with the dimensions `shape`, elements in the same order."""
    left = [a for d in view.dims for a in d if a.size > 1]
    dims = [merged(_take(left, size, view.shape, shape)) for size in shape]
    return replace(view, dims=tuple(dims))


def _take(atoms: list[Atom], size: int, old: Sequence[int], new: Sequence[int]) -> list[Atom]:
    """Removes atoms of `size` elements from the front, splitting the last if need be."""
    taken: list[Atom] = []
    while size > 1:
        atom = atoms.pop(0)
        if size % atom.size == 0:
            taken.append(atom)
            size //= atom.size
        elif atom.size % size == 0:
            inner = atom.size // size
            taken.append(Atom(atom.axis, atom.stride * inner, size))
            atoms.insert(0, Atom(atom.axis, atom.stride, inner))
            size = 1
        else:
            raise ViewError(f"{list(old)} cannot be seen as {list(new)} without moving data")
    return taken


def permute(view: View, order: Sequence[int]) -> View:
    return replace(view, dims=tuple(view.dims[i] for i in order))


def narrow(view: View, dim: int, start: int, size: int, step: int = 1) -> View:
    """`size` elements of a dimension from `start`, every `step`."""
    atoms = list(view.dims[dim])
    if size == length(view.dims[dim]) and step == 1:
        return view
    moves = {"f": 0, "t": 0, "n": 0}
    for position, atom in enumerate(atoms):
        inner = length(tuple(atoms[position + 1 :]))
        if size == 1:
            moves[atom.axis] += start // inner % atom.size * atom.stride
        elif step == 1 and start % inner == 0 and size % inner == 0 and position == 0:
            moves[atom.axis] += start // inner * atom.stride
            atoms[0] = Atom(atom.axis, atom.stride, size // inner)
            break
        elif len(atoms) == 1:
            moves[atom.axis] += start * atom.stride
            atoms[0] = Atom(atom.axis, atom.stride * step, size)
        else:
            raise ViewError(f"{size} elements from {start} do not lie together")
    dims = list(view.dims)
    dims[dim] = () if size == 1 else merged(atoms)
    return replace(view, dims=tuple(dims), feature=view.feature + moves["f"], token=view.token + moves["t"])


def expand(view: View, shape: Sequence[int]) -> View:
    """Dimensions of length 1, and new ones in front, repeated to `shape`."""
    dims = ((),) * (len(shape) - len(view.dims)) + view.dims
    out: list[Dim] = []
    for dim, size in zip(dims, shape, strict=True):
        have = length(dim)
        out.append((Atom("n", 0, size),) if have == 1 and size not in (1, -1) else dim)
    return replace(view, dims=tuple(out))


def matrix(view: View) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Feature and token of every element, in the view's shape."""
    return _positions(view, "f", view.feature), _positions(view, "t", view.token)


def _positions(view: View, axis: Axis, start: int) -> NDArray[np.int64]:
    out = np.full(view.shape, start, np.int64)
    for i, dim in enumerate(view.dims):
        index = np.zeros(length(dim), np.int64).reshape([a.size for a in dim])
        for j, atom in enumerate(dim):
            if atom.axis == axis:
                steps = np.arange(atom.size) * atom.stride
                index = index + steps.reshape([-1 if k == j else 1 for k in range(len(dim))])
        out += index.ravel().reshape([-1 if k == i else 1 for k in range(len(view.dims))])
    return out


def to_matrix(array: NDArray[Any], view: View) -> NDArray[Any]:
    """`array`, broadcast to the view's shape, as [features][tokens] of its whole value."""
    features, tokens = matrix(view)
    out = np.zeros((view.value.features, view.value.tokens), array.dtype)
    out[features, tokens] = np.broadcast_to(array, view.shape)
    return out


def from_matrix(data: NDArray[Any], view: View) -> NDArray[Any]:
    """The tensor that the view shows of [features][tokens] data."""
    features, tokens = matrix(view)
    return data[features, tokens]
