"""Configuration registers, and what is done when a color goes into teardown mode."""

from __future__ import annotations

from typing import cast

from openwafer import tir
from openwafer.csl.builtins._args import arity
from openwafer.csl.builtins._struct_fields import elements_of
from openwafer.csl.evaluate._call import instance
from openwafer.csl.evaluate._eval import Evaluator, builtin, emitting, program_unit
from openwafer.csl.evaluate._unit import ProgramUnit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._builder import FnBuilder
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._values import FnValue, Value
from openwafer.diag import Label, error

WORD_BITS = 16


def _word(ev: Evaluator, node: ast.Expr) -> tir.Expr:
    return ev.runtime(coerce(ev, ev.expr(node), ty.U16, node.span), node.span)


@builtin("get_config", "get_config_unchecked")
def _get_config(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """The ranges that may be given are promises of the program: kept, where that is known; else nothing
    depends on them."""
    arity(node, 1, 1 if node.name.endswith("unchecked") else 2)
    builder = emitting(ev, node)
    _check_ranges(ev, node, 1)
    slot = builder.slot("u16")
    builder.emit(tir.ReadConfig(slot, _word(ev, node.args[0]), ev.loc(node.span)))
    return Value(ty.U16, ir=tir.Local("u16", slot))


@builtin("set_config", "set_config_unchecked")
def _set_config(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2, 2 if node.name.endswith("unchecked") else 3)
    builder = emitting(ev, node)
    _check_ranges(ev, node, 2)
    address = _word(ev, node.args[0])
    builder.emit(tir.WriteConfig(address, _word(ev, node.args[1]), ev.loc(node.span)))
    return Value(ty.VOID, ())


def _check_ranges(ev: Evaluator, node: ast.Builtin, at: int) -> None:
    """`.{ first, last }` or several of them. Diagnostics: type-mismatch, bad-range, not-comptime."""
    if at >= len(node.args):
        return
    span = node.args[at].span
    given = elements_of(ev.comptime_expr(node.args[at]), "a range of addresses", span)
    is_one = all(part.parts is None for part in given)
    ranges = [given] if is_one else [elements_of(part, "a range of addresses", span) for part in given]
    known = [tuple(ev.known_integer(end, span, "address") for end in ends) for ends in ranges]
    if any(len(ends) != 2 or ends[0] > ends[1] for ends in known):
        raise error("bad-range", "a range of addresses is `.{ first, last }`", span)
    address = ev.expr(node.args[0])
    if address.is_known and not any(first <= address.known <= last for first, last in known):
        raise error("bad-range", f"address {address.known:#x} is outside of what is given", span)


@builtin("openwafer_register")
def _register(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_register("color_config")`: the first word address of a block of registers."""
    arity(node, 1)
    name = ev.string(node.args[0], "register")
    address = getattr(ev.unit.machine.fabric, f"{name}_address")
    if address is None:
        message = f"{ev.unit.arch} has no register `{name}`"
        raise error("no-such-register", message, node.span)
    return Value(ty.U16, address)


@builtin("openwafer_mask_of_directions")
def _mask_of_directions(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """A direction, or several as an array or struct, as bits W E S N RAMP."""
    arity(node, 1)
    mask = 0
    for part in _parts(ev.expr(node.args[0])):
        if part.type is not ty.DIRECTION:
            raise error("type-mismatch", f"a route is made of directions, found {part.type}", node.span)
        mask |= 1 << (0, 1, 3, 2, 4)[int(ev.decide(part, node.span))]
    return Value(ty.U16, mask)


def _parts(value: Value) -> list[Value]:
    if value.parts is not None:
        return list(value.parts.values())
    if isinstance(value.type, ty.ArrayType) and isinstance(value.known, list):
        element = value.type.element
        parts = cast("list[object]", value.known)  # pyright: ignore[reportUnknownMemberType]
        return [part if isinstance(part, Value) else Value(element, part) for part in parts]
    return [value]


# --- teardown ---------------------------------------------------------------------------


@builtin("openwafer_teardown_id")
def _teardown_id(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 0)
    return Value(ty.LOCAL_TASK_ID, ev.unit.machine.task.teardown_id)


@builtin("set_teardown_handler")
def _set_teardown_handler(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """Diagnostics: type-mismatch, id-out-of-range, teardown-handler-set-twice."""
    arity(node, 2)
    unit = program_unit(ev, node)
    fn = ev.expr(node.args[0]).known
    if not isinstance(fn, FnValue) or fn.decl.kind != "fn" or fn.decl.params:
        message = "a teardown handler is a function without parameters"
        raise error("type-mismatch", message, node.args[0].span)
    color = ev.known_integer(ev.expr(node.args[1]), node.args[1].span, "color")
    if not 0 <= color < unit.machine.fabric.colors:
        raise error("id-out-of-range", f"color {color} is not routable", node.args[1].span)
    if color in unit.teardown_handlers:
        first = Label(unit.teardown_handlers[color][1], "first set here")
        message = f"the teardown handler of color {color} is set twice"
        raise error("teardown-handler-set-twice", message, node.span, labels=[first])
    unit.teardown_handlers[color] = instance(ev, fn, node.span), node.span
    return Value(ty.VOID, ())


def bind_teardown_handlers(unit: ProgramUnit) -> None:
    """The task of the teardown id: it calls the handler of each color that went into teardown mode."""
    if not unit.teardown_handlers:
        return
    number, address = unit.machine.task.teardown_id, unit.machine.fabric.teardown_pending_address
    span = next(iter(unit.teardown_handlers.values()))[1]
    if number is None or address is None:
        raise error("not-supported-teardown", f"{unit.arch} has no teardown task", span)
    if number in unit.tasks:
        label = Label(unit.task_spans[number], "bound here")
        message = f"local task id {number} belongs to the teardown handlers"
        raise error("task-id-bound-twice", message, span, labels=[label])
    unit.tasks[number] = tir.Task(number, "local", len(unit.functions), ())
    unit.task_spans[number] = span
    unit.functions.append(_dispatcher(unit, address))


def _dispatcher(unit: ProgramUnit, address: int) -> tir.Function:
    builder = FnBuilder("<teardown>", ty.VOID, -1)
    words = sorted({color // WORD_BITS for color in unit.teardown_handlers})
    pending = {word: builder.slot("u16") for word in words}
    for word, slot in pending.items():
        builder.emit(tir.ReadConfig(slot, tir.Const("u16", address + word), -1))
    for color, (function, _) in unit.teardown_handlers.items():
        bit = tir.Const("u16", 1 << color % WORD_BITS)
        is_set = tir.Binary("and", "u16", tir.Local("u16", pending[color // WORD_BITS]), bit)
        cond = tir.Binary("ne", "bool", is_set, tir.Const("u16", 0))
        builder.emit(tir.If(cond, (tir.Call(function, (), None, -1),), ()))
    builder.emit(tir.Return(None))
    return builder.finish("<teardown>")
