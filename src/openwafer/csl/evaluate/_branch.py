"""Expressions with control flow: `if`, `switch` and blocks that give a value."""

from __future__ import annotations

from collections.abc import Callable

from openwafer import tir
from openwafer.csl.evaluate._eval import NEVER, Evaluator, Signal, Target, expr_rule, stmt_rule
from openwafer.csl.evaluate._names import read
from openwafer.csl.evaluate._place import assign
from openwafer.csl.evaluate._stmt import give, slots
from openwafer.csl.evaluate._switch_arms import check_arms, pattern
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._operators import binary, common_type
from openwafer.csl.values._values import Place, Value
from openwafer.diag import Span, error


@expr_rule(ast.IfExpr)
def _if(ev: Evaluator, node: ast.IfExpr, expected: ty.Type | None) -> Value:
    condition = ev.expr(node.condition)
    if condition.type is not ty.BOOL:
        raise error("type-mismatch", f"expected bool, found {condition.type}", node.condition.span)
    if condition.is_known:
        chosen = node.then if ev.decide(condition) else node.otherwise
        return Value(ty.VOID, ()) if chosen is None else ev.expr(chosen, expected)
    if not ev.is_emitting():
        raise error("not-comptime", "the condition must be known at compile time", node.condition.span)
    if node.otherwise is None:
        raise error("missing-else", "an `if` expression at run time needs an else branch", node.span)
    then, otherwise = node.then, node.otherwise
    arms = [_arm(ev, lambda: ev.expr(then, expected)), _arm(ev, lambda: ev.expr(otherwise, expected))]
    place = _join(ev, arms, expected, node.span)
    ev.emit(tir.If(ev.runtime(condition), tuple(arms[0][0]), tuple(arms[1][0])))
    return Value(ty.VOID, ()) if place is None else read(ev, place, node.span)


Arm = tuple[list[tir.Stmt], Value]


def _arm(ev: Evaluator, evaluate: Callable[[], Value]) -> Arm:
    with ev.branch() as block:
        value = evaluate()
    return block, value


def _join(ev: Evaluator, arms: list[Arm], expected: ty.Type | None, span: Span) -> Place | None:
    """A place that every arm assigns its value to, of a type that suits all."""
    values = [v for _, v in arms]
    if all(v.type is ty.VOID for v in values):
        return None
    t = values[0].type
    for value in values[1:]:
        common = common_type(t, value.type) if t != value.type else t
        if common is None:
            raise error("type-mismatch", f"branches have types {t} and {value.type}", span)
        t = common
    if ty.is_comptime_only(t) and expected is not None and not ty.is_comptime_only(expected):
        t = expected
    if ty.is_comptime_only(t):
        raise error("not-runtime", f"branches of type {t} under a run-time condition; use @as", span)
    place = slots(ev, t, span)
    for block, value in arms:
        outer, ev.code.block = ev.code.block, block
        try:
            assign(ev, place, value, span)
        finally:
            ev.code.block = outer
    return place


# --- switch ---------------------------------------------------------------------------


@stmt_rule(ast.Switch)
def _switch_stmt(ev: Evaluator, node: ast.Switch) -> Signal | None:
    subject = ev.expr(node.subject)
    check_arms(ev, node, subject)
    if subject.is_known:
        arm = _chosen(ev, node, subject)
        return None if arm is None else _run(ev, arm)
    if not ev.is_emitting():
        raise error("not-comptime", "the subject must be known at compile time", node.subject.span)
    signals: list[Signal | None] = []
    _chain(ev, node, subject, 0, signals)
    return NEVER if all(s is not None for s in signals) else None


def _run(ev: Evaluator, arm: ast.SwitchArm) -> Signal | None:
    body = arm.body
    with ev.new_scope():
        if isinstance(body, _STATEMENTS):
            return ev.stmt(body)
        ev.expr(body, ty.VOID)
        return None


_STATEMENTS = (
    ast.Block, ast.VarDecl, ast.Assign, ast.ExprStmt, ast.If, ast.While, ast.For, ast.Return, ast.Break,
    ast.Continue, ast.ComptimeStmt,
)  # fmt: skip


def _chosen(ev: Evaluator, node: ast.Switch, subject: Value) -> ast.SwitchArm | None:
    known = ev.decide(subject, node.subject.span)
    otherwise: ast.SwitchArm | None = None
    for arm in node.arms:
        if not arm.patterns:
            otherwise = arm
        for part in arm.patterns:
            if ev.decide(pattern(ev, part, subject), part.span) == known:
                return arm
    return otherwise


def _matches(ev: Evaluator, arm: ast.SwitchArm, subject: Value) -> tir.Expr:
    test: tir.Expr | None = None
    for part in arm.patterns:
        equal = ev.runtime(binary(ev, "==", subject, pattern(ev, part, subject), part.span))
        test = equal if test is None else tir.Binary("or", "bool", test, equal)
    assert test is not None
    return test


def _chain(ev: Evaluator, node: ast.Switch, subject: Value, at: int, signals: list[Signal | None]) -> None:
    """Arms as nested ifs; `else` comes last."""
    arms = [a for a in node.arms if a.patterns]
    if at == len(arms):
        rest = [a for a in node.arms if not a.patterns]
        if rest:
            signals.append(_run(ev, rest[0]))
        return
    test = _matches(ev, arms[at], subject)
    with ev.branch() as then:
        signals.append(_run(ev, arms[at]))
    with ev.branch() as otherwise:
        _chain(ev, node, subject, at + 1, signals)
    ev.emit(tir.If(test, tuple(then), tuple(otherwise)))


@expr_rule(ast.Switch)
def _switch_expr(ev: Evaluator, node: ast.Switch, expected: ty.Type | None) -> Value:
    subject = ev.expr(node.subject)
    check_arms(ev, node, subject)
    if not subject.is_known:
        return _switch_later(ev, node, subject, expected)
    arm = _chosen(ev, node, subject)
    if arm is None:
        raise error("no-arm", f"no arm for {subject.known}", node.subject.span)
    if isinstance(arm.body, _STATEMENTS):
        raise error("not-a-value", "this arm gives no value", arm.span)
    return ev.expr(arm.body, expected)


def _switch_later(ev: Evaluator, node: ast.Switch, subject: Value, expected: ty.Type | None) -> Value:
    if not ev.is_emitting():
        raise error("not-comptime", "the subject must be known at compile time", node.subject.span)
    arms = sorted(node.arms, key=lambda a: not a.patterns)
    done: list[Arm] = []
    for arm in arms:
        body = arm.body
        if isinstance(body, _STATEMENTS):
            raise error("not-a-value", "this arm gives no value", arm.span)
        done.append(_arm(ev, lambda body=body: ev.expr(body, expected)))
    place = _join(ev, done, expected, node.span)
    code: tuple[tir.Stmt, ...] = tuple(done[-1][0])
    for arm, (block, _) in zip(reversed(arms[:-1]), reversed(done[:-1]), strict=True):
        code = (tir.If(_matches(ev, arm, subject), tuple(block), code),)
    for statement in code:
        ev.emit(statement)
    return Value(ty.VOID, ()) if place is None else read(ev, place, node.span)


# --- blocks -------------------------------------------------------------------------------


@expr_rule(ast.BlockExpr)
def _block(ev: Evaluator, node: ast.BlockExpr, expected: ty.Type | None) -> Value:
    if not node.block.statements:
        return Value(ty.VOID, ())
    if not ev.is_emitting():
        return _block_now(ev, node)
    target = Target(node.block.label, ev.code.label(), None)
    target.type, target.depth = expected, ev.depth + 1
    ev.targets.append(target)
    try:
        with ev.branch() as block, ev.new_scope():
            signal = ev.statements(node.block.statements)
            value = _value_of(signal, target)
            if value is not None and target.used:
                give(ev, target, value, node.span)
    finally:
        ev.targets.pop()
    if value is not None and not target.used:
        ev.code.block.extend(block)
        return value
    ev.emit(tir.Block(target.break_label, tuple(block)))
    return Value(ty.VOID, ()) if target.result is None else read(ev, target.result, node.span)


def _value_of(signal: Signal | None, target: Target) -> Value | None:
    """The value of a `break` that ends the block in any case."""
    if signal is None or signal.kind != "break" or signal.label != target.name:
        return None
    return signal.value


def _block_now(ev: Evaluator, node: ast.BlockExpr) -> Value:
    with ev.new_scope():
        signal = ev.statements(node.block.statements)
    if signal is None:
        return Value(ty.VOID, ())
    if signal.kind == "break" and signal.label == node.block.label:
        return signal.value if signal.value is not None else Value(ty.VOID, ())
    raise error("bad-control-flow", "control leaves a block that gives a value", node.span)
