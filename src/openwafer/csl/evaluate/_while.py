"""`while`: at compile time, written out, at run time."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.evaluate._eval import NEVER, Evaluator, Signal, Target, stmt_rule
from openwafer.csl.evaluate._unroll import Unrolling, after_body, unrolled_body
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Value
from openwafer.diag import error


@stmt_rule(ast.While)
def _while(ev: Evaluator, node: ast.While) -> Signal | None:
    if not ev.is_emitting():
        return _while_now(ev, node)
    if node.inline:
        return _unrolled_while(ev, node)
    return _while_later(ev, node)


def _while_now(ev: Evaluator, node: ast.While) -> Signal | None:
    while True:
        ev.step(node.span)
        if not ev.decide(_bool(ev, node.condition), node.condition.span, "the condition"):
            return None
        leave, signal = after_body(ev.stmt(node.body), node.label)
        if leave:
            return signal
        if node.step is not None:
            ev.stmt(node.step)


def _bool(ev: Evaluator, node: ast.Expr) -> Value:
    value = ev.expr(node)
    if value.type is not ty.BOOL:
        raise error("type-mismatch", f"expected bool, found {value.type}", node.span)
    return value


def _while_later(ev: Evaluator, node: ast.While) -> Signal | None:
    target = Target(node.label, ev.code.label(), 0)
    target.continue_label = target.break_label
    ev.targets.append(target)
    try:
        with ev.branch() as body:
            condition = _bool(ev, node.condition)
            endless = condition.is_known and bool(ev.decide(condition))
            if condition.is_known and not endless:
                return None
            if not endless:
                inverted = tir.Unary("not", "bool", ev.runtime(condition))
                ev.emit(tir.If(inverted, (tir.Break(target.break_label),), ()))
            ev.stmt(node.body)
        with ev.branch() as step:
            if node.step is not None:
                ev.stmt(node.step)
    finally:
        ev.targets.pop()
    ev.emit(tir.Loop(target.break_label, tuple(body), tuple(step), False))
    return NEVER if endless and not target.used else None


def _unrolled_while(ev: Evaluator, node: ast.While) -> Signal | None:
    with Unrolling(ev, node.label) as target:
        while True:
            ev.step(node.span)
            if not ev.decide(_bool(ev, node.condition), node.condition.span, "the condition"):
                break
            unrolled_body(ev, target, node.body)
            if node.step is not None:
                ev.stmt(node.step)
    return None
