"""The arms of a `switch`: every value of its subject has one, and none has two."""

from __future__ import annotations

from openwafer.csl.evaluate._eval import Evaluator
from openwafer.csl.evaluate._names import DIRECTIONS
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._values import Value
from openwafer.diag import Label, Span, error

COUNTABLE_BITS = 16
"""Integers of more bits always need an `else` arm: nobody writes so many patterns."""


def pattern(ev: Evaluator, node: ast.Expr, subject: Value) -> Value:
    return coerce(ev, ev.expr(node, subject.type), subject.type, node.span)


def check_arms(ev: Evaluator, node: ast.Switch, subject: Value) -> None:
    """Diagnostics: no-arm, duplicate-arm."""
    covered = _covered(ev, node, subject)
    if len(covered) == _count(subject.type) or any(not arm.patterns for arm in node.arms):
        return
    missing = _missing(subject.type, set(covered))
    what = f"`{missing}`" if missing else f"every {subject.type}"
    message = f"this switch has no arm for {what}"
    raise error("no-arm", message, node.subject.span, help="add an `else` arm")


def _covered(ev: Evaluator, node: ast.Switch, subject: Value) -> dict[object, Span]:
    """Where each value that is the same on all PEs has its arm."""
    covered: dict[object, Span] = {}
    otherwise: Span | None = None
    for arm in node.arms:
        if not arm.patterns:
            _check_new(otherwise, "`else`", arm.span)
            otherwise = arm.span
        for part in arm.patterns:
            value = pattern(ev, part, subject)
            if not value.is_known or value.ir is not None:
                continue
            _check_new(covered.get(value.known), f"`{_shown(subject.type, value.known)}`", part.span)
            covered[value.known] = part.span
    return covered


def _check_new(before: Span | None, what: str, span: Span) -> None:
    if before is not None:
        raise error("duplicate-arm", f"{what} has two arms", span, labels=[Label(before, "first here")])


def _count(t: ty.Type) -> int:
    """How many values a type has; 0 where that is not asked for."""
    match t:
        case ty.EnumType():
            return len({number for _, number in t.members})
        case ty.IntType() if t.high - t.low < 1 << COUNTABLE_BITS:
            return t.high - t.low + 1
        case _ if t is ty.DIRECTION:
            return len(DIRECTIONS)
        case _:
            return 2 if t is ty.BOOL else 0


def _missing(t: ty.Type, covered: set[object]) -> str | None:
    """The first member of an enum without an arm."""
    if not isinstance(t, ty.EnumType):
        return None
    return next((name for name, number in t.members if number not in covered), None)


def _shown(t: ty.Type, known: object) -> str:
    names = [name for name, number in t.members if number == known] if isinstance(t, ty.EnumType) else []
    return names[0] if names else str(known)
