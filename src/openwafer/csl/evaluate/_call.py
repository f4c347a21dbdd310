"""Calls: evaluated now, inlined into the caller, or emitted as a call of a typed function."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.evaluate._eval import MAX_CALL_DEPTH, Evaluator, InlineReturn, Scope, expr_rule
from openwafer.csl.evaluate._names import read
from openwafer.csl.evaluate._stmt import freeze, return_inline
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._builder import FnBuilder
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._memory import check_runtime, new_static, store
from openwafer.csl.values._values import Cell, CellPlace, FnValue, MemoryPlace, Value, ValuePlace
from openwafer.diag import Label, Span, error

MAX_FUNCTIONS = 10_000
"""Most typed functions of a program: ends calls that go on with ever new comptime arguments."""


@expr_rule(ast.Call)
def _call(ev: Evaluator, node: ast.Call, expected: ty.Type | None) -> Value:
    callee = ev.expr(node.callee)
    if not isinstance(callee.known, FnValue):
        raise error("not-callable", f"a value of type {callee.type} cannot be called", node.callee.span)
    fn: FnValue = callee.known
    if fn.decl.kind == "task":
        raise error("call-of-task", f"task `{fn.name}` cannot be called; activate it", node.span)
    args = evaluate_args(ev, node.args)
    return call(ev, fn, args, [a.span for a in node.args], node.span)


def evaluate_args(ev: Evaluator, nodes: tuple[ast.Expr, ...]) -> list[Value]:
    """Values of arguments, left to right; earlier ones keep the value they had."""
    values: list[Value] = []
    for node in nodes:
        mark = ev.mark()
        value = ev.expr(node)
        values = [ev.keep_order(v, mark) for v in values]
        values.append(value)
    return values


def call(
    ev: Evaluator, fn: FnValue, args: list[Value], spans: list[Span], span: Span, *, inline: bool = False
) -> Value:
    """Calls a function with evaluated arguments; `inline` puts it into the caller's code in any case."""
    check_arity(fn, len(args), span)
    if fn.decl.body is None:
        raise error("not-supported-extern", f"extern function `{fn.name}` is not supported yet", span)
    ev.unit.call_depth += 1
    try:
        if ev.unit.call_depth > MAX_CALL_DEPTH:
            raise error("recursion", f"calls nest deeper than {MAX_CALL_DEPTH}; CSL has no recursion", span)
        inner = Evaluator(ev.unit, fn.module, ev.builder)
        inner.comptime = ev.comptime
        values, result = bind_args(inner, fn, args, spans)
        if not ev.is_emitting():
            return _call_now(inner, fn, result, span)
        if ty.is_comptime_only(result) and result is not ty.ANYTYPE:
            inner.comptime = True
            return _call_now(inner, fn, result, span)
        if inline or _is_inlined(fn, values, result):
            return _call_inline(ev, inner, fn, result, span)
        fixed = tuple(v for v, p in zip(values, fn.decl.params, strict=True) if p.comptime)
        given = [v for v, p in zip(values, fn.decl.params, strict=True) if not p.comptime]
        return _emit_call(ev, instance(ev, fn, span, fixed), given, result, span)
    finally:
        ev.unit.call_depth -= 1


def check_arity(fn: FnValue, given: int, span: Span) -> None:
    wanted = len(fn.decl.params)
    if wanted != given:
        declared = Label(fn.head, "declared here")
        message = f"`{fn.name}` takes {wanted} arguments, found {given}"
        raise error("wrong-arity", message, span, labels=[declared])


def bind_args(
    inner: Evaluator, fn: FnValue, args: list[Value], spans: list[Span]
) -> tuple[list[Value], ty.Type]:
    """Binds arguments in the scope of the callee; returns them in their declared types, and the result
    type."""
    values: list[Value] = []
    with inner.at_comptime():
        for param, arg, span in zip(fn.decl.params, args, spans, strict=True):
            target = inner.type_expr(param.type)
            value = coerce(inner, arg, target, span)
            if param.comptime and not value.is_known and not ty.is_dsd(value.type):
                raise error("not-comptime", f"argument `{param.name}` must be known at compile time", span)
            inner.scope.names[param.name] = ValuePlace(value.type, value)
            values.append(value)
        result = ty.VOID if fn.decl.result is None else inner.type_expr(fn.decl.result)
    return values, result


def _call_now(inner: Evaluator, fn: FnValue, result: ty.Type, span: Span) -> Value:
    inner.return_type = result
    inner.step(span)
    assert fn.decl.body is not None
    for name in inner.unit.addressed_names(fn.decl):
        place = inner.scope.names.get(name)
        if isinstance(place, ValuePlace) and place.value.is_known:
            cell = Cell(place.value, is_recorded=inner.unit.trace is not None)
            inner.scope.names[name] = CellPlace(place.type, cell, (), True)
    signal = inner.body(fn.decl.body.statements)
    if signal is not None and signal.kind == "return" and signal.value is not None:
        return signal.value
    if result is not ty.VOID:
        raise error("missing-return", f"`{fn.name}` ends without returning a {result}", fn.head)
    return Value(ty.VOID, ())


def _is_inlined(fn: FnValue, values: list[Value], result: ty.Type) -> bool:
    """Whether a call becomes part of its caller: what cannot be passed or returned in a register."""
    if fn.decl.inline or isinstance(result, (ty.StructType, ty.NamedStruct, ty.ArrayType)):
        return True
    aggregates = (ty.StructType, ty.NamedStruct, ty.ArrayType)
    for param, value in zip(fn.decl.params, values, strict=True):
        if param.comptime and _is_number(value):
            continue
        if param.comptime or ty.is_comptime_only(value.type) or isinstance(value.type, aggregates):
            return True
        if isinstance(param.type, ast.Builtin) or (
            isinstance(param.type, ast.Ident) and param.type.name == "anytype"
        ):
            return True
    return False


def _is_number(value: Value) -> bool:
    """Whether a comptime argument is a number that is the same on all PEs of the program: the function is
    then compiled once for it."""
    return value.ir is None and isinstance(value.known, (bool, int, float))


def _call_inline(ev: Evaluator, inner: Evaluator, fn: FnValue, result: ty.Type, span: Span) -> Value:
    builder = ev.code
    assert fn.decl.body is not None
    inner.depth = ev.depth
    inner.addressed = ev.unit.addressed_names(fn.decl)
    for name, place in list(inner.scope.names.items()):
        if isinstance(place, ValuePlace):
            inner.scope.names[name] = ValuePlace(place.type, freeze(ev, place.value), place.owner)
    _address_params(inner)
    inline = inner.inline_return = InlineReturn(builder.label(), result, ev.depth)
    with builder.nested() as block:
        inner.scope = Scope(inner.scope)
        signal = inner.statements(fn.decl.body.statements)
        value = signal.value if signal is not None and signal.kind == "return" else None
        if inline.used and value is not None and value.type is not ty.VOID:
            return_inline(inner, value, span)
            value = None
        if value is None and inline.result is not None:
            value = read(inner, inline.result, span)
    if inline.used:
        builder.emit(tir.Block(inline.label, tuple(block)))
    else:
        builder.block.extend(block)
    if value is None and result is not ty.VOID:
        raise error("missing-return", f"`{fn.name}` ends without returning a {result}", fn.head)
    return value if value is not None else Value(ty.VOID, ())


def _address_params(inner: Evaluator) -> None:
    """Parameters whose address is taken get a place in memory, in the order of their declaration."""
    for name, place in list(inner.scope.names.items()):
        if name not in inner.addressed:
            continue
        if isinstance(place, ValuePlace) and not ty.is_comptime_only(place.type) and not place.value.is_known:
            static = new_static(inner, name, place.type)
            memory = MemoryPlace(place.type, tir.Addr(static.symbol), False, static)
            store(inner, memory, place.value, None)
            inner.scope.names[name] = memory


def _emit_call(ev: Evaluator, index: int, values: list[Value], result: ty.Type, span: Span) -> Value:
    args = tuple(ev.runtime(v, span) for v in values)
    slot = None if result is ty.VOID else ev.code.slot(ty.tir_type(result))
    ev.emit(tir.Call(index, args, slot, ev.loc(span)))
    if slot is None:
        return Value(ty.VOID, ())
    return Value(result, ir=tir.Local(ty.tir_type(result), slot))


def instance(ev: Evaluator, fn: FnValue, span: Span, fixed: tuple[Value, ...] = ()) -> int:
    """Index in the program of the typed function made from `fn` with the numbers `fixed` for its comptime
    parameters; its body is compiled after all comptime blocks."""
    program = ev.program
    key = (fn.module, id(fn.decl), *((str(v.type), repr(v.known)) for v in fixed))
    found = program.instances.get(key)
    if found is None:
        if len(program.functions) >= MAX_FUNCTIONS:
            message = f"more than {MAX_FUNCTIONS:,} functions; `{fn.name}` may call itself"
            raise error("recursion", message, span)
        found = program.instances[key] = len(program.functions)
        program.functions.append(None)
        program.pending.append((found, fn, fixed))
    return found


def compile_function(ev: Evaluator, fn: FnValue, fixed: tuple[Value, ...] = ()) -> tir.Function:
    """The typed function of a function or task; `fixed` are the values of its comptime parameters."""
    decl = fn.decl
    assert decl.body is not None
    types = Evaluator(ev.unit, fn.module)
    comptime = [param.name for param in decl.params if param.comptime]
    known = {name: ValuePlace(v.type, v) for name, v in zip(comptime, fixed, strict=True)}
    types.scope.names.update(known)
    result = ty.VOID if decl.result is None else types.type_expr(decl.result)
    builder = FnBuilder(fn.name, result, ev.program.loc(decl.span))
    inner = Evaluator(ev.unit, fn.module, builder)
    inner.scope.names.update(known)
    inner.return_type = result
    inner.addressed = ev.unit.addressed_names(decl)
    for param in decl.params:
        if param.comptime:
            continue
        t = types.type_expr(param.type)
        check_runtime(t, param.span)
        slot = builder.slot(ty.tir_type(t))
        inner.scope.names[param.name] = ValuePlace(t, Value(t, ir=tir.Local(ty.tir_type(t), slot)))
        builder.params += 1
    _address_params(inner)
    inner.scope = Scope(inner.scope)
    signal = inner.statements(decl.body.statements)
    if signal is None and result is not ty.VOID:
        raise error("missing-return", f"`{fn.name}` can end without returning a {result}", fn.head)
    if signal is None:
        builder.emit(tir.Return(None))
    return builder.finish(fn.name)
