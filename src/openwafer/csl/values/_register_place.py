"""Configuration registers through pointers: `@bitcast(*u16, address).*`.

Registers lie behind the PE's memory, two bytes a word. Where the address is known, so is which of both it is;
else code decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwafer import tir
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import RegisterPlace, Value
from openwafer.diag import Span, error

if TYPE_CHECKING:
    from openwafer.csl.evaluate._eval import Evaluator

REGISTER_BITS = 16


def read_register(ev: Evaluator, place: RegisterPlace, span: Span) -> Value:
    """Diagnostics: not-comptime."""
    _check_emitting(ev, span)
    builder = ev.code
    slot = builder.slot(ty.tir_type(place.type))
    of_memory = tir.Set(slot, tir.Load(ty.tir_type(place.type), place.addr))
    if not _may_be_register(ev, place.addr):
        builder.emit(of_memory)
        return Value(place.type, ir=tir.Local(ty.tir_type(place.type), slot))
    word = builder.slot("u16")
    read = tir.ReadConfig(word, _word_of(place.addr), ev.loc(span))
    taken = tir.Set(slot, _as(ty.tir_type(place.type), tir.Local("u16", word)), ev.loc(span))
    if isinstance(place.addr, tir.Const):
        builder.emit(read)
        builder.emit(taken)
    else:
        builder.emit(tir.If(_is_register(ev, place.addr), (read, taken), (of_memory,)))
    return Value(place.type, ir=tir.Local(ty.tir_type(place.type), slot))


def write_register(ev: Evaluator, place: RegisterPlace, value: Value, span: Span) -> None:
    """Diagnostics: not-comptime."""
    _check_emitting(ev, span)
    builder, ir = ev.code, ev.runtime(value, span)
    of_memory = tir.Store(place.addr, ir, ev.loc(span))
    write = tir.WriteConfig(_word_of(place.addr), _as("u16", ir), ev.loc(span))
    if not _may_be_register(ev, place.addr):
        builder.emit(of_memory)
    elif isinstance(place.addr, tir.Const):
        builder.emit(write)
    else:
        builder.emit(tir.If(_is_register(ev, place.addr), (write,), (of_memory,)))


def _check_emitting(ev: Evaluator, span: Span) -> None:
    if not ev.is_emitting():
        raise error("not-comptime", "a number as an address is read and written at run time only", span)


def _may_be_register(ev: Evaluator, addr: tir.Expr) -> bool:
    return not isinstance(addr, tir.Const) or addr.value >= ev.unit.machine.memory.bytes_per_pe


def _is_register(ev: Evaluator, addr: tir.Expr) -> tir.Expr:
    return tir.Binary("ge", "bool", addr, tir.Const("u16", ev.unit.machine.memory.bytes_per_pe))


def _word_of(addr: tir.Expr) -> tir.Expr:
    if isinstance(addr, tir.Const):
        return tir.Const("u16", int(addr.value) >> 1)
    return tir.Binary("shr", "u16", addr, tir.Const("u16", 1))


def _as(type: str, ir: tir.Expr) -> tir.Expr:
    return ir if ir.type == type else tir.Bitcast(type, ir)
