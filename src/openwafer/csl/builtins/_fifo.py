"""FIFOs: `@allocate_fifo`, their lengths, and what an operation may do with one.

Source: “Data Structure Descriptors”, FIFOs, of the SDK documentation."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from openwafer import tir
from openwafer.csl.builtins._args import argument, arity, choice, struct_fields
from openwafer.csl.builtins._dsd import SIMD_MODES, priority_flag
from openwafer.csl.builtins._struct_fields import FIFO
from openwafer.csl.builtins._tasks import ACTIVATABLE, known_number, task_number
from openwafer.csl.evaluate._eval import Evaluator, builtin, emitting, program_unit
from openwafer.csl.evaluate._place import place_of
from openwafer.csl.evaluate._unit import ProgramUnit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _dsd_value as dsd
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._values import MemoryPlace, Place, Ref, Static, Value, ValuePlace
from openwafer.diag import Label, Span, error
from openwafer.tir import DsdKind, DsdWord

ACTIONS = ("test_or_suspend", "terminate", "suspend", "fault")
WSE2_ACTIONS = ("test_or_suspend", "terminate")
DEFAULT_ACTION = "test_or_suspend"
WAVELET_BYTES, SIMD_64_BYTES = 4, 8


@builtin("allocate_fifo")
def _allocate_fifo(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1, 2)
    unit = program_unit(ev, node)
    _check_global(ev, node)
    static, array = _buffer(ev, node.args[0])
    arg = argument(node, 1)
    fields = {} if arg is None else struct_fields(ev, arg, FIFO)
    flags = _flags(ev, fields, node)
    _check_buffer(unit, static, array, fields, node)
    _align(ev, unit, static, node.args[0])
    unit.fifos.append(
        tir.Fifo(
            symbol=static.symbol,
            elements=array.count,
            element_bytes=ty.size_of(array.element),
            activate_push=_activated(ev, fields, "activate_push", node),
            activate_pop=_activated(ev, fields, "activate_pop", node),
            empty=_action(ev, fields, "empty_action", node),
            full=_action(ev, fields, "full_action", node),
        )
    )
    unit.fifo_spans.append(node.span)
    record = {DsdWord.KIND: DsdKind.FIFO, DsdWord.BASE: len(unit.fifos) - 1, DsdWord.FLAGS: flags}
    return Value(ty.FIFO, ir=dsd.make({**record, DsdWord.ELEMENT_BYTES: ty.size_of(array.element)}))


def _check_global(ev: Evaluator, node: ast.Builtin) -> None:
    """The call must stand in the value of a global constant that is being evaluated."""
    for name in ev.module.evaluating:
        decl = ev.module.file.names.get(name)
        if (
            isinstance(decl, ast.VarDecl)
            and decl.const
            and decl.span.start <= node.span.start < decl.span.end
        ):
            return
    raise error("fifo-not-global", "a FIFO must be the value of a global `const`", node.span)


def _buffer(ev: Evaluator, arg: ast.Expr) -> tuple[Static, ty.ArrayType]:
    """The array in memory that a name or a pointer stands for."""
    place = place_of(ev, arg)
    static, t = _array_of(place)
    if static is None or not isinstance(t, ty.ArrayType):
        raise error(
            "fifo-buffer", f"the buffer of a FIFO is a global `var` array, found {place.type}", arg.span
        )
    if static.const:
        raise error(
            "fifo-buffer", "the buffer of a FIFO is a constant", arg.span, help="declare it with `var`"
        )
    if not isinstance(t.element, (ty.IntType, ty.FloatType)) or ty.size_of(t.element) not in (2, 4):
        message = f"the elements of a FIFO are 16- or 32-bit numbers, found {t.element}"
        raise error("fifo-buffer", message, arg.span)
    return static, t


def _array_of(place: Place) -> tuple[Static | None, ty.Type]:
    if isinstance(place, MemoryPlace) and not place.offset:
        return place.static, place.type
    if isinstance(place, ValuePlace) and isinstance(place.type, ty.PtrType):
        known = place.value.known
        if isinstance(known, Ref) and isinstance(known.base, Static) and not known.offset:
            return known.base, place.type.element if not place.type.many else known.base.type
    return None, place.type


def _check_buffer(
    unit: ProgramUnit, static: Static, array: ty.ArrayType, fields: dict[str, Value], node: ast.Builtin
) -> None:
    """A buffer belongs to one FIFO and holds at least one transfer (assumed: a wavelet, or two with SIMD)."""
    for fifo, span in zip(unit.fifos, unit.fifo_spans, strict=True):
        if fifo.symbol == static.symbol:
            labels = [Label(span, "first used here")]
            raise error("fifo-buffer-shared", "two FIFOs share a buffer", node.args[0].span, labels=labels)
    wide = "simd_mode" in fields and "simd_32" not in (fields["simd_mode"].known or {})
    least = SIMD_64_BYTES if wide else WAVELET_BYTES
    size = ty.size_of(array)
    if size < least:
        message = f"a FIFO needs a buffer of at least {least} bytes, {array} has {size}"
        raise error("fifo-buffer-small", message, node.args[0].span)


def _align(ev: Evaluator, unit: ProgramUnit, static: Static, arg: ast.Expr) -> None:
    """The buffer gets the alignment that FIFOs need; a smaller explicit one is an error."""
    least = unit.machine.memory.fifo_alignment_bytes
    decl = ev.module.file.names.get(arg.name) if isinstance(arg, ast.Ident) else None
    symbol = unit.symbols[static.symbol]
    if isinstance(decl, ast.VarDecl) and decl.align is not None and symbol.align < least:
        message = f"the buffer of a FIFO is aligned to {least} bytes, found {symbol.align}"
        raise error("fifo-alignment", message, decl.align.span, help=f"align({least})")
    unit.symbols[static.symbol] = msgspec.structs.replace(symbol, align=max(symbol.align, least))


def _flags(ev: Evaluator, fields: dict[str, Value], node: ast.Builtin) -> int:
    """Priority (WSE-3) and SIMD mode (WSE-2), which changes nothing of a simulated FIFO."""
    flags = 0
    if "priority" in fields:
        flags |= priority_flag(ev, fields["priority"], node)
    if "simd_mode" in fields:
        flags |= SIMD_MODES[choice(ev, fields["simd_mode"], tuple(SIMD_MODES), "a SIMD mode", node)]
    return int(flags)


def _activated(ev: Evaluator, fields: dict[str, Value], name: str, node: ast.Builtin) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    return known_number(task_number(ev, node.args[1], value, ACTIVATABLE), node)


def _action(ev: Evaluator, fields: dict[str, Value], name: str, node: ast.Builtin) -> str:
    value = fields.get(name)
    if value is None:
        return DEFAULT_ACTION
    action = choice(ev, value, ACTIONS, f"`.{name}`", node)
    if ev.unit.arch == "wse2" and action not in WSE2_ACTIONS:
        raise error("wrong-arch", f"`.{name} = .{action}` does not exist on wse2", node.args[1].span)
    return action


@builtin("set_fifo_read_length", "set_fifo_write_length")
def _set_length(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    builder = emitting(ev, node)
    value = ev.expr(node.args[0])
    if value.type is not ty.FIFO:
        raise error("type-mismatch", f"`@{node.name}` needs a FIFO, found {value.type}", node.args[0].span)
    number = fifo_number(value, node.args[0].span)
    length = ev.runtime(_as_u16(ev, node.args[1]))
    builder.emit(tir.SetFifoLength(number, node.name == "set_fifo_write_length", length, ev.loc(node.span)))
    return Value(ty.VOID, ())


def _as_u16(ev: Evaluator, node: ast.Expr) -> Value:
    """A length; an i16 is taken as it is, as lengths of DSDs are."""
    value = ev.expr(node, ty.U16)
    if value.type == ty.I16 and not value.is_known:
        return Value(ty.U16, ir=tir.Cast("u16", ev.runtime(value)))
    return coerce(ev, value, ty.U16, node.span)


def fifo_number(value: Value, span: Span) -> int:
    """Index of a FIFO value in the program. Diagnostics: fifo-not-comptime."""
    if isinstance(value.ir, tir.DsdMake):
        number = value.ir.words[DsdWord.BASE]
        if isinstance(number, tir.Const):
            return int(number.value)
    raise error("fifo-not-comptime", "it must be known at compile time which FIFO this is", span)


def check_operands(
    ev: Evaluator, operands: Sequence[Value], widths: Sequence[int], spans: Sequence[Span]
) -> None:
    """What an operation asks of its FIFOs; `operands` are the destination and the sources, `widths` the
    bytes of
    their elements.

    Diagnostics: fifo-not-comptime, fifo-operand, fifo-element."""
    places = [i for i, value in enumerate(operands) if value.type is ty.FIFO]
    for i in places:
        fifo = ev.program.fifos[fifo_number(operands[i], spans[i])]
        if fifo.element_bytes != widths[i]:
            message = (
                f"the operation moves {widths[i]}-byte elements, the FIFO has {fifo.element_bytes}-byte ones"
            )
            raise error("fifo-element", message, spans[i])
    if len(operands) > 2 and len(places) > 1:
        raise error(
            "fifo-operand", "an operation with two sources has at most one FIFO operand", spans[places[1]]
        )
    if len(operands) > 2 and 1 in places:
        raise error("fifo-operand", "a FIFO cannot be the first of two sources", spans[1])
