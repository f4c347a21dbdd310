"""Executing loops of a layout for many values of their variables at once (see `_loop_trace`).

A loop whose body is nothing but another loop, over a range that is the same each time, is executed together
with that one: what is served at once are pairs of values, and so on inwards.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer import tir
from openwafer.csl.evaluate._eval import Evaluator, Signal
from openwafer.csl.evaluate._names import read
from openwafer.csl.evaluate._place import place_of
from openwafer.csl.evaluate._unit import LayoutUnit, Untraceable
from openwafer.csl.layout._cell_values import Inexact
from openwafer.csl.layout._loop_trace import (
    MIN_ITERATIONS,
    TRIES,
    WORTH,
    Decisions,
    Trace,
    apply,
    cell_type,
    has_labelled_continue,
    is_traceable,
)
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import RangeValue, Value, ValuePlace
from openwafer.diag import DiagnosticError

MAX_ITERATIONS = 1 << 22
"""Nests of loops with more iterations are executed from the outside in; their columns would take memory."""
TRIED_SHARE = 16
"""Passes that serve too few may be as many as a sixteenth of the iterations: what they cost is not missed."""

Columns = list[NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Level:
    """One loop of a nest: the type of its variable, as which it is a cell, its values, its first index."""

    node: ast.For
    type: ty.Type
    cell: str
    values: range
    first: int


def recorded(
    ev: Evaluator, node: ast.For, t: ty.Type, values: range, first: int
) -> list[tuple[int, int]] | enumerate[int]:
    """Executes what can be executed at once; gives the other iterations, (number, value), in their order."""
    kind = cell_type(t, values)
    if kind is None or not _may_record(ev, node):
        return enumerate(values, first)
    value, number = _serve(ev, [Level(node, t, kind, values, first)])
    return list(zip(number.tolist(), value.tolist(), strict=True))


def is_nest(ev: Evaluator, node: ast.For) -> bool:
    """Whether the body is nothing but loops around a body that may be recorded."""
    innermost = node
    while (inner := _only_loop(innermost.body)) is not None:
        innermost = inner
    return innermost is not node and _may_record(ev, innermost)


def execute_nest(ev: Evaluator, node: ast.For, t: ty.Type, values: range, first: int) -> bool:
    """Executes a loop together with the loops that are its body; False, and nothing done, if it cannot."""
    levels = _nest(ev, node, t, values, first)
    count = math.prod(len(level.values) for level in levels)
    if len(levels) < 2 or count > MAX_ITERATIONS or not _may_record(ev, levels[-1].node):
        return False
    left = _serve(ev, levels)
    if len(left[0]) == count:
        return False
    for row in zip(*(column.tolist() for column in left), strict=True):
        ev.step(node.span)
        with _bound(ev, levels, row, as_cells=False):
            signal = ev.stmt(levels[-1].node.body)
        assert signal is None or signal.kind == "continue"
    return True


def _nest(ev: Evaluator, node: ast.For, t: ty.Type, values: range, first: int) -> list[Level]:
    """The loop and those that make up its body, as far inwards as all are over known ranges."""
    levels: list[Level] = []
    kind = cell_type(t, values)
    inner: ast.For | None = node
    while kind is not None and inner is not None and len(values):
        levels.append(Level(inner, t, kind, values, first))
        inner = _only_loop(inner.body)
        found = None if inner is None else _range_of(ev, inner, levels)
        if found is None:
            break
        t, values, first = found
        kind = cell_type(t, values)
    return levels


def _only_loop(body: ast.Stmt) -> ast.For | None:
    """The loop that a body consists of."""
    if isinstance(body, ast.Block) and body.label is None and len(body.statements) == 1:
        body = body.statements[0]
    return body if isinstance(body, ast.For) else None


def _range_of(ev: Evaluator, node: ast.For, outer: Sequence[Level]) -> tuple[ty.Type, range, int] | None:
    """Over what a loop goes, if that is a range that is the same in all iterations of the outer ones."""
    if not isinstance(ev.unit, LayoutUnit) or ev.unit.trace is not None:
        return None
    try:
        with _recording(ev.unit) as trace, _bound(ev, outer, _first_row(outer), as_cells=True):
            place = place_of(ev, node.iterable)
            if not isinstance(place.type, ty.RangeType):
                return None
            known = read(ev, place, node.iterable.span).known
            assert isinstance(known, RangeValue)
            values = range(*(ev.decide(v) for v in (known.start, known.stop, known.step)))
            first = 0 if node.start is None else ev.integer(node.start, "the first index")
    except (Untraceable, Inexact, DiagnosticError, ValueError):
        return None
    if trace.guards or trace.codes or trace.routes:
        return None
    return place.type.element, values, first


def _first_row(levels: Sequence[Level]) -> list[int]:
    return [number for level in levels for number in (level.values[0], level.first)]


def _may_record(ev: Evaluator, node: ast.For) -> bool:
    unit = ev.unit
    if not isinstance(unit, LayoutUnit) or unit.trace is not None or unit.rectangle is None:
        return False
    known = unit.traceable.get(id(node))
    if known is None:
        known = unit.traceable[id(node)] = (is_traceable(node.body), node)
    return known[0]


def _serve(ev: Evaluator, levels: Sequence[Level]) -> Columns:
    """Executes what can be executed at once; gives the columns (value and number of each level) of the
    rest."""
    unit, columns = ev.unit, _columns(levels)
    assert isinstance(unit, LayoutUnit)
    count, passes = len(columns[0]), 0
    if count < MIN_ITERATIONS or (len(levels) > 1 and has_labelled_continue(levels[-1].node.body)):
        return columns
    decisions, left = Decisions(columns), np.arange(count)
    tries = max(TRIES, count // TRIED_SHARE)
    while len(left) and (passes < tries or count - len(left) >= WORTH * passes):
        at = _typical(len(left))
        try:
            trace = _record(ev, levels, [int(c[left[at]]) for c in columns])
            fits = decisions.served(trace, left, at)
            apply(unit, trace, [c[left[fits]] for c in columns])
        except (Untraceable, Inexact, DiagnosticError):
            break
        left = left[~fits]
        passes += 1
    return [c[left] for c in columns]


def _typical(count: int) -> int:
    """The iteration to look at among so many: what is first, last and in the middle is often special."""
    return 5 * count // 8


def _columns(levels: Sequence[Level]) -> Columns:
    """The value and the number of each level in all iterations, in their order."""
    shape = [len(level.values) for level in levels]
    places = np.indices(shape).reshape(len(shape), -1)
    columns: Columns = []
    for level, place in zip(levels, places, strict=True):
        columns += [np.array(level.values, np.int64)[place], level.first + place]
    return columns


def _record(ev: Evaluator, levels: Sequence[Level], row: Sequence[int]) -> Trace:
    """One pass over the body. What the pass decides and says is in the trace and nowhere else."""
    node = levels[-1].node
    assert isinstance(ev.unit, LayoutUnit)
    with _recording(ev.unit) as trace, _bound(ev, levels, row, as_cells=True):
        ev.step(node.span)
        signal = ev.stmt(node.body)
        if signal is not None and not _goes_on(signal, node):
            raise Untraceable
    return trace


def _goes_on(signal: Signal, node: ast.For) -> bool:
    return signal.kind == "continue" and signal.label in (None, node.label)


@contextmanager
def _recording(unit: LayoutUnit) -> Generator[Trace]:
    """What is evaluated inside goes into the trace."""
    trace, guards = Trace(), unit.guards
    unit.trace, unit.guards = trace, trace.guards
    try:
        yield trace
    finally:
        unit.trace, unit.guards = None, guards


@contextmanager
def _bound(ev: Evaluator, levels: Sequence[Level], row: Sequence[int], *, as_cells: bool) -> Generator[None]:
    """Binds the variables of all levels to the numbers of a row of columns."""
    with ExitStack() as scopes:
        for i, level in enumerate(levels):
            scope = scopes.enter_context(ev.new_scope())
            types, cells = (level.type, ty.COMPTIME_INT), (level.cell, "i64")
            for k, name in enumerate(level.node.variables):
                if name != "_":
                    cell = tir.Param(cells[k], 2 * i + k) if as_cells else None
                    scope.names[name] = ValuePlace(types[k], Value(types[k], row[2 * i + k], cell))
        yield
