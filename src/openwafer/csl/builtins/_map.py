"""`@map`: a counted loop over the elements of its DSD operands, with the callback in its body."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from openwafer import tir
from openwafer.csl.builtins._args import arity
from openwafer.csl.evaluate._call import call, check_arity
from openwafer.csl.evaluate._eval import Evaluator, builtin, emitting
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _dsd_value as dsd
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._memory import new_static
from openwafer.csl.values._values import FnValue, Value
from openwafer.diag import error
from openwafer.tir import DsdWord


@dataclass(slots=True)
class Cursor:
    """A DSD operand while the loop runs: its record, and for memory the address of the next element and how
    often
    each of its dimensions but the last has advanced."""

    value: Value
    record: tir.Expr
    node: ast.Expr
    address: tir.Local | None = None
    counters: list[tir.Local] = field(default_factory=list[tir.Local])

    @property
    def count(self) -> tir.Expr:
        """How many elements it has."""
        words = (DsdWord.EXTENT0, DsdWord.EXTENT1, DsdWord.EXTENT2, DsdWord.EXTENT3)
        used = words if self.value.type is ty.MEM4D else words[:1]
        return functools.reduce(dsd.times, (dsd.get(self.record, word) for word in used))


@builtin("map")
def _map(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    builder = emitting(ev, node)
    arity(node, 2, max(len(node.args), 17))
    callee = ev.expr(node.args[0])
    if not isinstance(callee.known, FnValue) or not isinstance(callee.type, ty.FnType):
        raise error(
            "not-callable",
            f"the first argument of `@map` is a function, found {callee.type}",
            node.args[0].span,
        )
    fn: FnValue = callee.known
    returns = callee.type.result is not ty.VOID
    nodes = node.args[1:-1] if returns else node.args[1:]
    check_arity(fn, len(nodes), node.span)
    inputs = [_input(ev, n) for n in nodes]
    output = _output(ev, node.args[-1]) if returns else None
    cursors = [i for i in (*inputs, output) if isinstance(i, Cursor)]
    if not cursors:
        raise error("bad-operand", "`@map` needs at least one DSD operand", node.span)
    for operand, t in zip((*inputs, output), (*callee.type.params, callee.type.result), strict=True):
        if isinstance(operand, Cursor) and operand.address is not None:
            _fit(ev, operand, t)
    count = _trip_count(ev, cursors)
    here = tir.Local("u16", builder.slot("u16"))
    builder.emit(tir.Set(here.slot, tir.Const("u16", 0)))
    label = builder.label()
    with ev.branch() as body:
        done = tir.Binary("ge", "bool", here, count)
        builder.emit(tir.If(done, (tir.Break(label),), ()))
        args = _read_elements(ev, inputs, callee.type, node)
        spans = [n.span for n in nodes]
        result = call(ev, fn, args, spans, node.span, inline=True)
        if output is not None:
            _write(ev, output, result, node)
    step: list[tir.Stmt] = [tir.Set(here.slot, tir.Binary("add", "u16", here, tir.Const("u16", 1)))]
    for cursor in cursors:
        step += _advance(cursor) if cursor.address is not None else ()
    cycles = ev.unit.machine.scalar.map_step_cycles
    covered: tuple[tir.Stmt, ...] = (tir.Block(-1, tuple(step)),)
    builder.emit(tir.Loop(label, tuple(body), covered, True, cycles))
    return Value(ty.VOID, ())


def _input(ev: Evaluator, node: ast.Expr) -> Cursor | Value:
    value = ev.expr(node)
    if ty.is_dsr(value.type):
        raise error("not-supported-map-dsr", "DSRs as operands of `@map` are not supported yet", node.span)
    if value.type is ty.FABOUT:
        raise error("bad-operand", "a fabout_dsd cannot be an input of `@map`", node.span)
    return _cursor(ev, value, node) if ty.is_dsd(value.type) else value


def _output(ev: Evaluator, node: ast.Expr) -> Cursor | Value:
    value = ev.expr(node)
    if ty.is_dsr(value.type):
        raise error("not-supported-map-dsr", "DSRs as operands of `@map` are not supported yet", node.span)
    if value.type is ty.FABIN or not (ty.is_dsd(value.type) or isinstance(value.type, ty.PtrType)):
        raise error("bad-operand", f"a {value.type} cannot be the output of `@map`", node.span)
    return _cursor(ev, value, node) if ty.is_dsd(value.type) else value


def _cursor(ev: Evaluator, value: Value, node: ast.Expr) -> Cursor:
    if value.type in (ty.CIRCBUF, ty.FIFO):
        raise error(
            "not-supported-map-dsd", f"a {value.type} as operand of `@map` is not supported yet", node.span
        )
    record = ev.runtime(value)
    if not isinstance(record, tir.DsdMake):
        record = ev.code.save(record)
    cursor = Cursor(value, record, node)
    if value.type in (ty.MEM1D, ty.MEM4D):
        cursor.address = ev.code.save(dsd.get(record, DsdWord.BASE))
    if value.type is ty.MEM4D:
        cursor.counters = [ev.code.save(dsd.ZERO) for _ in range(3)]
    return cursor


def _fit(ev: Evaluator, cursor: Cursor, t: ty.Type) -> None:
    """Makes strides count elements of the type of a parameter or result."""
    _check_element(t, cursor)
    size = ty.size_of(t)
    if isinstance(cursor.record, tir.DsdMake):
        cursor.record = dsd.fitted(cursor.record, size)
        return
    dimensions = 4 if cursor.value.type is ty.MEM4D else 1
    for word, stride in zip(
        dsd.STRIDES, dsd.fitted_at_run_time(cursor.record, size, dimensions), strict=False
    ):
        cursor.record = dsd.replaced(cursor.record, word, ev.code.save(stride))


def _trip_count(ev: Evaluator, cursors: list[Cursor]) -> tir.Expr:
    """The least extent: the loop ends when the first operand is used up."""
    count = cursors[0].count
    for cursor in cursors[1:]:
        other = cursor.count
        if other != count:
            count = tir.Select("u16", tir.Binary("lt", "bool", other, count), other, count)
    return count if isinstance(count, tir.Const) else ev.code.save(count)


def _advance(cursor: Cursor, dimension: int = 0) -> tuple[tir.Stmt, ...]:
    """Moves the address by the stride of the innermost dimension that can advance, and starts those inside
    it anew."""
    address = cursor.address
    assert address is not None
    stride = dsd.as_u16(dsd.get(cursor.record, DsdWord(DsdWord.STRIDE0 + dimension)))
    move = tir.Set(address.slot, tir.Binary("add", "u16", address, stride))
    if dimension >= len(cursor.counters):
        return (move,)
    counter = cursor.counters[dimension]
    step = tir.Set(counter.slot, tir.Binary("add", "u16", counter, tir.Const("u16", 1)))
    extent = dsd.as_u16(dsd.get(cursor.record, DsdWord(DsdWord.EXTENT0 + dimension)))
    is_over = tir.Binary("ge", "bool", counter, extent)
    restart = (tir.Set(counter.slot, dsd.ZERO), *_advance(cursor, dimension + 1))
    return step, tir.If(is_over, restart, (move,))


def _read_elements(
    ev: Evaluator, inputs: list[Cursor | Value], t: ty.FnType, node: ast.Builtin
) -> list[Value]:
    args: list[Value] = []
    loads: list[tir.Stmt] = []
    for operand, param in zip(inputs, t.params, strict=True):
        if isinstance(operand, Value):
            args.append(operand)
            continue
        name = _element(param, operand)
        slot = ev.code.slot(name)
        if operand.address is not None:
            loads.append(tir.Set(slot, tir.Load(name, operand.address)))
        else:
            _receive(ev, operand, name, slot, node)
        args.append(Value(param, ir=tir.Local(name, slot)))
    if loads:
        ev.emit(tir.Block(-1, tuple(loads)))
    return args


def _element(param: ty.Type, operand: Cursor) -> str:
    _check_element(param, operand)
    return ty.tir_type(param)


def _check_element(param: ty.Type, operand: Cursor) -> None:
    if not isinstance(param, (ty.IntType, ty.FloatType)) or ty.size_of(param) not in (2, 4):
        raise error("type-mismatch", f"an element of a DSD cannot be passed as {param}", operand.node.span)


def _receive(ev: Evaluator, operand: Cursor, name: str, slot: int, node: ast.Builtin) -> None:
    """One wavelet through a scratch variable."""
    wide = name.endswith("32")
    scratch = tir.Addr(new_static(ev, "map", ty.U32 if wide else ty.U16).symbol)
    one = dsd.replaced(operand.record, DsdWord.EXTENT0, tir.Const("u16", 1))
    _move(ev, wide, tir.Pointer(scratch), tir.Dsd(one), node)
    ev.emit(tir.Set(slot, tir.Load(name, scratch)))


def _move(ev: Evaluator, wide: bool, dest: tir.Operand, source: tir.Operand, node: ast.Builtin) -> None:
    op = "mov32" if wide else "mov16"
    ev.emit(
        tir.DsdOp(op, dest, source, None, None, False, None, None, None, None, None, 0, ev.loc(node.span))
    )


def _write(ev: Evaluator, output: Cursor | Value, result: Value, node: ast.Builtin) -> None:
    if isinstance(output, Value):
        assert isinstance(output.type, ty.PtrType)
        value = coerce(ev, result, output.type.element, node.args[-1].span)
        ev.emit(tir.Store(ev.runtime(output), ev.runtime(value)))
    elif output.address is not None:
        ir = ev.runtime(result, node.span)
        if not isinstance(ir, tir.Local):
            ir = ev.code.save(ir)
        ev.emit(tir.Block(-1, (tir.Store(output.address, ir),)))
    else:
        ir = ev.runtime(result, node.span)
        wide = ir.type.endswith("32")
        one = dsd.replaced(output.record, DsdWord.EXTENT0, tir.Const("u16", 1))
        word = "u32" if wide else "u16"
        scalar = ir if ir.type == word else tir.Bitcast(word, ir)
        _move(ev, wide, tir.Dsd(one), tir.Scalar(scalar), node)
