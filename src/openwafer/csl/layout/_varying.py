"""Parameters that differ from PE to PE: which become cells, and which PEs can share a program.

Numbers that vary inside a group (`_groups`) are kept in cells of the PE; the program is compiled for one PE
of the group, and every decision taken on a cell is recorded as a guard. The PEs for which all guards come out
the same share the program; the rest are compiled again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer import tir
from openwafer.csl.evaluate._unit import Guard
from openwafer.csl.layout._cell_values import Column, Inexact, agrees, evaluate
from openwafer.csl.layout._groups import Group
from openwafer.csl.layout._leaves import Path, replaced
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import CELL_BITS
from openwafer.csl.values._values import Value

Rows = NDArray[np.int64]
"""Numbers of rows."""


@dataclass(slots=True)
class Cells:
    """The rows of a group. Of the numbers that vary, `places` are their places among the leaves, `types` the
    types of their cells, `columns` their values by row."""

    group: Group
    rows: list[tuple[Any, ...]]
    places: list[int]
    types: tuple[str, ...]
    columns: list[Column]

    @property
    def members(self) -> list[list[tuple[int, int]]]:
        """The PEs of each row."""
        return list(self.group.rows.values())

    def params(self, row: int) -> dict[str, Value]:
        """The parameters of the PEs of a row, with varying numbers readable from cells."""
        leaves = {path: i for i, (path, _) in enumerate(self.group.leaves)}
        cells = {place: i for i, place in enumerate(self.places)}
        numbers = self.rows[row]

        def leaf(path: Path, value: Value) -> Value:
            at = leaves.get(path)
            if at is None:
                return value
            return Value(value.type, numbers[at], self._cell(value.type, cells.get(at)))

        return {n: replaced(v, (n,), leaf) for n, v in self.group.tile.params.items()}

    def _cell(self, t: ty.Type, index: int | None) -> tir.Expr | None:
        """Reads a cell. A comptime_int computes in 64 bits at run time, whatever its cell has."""
        if index is None:
            return None
        cell = tir.Param(self.types[index], index)
        return tir.Cast("i64", cell) if t is ty.COMPTIME_INT else cell


def parts_of(group: Group) -> list[Cells]:
    """The group, taken apart by the numbers that no cell can hold; the other varying ones become cells."""
    found = _cells_of(group)
    wide = [place for place, kind in found.items() if kind is None]
    if not wide:
        return [_cells(group, found)]
    parts: dict[tuple[Any, ...], Group] = {}
    for row, members in group.rows.items():
        key = tuple(row[i] for i in wide)
        parts.setdefault(key, Group(group.tile, group.leaves)).rows[row] = members
    return [_cells(part, _cells_of(part)) for part in parts.values()]


def _cells_of(group: Group) -> dict[int, str | None]:
    """The varying numbers by their place, and as what a cell holds each."""
    rows = list(group.rows)
    varying = [i for i in range(len(rows[0])) if any(row[i] != rows[0][i] for row in rows)]
    return {i: _cell_type(group.leaves[i][1], rows, i) for i in varying}


def _cell_type(t: ty.Type, rows: list[tuple[Any, ...]], place: int) -> str | None:
    """As what a cell holds a number; None for numbers that may not fit."""
    if t is not ty.COMPTIME_INT:
        return None if isinstance(t, ty.IntType) and t.bits > CELL_BITS else ty.tir_type(t)
    numbers = [row[place] for row in rows]
    low, high = min(numbers), max(numbers)
    return next((str(c) for c in (ty.I32, ty.U32) if c.low <= low and high <= c.high), None)


def _cells(group: Group, found: dict[int, str | None]) -> Cells:
    rows = list(group.rows)
    types = tuple(kind for kind in found.values() if kind is not None)
    columns = [
        np.array([row[i] for row in rows], np.float64 if kind in ("f16", "f32") else np.int64)
        for i, kind in found.items()
    ]
    return Cells(group, rows, list(found), types, columns)


def encode_cells(cells: Cells, at: Rows) -> NDArray[np.uint32]:
    """Cell contents `[row, cell]` as u32 words: integers modulo 2**32, floats as bits."""
    out = np.zeros((len(at), len(cells.columns)), np.uint32)
    for i, (kind, column) in enumerate(zip(cells.types, cells.columns, strict=True)):
        if kind == "f32":
            out[:, i] = column[at].astype(np.float32).view(np.uint32)
        elif kind == "f16":
            out[:, i] = column[at].astype(np.float16).view(np.uint16)
        else:
            out[:, i] = column[at] & 0xFFFFFFFF
    return out


def matching(guards: list[Guard], cells: Cells, at: Rows) -> NDArray[np.bool_]:
    """For which of the rows every guard gives what it gave for the first, the row that was compiled. A guard
    is asked only of rows that pass the ones before it, as the evaluator does."""
    fits = np.ones(len(at), np.bool_)
    rest = np.arange(1, len(at))
    if not cells.columns:
        return fits
    for guard in {(repr(g.expr), repr(g.expected)): g for g in guards}.values():
        ok = _passing(guard, [column[at[rest]] for column in cells.columns])
        rest = rest[np.broadcast_to(ok, rest.shape)]
    fits[1:] = False
    fits[rest] = True
    return fits


def _passing(guard: Guard, columns: list[Column]) -> NDArray[np.bool_]:
    try:
        return agrees(guard.expr, guard.expected, columns)
    except Inexact:
        return np.zeros(1, np.bool_)


def queue_colors(
    queues: dict[tuple[str, int], tir.Expr], cells: Cells, at: Rows
) -> list[tuple[tuple[int, ...], Rows]]:
    """The ways in which queues are bound to colors, and the rows of each."""
    if not queues:
        return [((), at)]
    columns = [column[at] for column in cells.columns]
    colors = [np.broadcast_to(evaluate(expr, columns), len(at)) for expr in queues.values()]
    found: dict[tuple[int, ...], list[int]] = {}
    for row, bound in zip(at.tolist(), zip(*colors, strict=True), strict=True):
        found.setdefault(tuple(map(int, bound)), []).append(row)
    return [(bound, np.array(rows)) for bound, rows in found.items()]
