"""Loops of a layout that do the same for many PEs: one pass over the body, then arrays.

The body of an innermost loop is evaluated once with the loop variable as a cell, as programs are for PEs
that differ in numbers (`_cells`): every decision taken on it is recorded as a guard, and what is said of
PEs is recorded with its coordinates as expressions. All values of the variable for which the guards come
out the same are then served at once; for the first of the others the body is evaluated again. What cannot
be told so exactly (floats, a variable from outside that changes) raises `Untraceable`; then the loop is
executed plainly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from openwafer import tir
from openwafer.csl.evaluate._unit import Guard, LayoutUnit, Untraceable
from openwafer.csl.layout._cell_values import LIMIT, agrees, evaluate
from openwafer.csl.layout._tiles import Batch, Places, TileCode
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Value

MIN_ITERATIONS = 8
"""Shorter loops are executed plainly."""
TRIES, WORTH = 5, 4
"""A loop in which the passes, from the fifth on, have served fewer than four values each goes on plainly."""
MAX_REMEMBERED = 1 << 16
"""Outcomes of guards are kept for loops of up to so many iterations."""
EXACT_BITS = 32
"""Integers up to this width are exact in the arrays' int64; so are comptime_int of a layout's size."""


@dataclass(slots=True)
class Code:
    """`@set_tile_code` for PE (x, y); `numbers` are the varying ones of the parameters, by their place."""

    x: Value
    y: Value
    tile: TileCode
    numbers: dict[int, tir.Expr]


@dataclass(slots=True)
class Route:
    """`@set_color_config` for PE (x, y)."""

    x: Value
    y: Value
    color: int
    config: int


@dataclass(slots=True)
class Trace:
    """What one pass over a loop's body recorded."""

    guards: list[Guard] = field(default_factory=list[Guard])
    codes: list[Code] = field(default_factory=list[Code])
    routes: list[Route] = field(default_factory=list[Route])


def is_traceable(body: ast.Stmt) -> bool:
    """Whether the body is one of an innermost loop, which no iteration leaves."""
    return not any(isinstance(n, (ast.For, ast.While, ast.Break, ast.Return)) for n in _nodes(body))


def has_labelled_continue(body: ast.Stmt) -> bool:
    """Whether an iteration may go on with a loop further out."""
    return any(isinstance(n, ast.Continue) and n.label is not None for n in _nodes(body))


def _nodes(root: object) -> Iterator[object]:
    stack = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            stack.extend(cast("tuple[object, ...]", item))
        elif isinstance(item, ast.Node):
            yield item
            stack.extend(getattr(item, f.name) for f in dataclasses.fields(item) if f.name != "span")


class Decisions:
    """How guards come out in all iterations, each computed once."""

    def __init__(self, columns: list[NDArray[Any]]) -> None:
        self._columns = columns
        self._known: dict[tuple[tir.Expr, object], NDArray[np.bool_]] = {}

    def served(self, trace: Trace, left: NDArray[np.int64], at: int) -> NDArray[np.bool_]:
        """For which of the iterations `left` the guards come out as in the pass, that of `left[at]`."""
        fits = np.ones(len(left), np.bool_)
        for key in {(g.expr, g.expected) for g in trace.guards}:
            fits &= self._outcome(*key, left)
        fits[at] = True
        return fits

    def _outcome(self, expr: tir.Expr, expected: float, left: NDArray[np.int64]) -> NDArray[np.bool_]:
        if len(self._columns[0]) > MAX_REMEMBERED:
            return agrees(_exact(expr), expected, [c[left] for c in self._columns])
        found = self._known.get((expr, expected))
        if found is None:
            outcome = agrees(_exact(expr), expected, self._columns)
            found = self._known[expr, expected] = np.broadcast_to(outcome, self._columns[0].shape)
        return found[left]


def apply(unit: LayoutUnit, trace: Trace, columns: list[NDArray[Any]]) -> None:
    """Says for all iterations what the pass said for one; nothing, and `Untraceable`, where a PE is outside
    or is told something twice."""
    codes = [(_places(unit, c.x, c.y, columns), c) for c in trace.codes]
    routes = [(_places(unit, r.x, r.y, columns), r) for r in trace.routes]
    tiles, table = unit.tiles, unit.routes
    assert tiles is not None and table is not None
    batches = [Batch(c.tile, *at, _numbers(c, columns, len(at[0]))) for at, c in codes]
    _check_new(tiles.of, [at for at, _ in codes])
    for color in {r.color for _, r in routes}:
        _check_new(table[:, :, color], [at for at, r in routes if r.color == color])
    for batch in batches:
        tiles.add(batch)
    for (xs, ys), route in routes:
        table[ys, xs, route.color] = route.config


def _places(unit: LayoutUnit, x: Value, y: Value, columns: list[NDArray[Any]]) -> tuple[Places, Places]:
    assert unit.rectangle is not None
    xs, ys = (_column(v.ir, v.known, columns).astype(np.int64) for v in (x, y))
    inside = (xs >= 0) & (ys >= 0) & (xs < unit.rectangle.width) & (ys < unit.rectangle.height)
    if not inside.all():
        raise Untraceable
    return xs, ys


def _numbers(code: Code, columns: list[NDArray[Any]], count: int) -> dict[int, NDArray[Any]]:
    return {at: _column(expr, None, columns) for at, expr in code.numbers.items()}


def _column(expr: tir.Expr | None, known: Any, columns: list[NDArray[Any]]) -> NDArray[Any]:
    value = known if expr is None else evaluate(_exact(expr), columns)
    return np.broadcast_to(np.asarray(value), columns[0].shape)


def _check_new(table: NDArray[Any], places: list[tuple[Places, Places]]) -> None:
    """Every PE is named once and has nothing in the table `[y, x]` yet."""
    if not places:
        return
    xs, ys = (np.concatenate(part) for part in zip(*places, strict=True))
    if (table[ys, xs] >= 0).any() or len(np.unique(ys * table.shape[1] + xs)) != len(xs):
        raise Untraceable


def _exact(expr: tir.Expr) -> tir.Expr:
    """The expression, if arrays of int64 compute it as the evaluator does."""
    stack = [expr]
    while stack:
        node = stack.pop()
        if not _is_exact(node.type):
            raise Untraceable
        match node:
            case tir.Const() | tir.Param():
                pass
            case tir.Unary(a=a) | tir.Cast(a=a):
                stack.append(a)
            case tir.Binary(op=op, a=a, b=b):
                if op in ("shl", "shr") and not (isinstance(b, tir.Const) and 0 <= b.value < EXACT_BITS):
                    raise Untraceable
                if op in ("div", "rem") and not (isinstance(b, tir.Const) and b.value):
                    raise Untraceable
                stack += (a, b)
            case tir.Select(cond=c, a=a, b=b):
                stack += (c, a, b)
            case _:
                raise Untraceable
    return expr


def _is_exact(t: str) -> bool:
    return t in ("bool", "i64") or (t[0] in "iu" and int(t[1:]) <= EXACT_BITS)


def cell_type(t: ty.Type, values: range) -> str | None:
    """The type of a loop variable as a cell; None if it, or a value, is too wide to be one."""
    if t is ty.COMPTIME_INT:
        return "i64" if all(abs(v) < LIMIT for v in (values.start, values.stop)) else None
    return ty.tir_type(t) if isinstance(t, ty.IntType) and t.bits <= EXACT_BITS else None
