"""Statements: executed at compile time, emitted at run time."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.evaluate._eval import NEVER, Evaluator, Scope, Signal, Target, is_constant, stmt_rule
from openwafer.csl.evaluate._names import read, zero
from openwafer.csl.evaluate._place import assign, check_assignable, place_of
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._memory import check_runtime, new_static, store
from openwafer.csl.values._operators import binary
from openwafer.csl.values._values import (
    Cell,
    CellPlace,
    FieldsPlace,
    MemoryPlace,
    Place,
    SlotPlace,
    Value,
    ValuePlace,
)
from openwafer.diag import Span, error


@stmt_rule(ast.Block)
def _block(ev: Evaluator, node: ast.Block) -> Signal | None:
    if node.label is not None and ev.is_emitting():
        return _labelled(ev, node)
    outer = ev.scope
    ev.scope = Scope(outer)
    try:
        signal = ev.statements(node.statements)
    finally:
        ev.scope = outer
    if (
        signal is not None
        and signal.kind == "break"
        and signal.label is not None
        and signal.label == node.label
    ):
        return None
    return signal


def _labelled(ev: Evaluator, node: ast.Block) -> Signal | None:
    target = Target(node.label, ev.code.label(), None)
    ev.targets.append(target)
    try:
        with ev.code.nested() as block, ev.new_scope():
            signal = ev.statements(node.statements)
    finally:
        ev.targets.pop()
    ev.emit(tir.Block(target.break_label, tuple(block)))
    return None if target.used else signal


@stmt_rule(ast.ComptimeStmt)
def _comptime(ev: Evaluator, node: ast.ComptimeStmt) -> Signal | None:
    with ev.at_comptime():
        return ev.stmt(node.body)


@stmt_rule(ast.ExprStmt)
def _expr(ev: Evaluator, node: ast.ExprStmt) -> Signal | None:
    ev.expr(node.expr, ty.VOID)
    return None


# --- variables ------------------------------------------------------------------


@stmt_rule(ast.VarDecl)
def _variable(ev: Evaluator, node: ast.VarDecl) -> Signal | None:
    if node.name != "_" and node.name in ev.scope.names:
        raise error("duplicate-name", f"`{node.name}` is declared twice", node.span)
    ev.scope.names[node.name] = _declare(ev, node)
    return None


def _declare(ev: Evaluator, node: ast.VarDecl) -> Place:
    target = ev.type_expr(node.type) if node.type is not None else None
    if node.value is None:
        if target is None:
            raise error("missing-type", f"`{node.name}` needs a type or a value", node.span)
        return _uninitialised(ev, node, target)
    if node.comptime:
        with ev.at_comptime():
            value = ev.expr(node.value, target)
    else:
        value = ev.expr(node.value, target)
    if target is not None:
        value = coerce(ev, value, target, node.value.span)
    if node.const:
        return _constant(ev, node, value)
    return _local(ev, node, value)


def _uninitialised(ev: Evaluator, node: ast.VarDecl, t: ty.Type) -> Place:
    if not ev.is_emitting() or node.comptime or ty.is_comptime_only(t):
        return CellPlace(t, Cell(zero(t, node.span), is_recorded=ev.unit.trace is not None))
    if _lives_in_memory(ev, node.name, t) or ty.is_dsd(t):
        static = new_static(ev, node.name, t, span=node.span)
        return MemoryPlace(t, tir.Addr(static.symbol), False, static)
    return slots(ev, t, node.span)


def _lives_in_memory(ev: Evaluator, name: str, t: ty.Type) -> bool:
    return isinstance(t, ty.ArrayType) or name in ev.addressed


def slots(ev: Evaluator, t: ty.Type, span: Span) -> Place:
    """A new place for a value of the type: local slots; memory for arrays and unions."""
    check_runtime(t, span)
    union = isinstance(t, ty.NamedStruct) and t.kind == "union"
    if isinstance(t, (ty.StructType, ty.NamedStruct)) and not union:
        return FieldsPlace(t, {name: slots(ev, field, span) for name, field in t.fields})
    if union or isinstance(t, ty.ArrayType):
        static = new_static(ev, "array", t)
        return MemoryPlace(t, tir.Addr(static.symbol), False, static)
    return SlotPlace(t, ev.code.slot(ty.tir_type(t)))


def _constant(ev: Evaluator, node: ast.VarDecl, value: Value) -> Place:
    if not ev.is_emitting() or value.type is ty.VOID:
        return ValuePlace(value.type, value)
    if node.name in ev.addressed and not ty.is_comptime_only(value.type) and not value.is_known:
        return _in_memory(ev, node, value)
    return ValuePlace(value.type, freeze(ev, value), node)


def freeze(ev: Evaluator, value: Value) -> Value:
    """The value as it is now: what can change later is copied to a slot."""
    if value.parts is not None:
        return Value(value.type, {n: freeze(ev, v) for n, v in value.parts.items()})
    if value.is_known or value.ir is None:
        return value
    if isinstance(value.type, ty.ArrayType):
        return _copied(ev, value)
    if is_constant(value.ir):
        return value
    return Value(value.type, ir=ev.code.save(value.ir))


def _copied(ev: Evaluator, value: Value) -> Value:
    static = new_static(ev, "copy", value.type)
    store(ev, MemoryPlace(value.type, tir.Addr(static.symbol)), value, None)
    return Value(value.type, ir=tir.Addr(static.symbol))


def _in_memory(ev: Evaluator, node: ast.VarDecl, value: Value) -> Place:
    static = new_static(ev, node.name, value.type, span=node.span)
    place = MemoryPlace(value.type, tir.Addr(static.symbol), node.const, static)
    store(ev, MemoryPlace(value.type, place.addr), value, node.span)
    return place


def _local(ev: Evaluator, node: ast.VarDecl, value: Value) -> Place:
    t = value.type
    if not ev.is_emitting() or node.comptime or ty.is_comptime_only(t):
        if not value.is_known and not ty.is_dsd(t):
            raise error("not-comptime", f"`{node.name}` needs a value known at compile time", node.span)
        return CellPlace(t, Cell(value, is_recorded=ev.unit.trace is not None))
    if _lives_in_memory(ev, node.name, t):
        return _in_memory(ev, node, value)
    place = slots(ev, t, node.span)
    assign(ev, place, value, node.span)
    return place


@stmt_rule(ast.Assign)
def _assign(ev: Evaluator, node: ast.Assign) -> Signal | None:
    if isinstance(node.target, ast.Ident) and node.target.name == "_":
        ev.expr(node.value)
        return None
    place = place_of(ev, node.target)
    check_assignable(place, node.target.span)
    if node.op == "=":
        value = ev.expr(node.value, place.type)
    else:
        old = read(ev, place, node.target.span)
        mark = ev.mark()
        operand = ev.expr(node.value)
        value = binary(ev, node.op[:-1], ev.keep_order(old, mark), operand, node.span)
    assign(ev, place, value, node.value.span)
    return None


# --- if ---------------------------------------------------------------------------


@stmt_rule(ast.If)
def _if(ev: Evaluator, node: ast.If) -> Signal | None:
    condition = ev.expr(node.condition)
    if condition.type is not ty.BOOL:
        raise error("type-mismatch", f"expected bool, found {condition.type}", node.condition.span)
    if condition.is_known:
        if ev.decide(condition, node.condition.span):
            return ev.stmt(node.then)
        return ev.stmt(node.otherwise) if node.otherwise is not None else None
    if not ev.is_emitting():
        raise error("not-comptime", "the condition must be known at compile time", node.condition.span)
    then, left = _branch(ev, node.then)
    otherwise, right = _branch(ev, node.otherwise)
    ev.emit(tir.If(ev.runtime(condition), then, otherwise))
    return NEVER if left is not None and right is not None else None


def _branch(ev: Evaluator, node: ast.Stmt | None) -> tuple[tuple[tir.Stmt, ...], Signal | None]:
    if node is None:
        return (), None
    with ev.branch() as block:
        signal = ev.stmt(node)
    return tuple(block), signal


# --- leaving ----------------------------------------------------------------------------


@stmt_rule(ast.Return)
def _return(ev: Evaluator, node: ast.Return) -> Signal | None:
    expected = ev.inline_return.type if ev.inline_return is not None else ev.return_type
    value = ev.expr(node.value, expected) if node.value is not None else Value(ty.VOID, ())
    value = _result(ev, value, expected, node)
    if not ev.is_emitting():
        return Signal("return", value=value)
    inline = ev.inline_return
    if inline is None:
        ev.emit(tir.Return(None if value.type is ty.VOID else ev.runtime(value, node.span)))
        return NEVER
    if ev.depth == inline.depth and not inline.used:
        return Signal("return", value=value)
    return_inline(ev, value, node.span)
    return NEVER


def return_inline(ev: Evaluator, value: Value, span: Span) -> None:
    """Puts the result of an inlined function where its caller finds it, and leaves its block."""
    inline = ev.inline_return
    assert inline is not None
    if value.type is not ty.VOID:
        if inline.result is None:
            if ty.is_comptime_only(value.type):
                raise error(
                    "not-runtime", f"a {value.type} cannot be returned under a run-time condition", span
                )
            inline.result = slots(ev, value.type, span)
        assign(ev, inline.result, value, span)
    inline.used = True
    ev.emit(tir.Break(inline.label))


def _result(ev: Evaluator, value: Value, expected: ty.Type, node: ast.Return) -> Value:
    if expected is ty.VOID and value.type is not ty.VOID:
        raise error("type-mismatch", f"a void function returns a {value.type}", node.span)
    span = node.value.span if node.value is not None else node.span
    return coerce(ev, value, expected, span)


def _find_target(ev: Evaluator, label: str | None, loop: bool, span: Span) -> Target:
    for target in reversed(ev.targets):
        if label is None and (target.continue_label is not None):
            return target
        if label is not None and target.name == label:
            return target
    what = "continue" if loop else "break"
    if label is not None:
        raise error("unknown-label", f"no block or loop is labelled `{label}`", span)
    raise error("outside-loop", f"`{what}` outside of a loop", span)


@stmt_rule(ast.Break)
def _break(ev: Evaluator, node: ast.Break) -> Signal | None:
    if not ev.is_emitting():
        value = ev.expr(node.value) if node.value is not None else None
        return Signal("break", node.label, value, node.span)
    target = _find_target(ev, node.label, False, node.span)
    if node.value is not None:
        value = ev.expr(node.value, target.type)
        if target.depth == ev.depth and not target.used:
            return Signal("break", node.label, value)
        give(ev, target, value, node.value.span)
    target.used = True
    ev.emit(tir.Break(target.break_label))
    return NEVER


def give(ev: Evaluator, target: Target, value: Value, span: Span) -> None:
    """Puts the value of a block where it is read after the block."""
    if value.type is ty.VOID:
        return
    if target.result is None:
        wanted = target.type
        t = value.type if wanted is None or ty.runtime_obstacle(wanted) else wanted
        target.result = slots(ev, t, span)
    assign(ev, target.result, value, span)


@stmt_rule(ast.Continue)
def _continue(ev: Evaluator, node: ast.Continue) -> Signal | None:
    if not ev.is_emitting():
        return Signal("continue", node.label, span=node.span)
    target = _find_target(ev, node.label, True, node.span)
    if target.continue_label is None:
        raise error("outside-loop", "`continue` needs a loop", node.span)
    if target.continue_label == target.break_label:
        ev.emit(tir.Continue(target.continue_label))
    else:
        ev.emit(tir.Break(target.continue_label))
    return NEVER
