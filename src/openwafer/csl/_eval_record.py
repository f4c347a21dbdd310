"""Executing a loop of a layout for many values of its variable at once (see `_trace`)."""

from __future__ import annotations

import numpy as np

from openwafer.csl import _ast as ast
from openwafer.csl import _tir as tir
from openwafer.csl import _types as ty
from openwafer.csl._eval import Evaluator
from openwafer.csl._trace import (
    MIN_ITERATIONS,
    TRIES,
    WORTH,
    Trace,
    apply,
    cell_type,
    is_traceable,
    served,
)
from openwafer.csl._unit import LayoutUnit, Untraceable
from openwafer.csl._values import Value, ValuePlace
from openwafer.diag import DiagnosticError


def recorded(
    ev: Evaluator, node: ast.For, t: ty.Type, values: range, first: int
) -> list[tuple[int, int]] | enumerate[int]:
    """Executes what can be executed at once; gives the other iterations, (number, value), in their order."""
    unit, kind = ev.unit, cell_type(t)
    if kind is None or len(values) < MIN_ITERATIONS or not _may_record(unit, node):
        return enumerate(values, first)
    assert isinstance(unit, LayoutUnit)
    columns = [np.array(values), np.arange(first, first + len(values))]
    passes = 0
    while len(columns[0]) and (passes < TRIES or len(values) - len(columns[0]) >= WORTH * passes):
        try:
            trace = _record(ev, node, t, kind, *(int(c[0]) for c in columns))
            fits = served(trace, columns)
            apply(unit, trace, [c[fits] for c in columns])
        except (Untraceable, DiagnosticError):
            break
        columns = [c[~fits] for c in columns]
        passes += 1
    value, number = columns
    return list(zip(number.tolist(), value.tolist(), strict=True))


def _may_record(unit: object, node: ast.For) -> bool:
    if not isinstance(unit, LayoutUnit) or unit.trace is not None or unit.rectangle is None:
        return False
    known = unit.traceable.get(id(node))
    if known is None:
        known = unit.traceable[id(node)] = (is_traceable(node.body), node)
    return known[0]


def _record(ev: Evaluator, node: ast.For, t: ty.Type, kind: str, value: int, number: int) -> Trace:
    """One pass over the body. What the pass decides and says is in the trace and nowhere else."""
    unit = ev.unit
    trace, guards = Trace(), unit.guards
    unit.trace, unit.guards = trace, trace.guards
    try:
        ev.step(node.span)
        with ev.new_scope() as scope:
            counter = Value(ty.COMPTIME_INT, number, tir.Param("i64", 1))
            variables = (Value(t, value, tir.Param(kind, 0)), counter)
            for name, variable in zip(node.variables, variables, strict=False):
                if name != "_":
                    scope.names[name] = ValuePlace(variable.type, variable)
            signal = ev.stmt(node.body)
            if signal is not None and signal.kind != "continue":
                raise Untraceable
            if signal is not None and signal.label not in (None, node.label):
                raise Untraceable
    finally:
        unit.trace, unit.guards = None, guards
    return trace
