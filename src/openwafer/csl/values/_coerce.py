"""Implicit conversions: which values are accepted where a type is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwafer import tir
from openwafer.csl.values import _types as ty
from openwafer.csl.values._numbers import round_float
from openwafer.csl.values._values import FnValue, Value
from openwafer.diag import Span, error

if TYPE_CHECKING:
    from openwafer.csl.evaluate._eval import Evaluator

CELL_BITS = 32
"""Width of a parameter cell."""


def mismatch(expected: object, value: Value, span: Span | None) -> Exception:
    return error("type-mismatch", f"expected {expected}, found {value.type}", span)


def coerce(ev: Evaluator, value: Value, target: ty.Type, span: Span | None) -> Value:
    """`value` as a value of type `target`, or a `type-mismatch` / `int-out-of-range` diagnostic."""
    source = value.type
    if source is target or target is ty.ANYTYPE or source == target:
        return value
    match target:
        case ty.IntType():
            return _to_integer(ev, value, target, span)
        case ty.FloatType():
            return _to_float(ev, value, target, span)
        case ty.PtrType():
            return _to_pointer(value, target, span)
        case ty.FnType():
            return _to_function(value, target, span)
        case ty.StructType() | ty.NamedStruct():
            return _to_struct(ev, value, target, span)
        case ty.ArrayType():
            return _to_array(ev, value, target, span)
        case _ if target is ty.ANY_STRUCT and isinstance(source, (ty.StructType, ty.NamedStruct)):
            return value
        case _ if target is ty.COMPTIME_INT and isinstance(source, ty.IntType) and value.is_known:
            return Value(target, value.known, value.ir)
        case _ if target is ty.COMPTIME_FLOAT and ty.is_number(source) and value.is_known:
            return Value(target, finite_float(Value(source, ev.decide(value, span)), span))
        case _ if ty.is_id(target) and target is not ty.DIRECTION and ty.is_integer(source):
            return Value(target, value.known, _as_u16(value))
        case _ if target is ty.DSR_DEST and source is ty.DSR_SRC0:
            return value
        case _:
            raise mismatch(target, value, span)


def _as_u16(value: Value) -> tir.Expr | None:
    return None if value.ir is None else tir.Cast("u16", value.ir)


def _to_integer(ev: Evaluator, value: Value, target: ty.IntType, span: Span | None) -> Value:
    source = value.type
    if value.is_known and ty.is_integer(source):
        if not target.low <= value.known <= target.high:
            raise error("int-out-of-range", f"{value.known} does not fit into {target}", span)
        if value.ir is not None:
            ev.require_range(value, target)
            return Value(target, value.known, narrow(value.ir, str(target)))
        return Value(target, value.known)
    if isinstance(source, ty.IntType):
        wider = source.bits < target.bits and (source.signed == target.signed or target.signed)
        if wider:
            return Value(target, ir=tir.Cast(str(target), ev.runtime(value)))
    raise mismatch(target, value, span)


def narrow(ir: tir.Expr, target: str) -> tir.Expr:
    """`ir`, an integer that fits, in type `target`; a bare parameter cell is simply read in that type."""
    cell = bare_cell(ir)
    fits = cell is not None and int(target[1:]) <= CELL_BITS
    return tir.Param(target, cell.index) if cell is not None and fits else tir.Cast(target, ir)


def bare_cell(ir: tir.Expr) -> tir.Param | None:
    """The cell that an expression reads and does nothing else with; a comptime_int is read by way of i64."""
    if isinstance(ir, tir.Cast) and ir.type == "i64":
        ir = ir.a
    return ir if isinstance(ir, tir.Param) and ir.type[0] in "iu" else None


def _to_float(ev: Evaluator, value: Value, target: ty.FloatType, span: Span | None) -> Value:
    source = value.type
    if source is ty.COMPTIME_FLOAT or source is ty.COMPTIME_INT:
        ir = None if value.ir is None else tir.Cast(target.name, value.ir)
        return Value(target, round_float(finite_float(value, span), target), ir)
    if not (isinstance(source, ty.FloatType) and source.bits < target.bits):
        raise mismatch(target, value, span)
    if value.is_known and value.ir is None:
        return Value(target, value.known)
    return Value(target, value.known, tir.Cast(target.name, ev.runtime(value, span)))


def finite_float(value: Value, span: Span | None) -> float:
    """A known number as a double; `float-out-of-range` for integers beyond them."""
    try:
        return float(value.known)
    except OverflowError:
        raise error("float-out-of-range", f"{value.type} larger than any 64-bit float", span) from None


def _to_pointer(value: Value, target: ty.PtrType, span: Span | None) -> Value:
    source = value.type
    if not isinstance(source, ty.PtrType):
        raise mismatch(target, value, span)
    if source.const and not target.const:
        raise error("const-pointer", f"expected {target}, found pointer to const {source}", span)
    if _points_to(source, target):
        return Value(target, value.known, value.ir)
    raise mismatch(target, value, span)


def _points_to(source: ty.PtrType, target: ty.PtrType) -> bool:
    """Whether what `source` points to is what `target` may point to. An array is a run of its elements
    whatever its shape (assumed: the documentation asks for rank one), a single element an array of one."""
    pointee, wanted = source.element, target.element
    if wanted is ty.ANYOPAQUE or (source.many == target.many and pointee == wanted):
        return True
    if source.many:
        return False
    if target.many:
        return isinstance(pointee, ty.ArrayType) and pointee.element == wanted
    if not isinstance(wanted, ty.ArrayType):
        return False
    if isinstance(pointee, ty.ArrayType):
        return pointee.element == wanted.element and pointee.count == wanted.count
    return wanted.count == 1 and pointee == wanted.element


def _to_function(value: Value, target: ty.FnType, span: Span | None) -> Value:
    params = value.type.params if isinstance(value.type, ty.FnType) else None
    if isinstance(value.known, FnValue) and params is not None and len(params) == len(target.params):
        return value
    raise mismatch(target, value, span)


def _to_struct(
    ev: Evaluator, value: Value, target: ty.StructType | ty.NamedStruct, span: Span | None
) -> Value:
    given = value.parts
    if not isinstance(value.type, ty.StructType) or given is None:
        raise mismatch(target, value, span)
    if isinstance(target, ty.NamedStruct) and value.type.is_tuple and given:
        raise mismatch(target, value, span)
    names = [name for name, _ in target.fields]
    is_union = isinstance(target, ty.NamedStruct) and target.kind == "union"
    for name in given:
        if name not in names:
            raise error("unknown-field", f"no field `{name}` in {target}", span)
    missing = [name for name in names if name not in given]
    if missing and not is_union:
        raise error("missing-field", f"field `{missing[0]}` of {target} is not set", span)
    return Value(target, {n: coerce(ev, given[n], t, span) for n, t in target.fields if n in given})


def _to_array(ev: Evaluator, value: Value, target: ty.ArrayType, span: Span | None) -> Value:
    source = value.type
    element = source.element if isinstance(source, ty.ArrayType) and source.shape == target.shape else None
    if value.elements is None or element is None or not ty.is_number(element):
        raise mismatch(target, value, span)
    given = [item if isinstance(item, Value) else Value(element, item) for item in value.elements]
    items = [coerce(ev, item, target.element, span) for item in given]
    return Value(target, [item.known if item.ir is None else item for item in items])
