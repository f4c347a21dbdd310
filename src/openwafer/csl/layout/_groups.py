"""Groups of PEs: those with the same file and the same parameters but for numbers.

What must be the same are names, types and whatever is no number; a number is one of `_leaves`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, cast

from openwafer.csl.evaluate._unit import fingerprint
from openwafer.csl.layout._leaves import Path, is_number, opened
from openwafer.csl.layout._tiles import Batch, TileCode
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Ref, Value
from openwafer.diag import Span, error


@dataclass(slots=True)
class Group:
    """PEs with the same file and the same parameters but for numbers. `leaves` are the paths of all numbers,
    `rows` the distinct combinations of their values, `members` the PEs of each row."""

    tile: TileCode
    leaves: list[tuple[Path, ty.Type]]
    rows: dict[tuple[Any, ...], list[tuple[int, int]]] = field(
        default_factory=dict[tuple[Any, ...], list[tuple[int, int]]]
    )


@dataclass(slots=True)
class Parts:
    """A parameter taken apart: `shape` is what must be the same, `numbers` are the values of `leaves`."""

    shape: list[object] = field(default_factory=list[object])
    numbers: list[Any] = field(default_factory=list[Any])
    leaves: list[tuple[Path, ty.Type]] = field(default_factory=list[tuple[Path, ty.Type]])

    def add(self, path: Path, value: Value, span: Span) -> None:
        parts = opened(value)
        if parts is not None:
            self.shape.append((path, _outline(value.type)))
            for name, part in parts.items():
                self.add((*path, name), part, span)
        elif is_number(value):
            self.shape.append((path, value.type, _is_negative_zero(value.known)))
            self.numbers.append(value.known)
            self.leaves.append((path, value.type))
        elif isinstance(value.known, Ref):
            message = f"parameter `{'.'.join(path)}` is a {value.type} to a variable of the layout"
            raise error("not-runtime", f"{message}, which no PE has", span)
        else:
            self.shape.append((path, fingerprint(value)))


def group_tiles(batches: list[Batch]) -> list[Group]:
    groups: dict[object, Group] = {}
    structs: dict[tuple[int, str], tuple[Value, Parts]] = {}
    for batch in batches:
        tile = batch.tile
        parts = Parts()
        for name, value in tile.params.items():
            if value.known.__class__ is not dict:
                parts.add((name,), value, tile.span)
                continue
            struct = _parts_of_struct(name, value, tile.span, structs)
            parts.shape += struct.shape
            parts.numbers += struct.numbers
            parts.leaves += struct.leaves
        key = (tile.path, tuple(parts.shape))
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(tile, parts.leaves)
        _add_rows(group, batch, parts.numbers)
    return list(groups.values())


def _parts_of_struct(
    name: str, value: Value, span: Span, known: dict[tuple[int, str], tuple[Value, Parts]]
) -> Parts:
    """The parts of a struct; many PEs are given the very same one."""
    found = known.get((id(value), name))
    if found is None:
        parts = Parts()
        parts.add((name,), value, span)
        found = known[id(value), name] = (value, parts)
    return found[1]


def _add_rows(group: Group, batch: Batch, numbers: list[Any]) -> None:
    """Sorts the PEs of a batch by the numbers that they are given."""
    places = zip(batch.xs.tolist(), batch.ys.tolist(), strict=True)
    if not batch.varying:
        group.rows.setdefault(tuple(numbers), []).extend(places)
        return
    count = len(batch.xs)
    given = {i: column.tolist() for i, column in batch.varying.items()}
    columns = [given.get(i) or [number] * count for i, number in enumerate(numbers)]
    for row, place in zip(zip(*columns, strict=True), places, strict=True):
        group.rows.setdefault(row, []).append(place)


def _outline(t: ty.Type) -> object:
    """What tells a type from others whose parts have the same names and types."""
    return t.is_tuple if isinstance(t, ty.StructType) else t


def _is_negative_zero(known: object) -> bool:
    """Such a number equals 0.0 and would stand with it in one row."""
    return known.__class__ is float and known == 0 and math.copysign(1, cast("float", known)) < 0
