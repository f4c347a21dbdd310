"""Parameters that differ from PE to PE: which become cells, and which PEs can share a program.

All PEs with the same file and the same non-numeric parameters form a group. Numbers that vary inside a
group are
kept in cells of the PE; the program is compiled for one PE of the group, and every decision taken on a cell
is
recorded as a guard. The PEs for which all guards come out the same share the program; the rest are compiled
again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openwafer.csl import _tir as tir
from openwafer.csl import _types as ty
from openwafer.csl._tiles import Batch, TileCode
from openwafer.csl._unit import Guard, fingerprint
from openwafer.csl._values import Value

Path = tuple[str, ...]
EXACT = 1 << 62
"""Integers nearer to zero can be added in int64."""


@dataclass(slots=True)
class Group:
    """PEs with the same file and the same parameters but for numbers. `leaves` are the paths of all numbers,
    `rows` the distinct combinations of their values, `members` the PEs of each row."""

    tile: TileCode
    leaves: list[tuple[Path, ty.Type]]
    rows: dict[tuple[Any, ...], list[tuple[int, int]]] = field(
        default_factory=dict[tuple[Any, ...], list[tuple[int, int]]]
    )


def group_tiles(batches: list[Batch]) -> list[Group]:
    groups: dict[object, Group] = {}
    structs: dict[tuple[int, str], tuple[Value, Parts]] = {}
    for batch in batches:
        tile = batch.tile
        shape: list[object] = []
        numbers: list[Any] = []
        leaves: list[tuple[Path, ty.Type]] = []
        for name, value in tile.params.items():
            if value.known.__class__ is not dict:
                _flatten(name, value, (), shape, numbers, leaves)
                continue
            parts = _parts_of_struct(name, value, structs)
            shape += parts[0]
            numbers += parts[1]
            leaves += parts[2]
        key = (tile.path, tuple(shape))
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(tile, leaves)
        _add_rows(group, batch, numbers)
    return list(groups.values())


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


Parts = tuple[list[object], list[Any], list[tuple[Path, ty.Type]]]


def _parts_of_struct(name: str, value: Value, known: dict[tuple[int, str], tuple[Value, Parts]]) -> Parts:
    """The parts of a struct; many PEs are given the very same one."""
    found = known.get((id(value), name))
    if found is None:
        parts: Parts = ([], [], [])
        _flatten(name, value, (), *parts)
        found = known[id(value), name] = (value, parts)
    return found[1]


def _flatten(
    name: str,
    value: Value,
    path: Path,
    shape: list[object],
    numbers: list[Any],
    leaves: list[tuple[Path, ty.Type]],
) -> None:
    """Splits a parameter into what must be the same (`shape`) and numbers that may differ."""
    path = (*path, name)
    known = value.known
    if known.__class__ is dict:
        shape.append((path, "{"))
        for part, inner in known.items():
            _flatten(part, inner, path, shape, numbers, leaves)
    elif is_number(value):
        shape.append((path, value.type))
        numbers.append(known)
        leaves.append((path, value.type))
    else:
        shape.append((path, fingerprint(value)))


def is_number(value: Value) -> bool:
    t = value.type
    return (
        isinstance(t, (ty.IntType, ty.EnumType))
        or t in (ty.COMPTIME_INT, ty.BOOL, ty.F32, ty.F16)
        or ty.is_id(t)
    )


@dataclass(slots=True)
class Cells:
    """The numbers of a group that vary: `columns` are their places among the leaves."""

    group: Group
    columns: list[int]
    types: tuple[str, ...]

    def params(self, row: tuple[Any, ...]) -> dict[str, Value]:
        """The parameters of the PEs of a row, with varying numbers readable from cells."""
        varying = {self.group.leaves[c][0]: i for i, c in enumerate(self.columns)}
        values = {path: row[i] for i, (path, _) in enumerate(self.group.leaves)}
        return {n: self._value(v, (n,), varying, values) for n, v in self.group.tile.params.items()}

    def _value(self, value: Value, path: Path, varying: dict[Path, int], values: dict[Path, Any]) -> Value:
        known = value.known
        if known.__class__ is dict:
            return Value(
                value.type, {n: self._value(v, (*path, n), varying, values) for n, v in known.items()}
            )
        if path not in values:
            return value
        index = varying.get(path)
        return Value(value.type, values[path], None if index is None else tir.Param(self.types[index], index))


def make_cells(group: Group) -> Cells:
    """Numbers with more than one value in the group become cells."""
    rows = list(group.rows)
    columns = [i for i in range(len(group.leaves)) if any(row[i] != rows[0][i] for row in rows)]
    return Cells(group, columns, tuple(_cell_type(group.leaves[c][1]) for c in columns))


def _cell_type(t: ty.Type) -> str:
    return "i64" if t is ty.COMPTIME_INT else ty.tir_type(t)


def encode_cells(cells: Cells, rows: list[tuple[Any, ...]]) -> NDArray[np.uint32]:
    """Cell contents `[row, cell]` as u32 words: integers modulo 2**32, floats as bits."""
    out = np.zeros((len(rows), len(cells.columns)), np.uint32)
    for i, column in enumerate(cells.columns):
        values = [row[column] for row in rows]
        kind = cells.types[i]
        if kind == "f32":
            out[:, i] = np.array(values, np.float32).view(np.uint32)
        elif kind == "f16":
            out[:, i] = np.array(values, np.float16).view(np.uint16)
        else:
            out[:, i] = (_integers(values) & 0xFFFFFFFF).astype(np.uint32)
    return out


def matching(guards: list[Guard], cells: Cells, rows: list[tuple[Any, ...]]) -> NDArray[np.bool_]:
    """For which rows every guard gives what it gave for the row that was compiled."""
    fits = np.ones(len(rows), np.bool_)
    columns = [_column(cells.types[i], [row[c] for row in rows]) for i, c in enumerate(cells.columns)]
    seen: set[tuple[str, object]] = set()
    for guard in guards:
        key = (repr(guard.expr), guard.expected)
        if key not in seen:
            seen.add(key)
            fits &= np.asarray(evaluate(guard.expr, columns) == guard.expected)
    return fits


def queue_colors(
    queues: dict[tuple[str, int], tir.Expr], cells: Cells, rows: list[tuple[Any, ...]]
) -> list[tuple[int, ...]]:
    """The colors of the queues for each row."""
    if not queues:
        return [()] * len(rows)
    columns = [_column(cells.types[i], [row[c] for row in rows]) for i, c in enumerate(cells.columns)]
    colors = [np.broadcast_to(evaluate(expr, columns), len(rows)) for expr in queues.values()]
    return [tuple(int(color[i]) for color in colors) for i in range(len(rows))]


def _column(kind: str, values: list[Any]) -> NDArray[Any]:
    if kind.startswith("f"):
        return np.array(values, np.float64)
    return _integers(values)


def _integers(values: list[Any]) -> NDArray[Any]:
    """As int64 where sums and differences of two fit into it, else as Python's integers."""
    try:
        column = np.array(values, np.int64)
    except OverflowError:
        return np.array([int(v) for v in values], object)
    is_small = not len(column) or (column.min() >= -EXACT and column.max() < EXACT)
    return column if is_small else column.astype(object)


def evaluate(expr: tir.Expr, columns: list[NDArray[Any]]) -> Any:
    """A cell expression over all rows at once. Integers are exact in int64 and wrapped to their type."""
    match expr:
        case tir.Const(type=t, value=value):
            return value
        case tir.Param(type=t, index=index):
            return _wrap(columns[index], t)
        case tir.Unary(op=op, type=t, a=a):
            x = evaluate(a, columns)
            return _wrap(np.logical_not(x) if op == "not" else ~x if op == "inv" else -x, t)
        case tir.Binary(op=op, type=t, a=a, b=b):
            return _wrap(_binary(op, evaluate(a, columns), evaluate(b, columns)), t)
        case tir.Cast(type=t, a=a):
            return _convert(evaluate(a, columns), t)
        case tir.Select(cond=c, a=a, b=b):
            return _where(evaluate(c, columns), evaluate(a, columns), evaluate(b, columns))
        case _:
            return np.nan


def _where(condition: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[Any]:
    return np.where(condition, a, b)


def _convert(x: Any, t: str) -> Any:
    if t == "bool":
        return x != 0
    if t.startswith("f"):
        return np.asarray(x, np.float64).astype(np.float16 if t == "f16" else np.float32).astype(np.float64)
    return _wrap(np.trunc(x).astype(np.int64) if np.asarray(x).dtype.kind == "f" else x, t)


def _wrap(x: Any, t: str) -> Any:
    if t == "bool" or t.startswith("f") or t == "i64":
        return x
    bits = int(t[1:])
    x = np.asarray(x).astype(np.int64) & ((1 << bits) - 1) if bits < 63 else x
    return _where(x >= 1 << (bits - 1), x - (1 << bits), x) if t[0] == "i" and bits < 63 else x


def _binary(op: str, a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):
        match op:
            case "add":
                return a + b
            case "sub":
                return a - b
            case "mul":
                return a * b
            case "div":
                return _divide(a, b)
            case "rem":
                return a - b * _divide(a, b)
            case "and":
                return a & b
            case "or":
                return a | b
            case "xor":
                return a ^ b
            case "shl":
                return np.asarray(a) << b
            case "shr":
                return np.asarray(a) >> b
            case "eq":
                return a == b
            case "ne":
                return a != b
            case "lt":
                return a < b
            case "le":
                return a <= b
            case "gt":
                return a > b
            case _:
                return a >= b


def _divide(a: Any, b: Any) -> Any:
    if np.asarray(a).dtype.kind == "f" or np.asarray(b).dtype.kind == "f":
        return a / b
    quotient = np.abs(a) // _where(np.asarray(b) == 0, 1, np.abs(b))
    return _where((np.asarray(a) < 0) == (np.asarray(b) < 0), quotient, -quotient)
