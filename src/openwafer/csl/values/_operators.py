"""Unary and binary operators on values."""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING

from openwafer import tir
from openwafer.csl.evaluate._unit import Guard
from openwafer.csl.layout._cell_values import LIMIT
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _numbers as numbers
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce, finite_float
from openwafer.csl.values._values import Value
from openwafer.diag import Span, error

if TYPE_CHECKING:
    from openwafer.csl.evaluate._eval import Evaluator

IR_OPS = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "%": "rem", "&": "and", "|": "or", "^": "xor",
    "<<": "shl", ">>": "shr", "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
}  # fmt: skip


def binary(ev: Evaluator, op: str, a: Value, b: Value, span: Span | None) -> Value:
    """`a op b` for all operators but `and` and `or`."""
    if a.known.__class__ is int and b.known.__class__ is int and a.ir is None and b.ir is None:
        t = _integer_type(a, b)
        if t is not None and op in numbers.COMPARISONS:
            return Value(ty.BOOL, numbers.COMPARISONS[op](a.known, b.known))
        if t is not None and op in "+-*":
            return Value(t, _known(op, t, a, b, span))
    if op in ("<<", ">>"):
        return _shift(ev, op, a, b, span)
    if op in numbers.COMPARISONS:
        return _compare(ev, op, a, b, span)
    t, a, b = unify(ev, op, a, b, span)
    if not (ty.is_number(t) or (t is ty.BOOL and op in "&|^")):
        raise error("bad-operand", f"`{op}` needs numbers, found {a.type} and {b.type}", span)
    if a.is_known and b.is_known:
        if t is ty.BOOL:
            known = bool(numbers.binary(op, ty.COMPTIME_INT, int(a.known), int(b.known)))
        else:
            known = _known(op, t, a, b, span)
        if b.ir is not None and op in "/%":
            ev.unit.guards.append(Guard(tir.Binary("ne", "bool", b.ir, tir.Const(b.ir.type, 0)), True))
        ir = None if a.ir is None and b.ir is None else _ir(ev, op, t, a, b)
        return _with_ir(ev, Value(t, known, ir), (a, b), op)
    if op in "&|^" and ty.is_float(t):
        raise error("bad-operand", f"`{op}` needs integers, found {t}", span)
    return Value(t, ir=_ir(ev, op, t, a, b))


def _integer_type(a: Value, b: Value) -> ty.Type | None:
    """The type of two known integers of one type, or of one that holds the other, a comptime_int."""
    ta, tb = a.type, b.type
    if ta is tb:
        return ta if ta is ty.COMPTIME_INT or ta.__class__ is ty.IntType else None
    if tb is ty.COMPTIME_INT:
        return ta if isinstance(ta, ty.IntType) and ta.low <= b.known <= ta.high else None
    return (
        tb if ta is ty.COMPTIME_INT and isinstance(tb, ty.IntType) and tb.low <= a.known <= tb.high else None
    )


def _known(op: str, t: ty.Type, a: Value, b: Value, span: Span | None) -> object:
    try:
        return numbers.binary(op, t, a.known, b.known)
    except numbers.NumberError as problem:
        raise error(problem.args[0], problem.args[1], span) from None


def _with_ir(ev: Evaluator, result: Value, operands: tuple[Value, Value], op: str) -> Value:
    """The result of known operands. A comptime_int that differs between PEs stays within 64 bits on all of
    them; one that does not is decided on."""
    ir = result.ir
    if ir is None or result.type is not ty.COMPTIME_INT:
        return result
    if any(abs(int(v.known)) >= LIMIT for v in (result, *operands)):
        for operand in operands:
            ev.decide(operand)
        return Value(result.type, result.known)
    if op in ("*", "<<"):
        ev.unit.guards.append(Guard(tir.Binary("lt", "bool", ir, tir.Const("i64", LIMIT)), True))
    return result


def _ir(ev: Evaluator, op: str, t: ty.Type, a: Value, b: Value) -> tir.Expr:
    left, right = ev.runtime(a), ev.runtime(b)
    return tir.Binary(IR_OPS[op], left.type, left, right)


def unify(ev: Evaluator, op: str, a: Value, b: Value, span: Span | None) -> tuple[ty.Type, Value, Value]:
    """Both operands in one type: the typed one of a typed and a comptime number, the wider of two integers
    of the same signedness."""
    ta, tb = a.type, b.type
    if ta == tb:
        return ta, a, b
    t = common_type(ta, tb)
    if t is None and a.is_known != b.is_known and isinstance(ta, ty.IntType) and isinstance(tb, ty.IntType):
        t = tb if a.is_known else ta
    if t is None and a.is_known and b.is_known and isinstance(ta, ty.IntType) and isinstance(tb, ty.IntType):
        t = ta if ta.bits >= tb.bits else tb
    if t is None:
        raise error("type-mismatch", f"operands of `{op}` have types {ta} and {tb}", span)
    return t, coerce(ev, a, t, span), coerce(ev, b, t, span)


def common_type(a: ty.Type, b: ty.Type) -> ty.Type | None:
    """The type in which values of both types can be combined, or None."""
    if a == b:
        return a
    for x, y in ((a, b), (b, a)):
        if x is ty.COMPTIME_INT and ty.is_number(y):
            return y
        if x is ty.COMPTIME_FLOAT and ty.is_float(y):
            return y
        if isinstance(x, ty.IntType) and isinstance(y, ty.IntType) and _holds(x, y):
            return x
        if isinstance(x, ty.FloatType) and isinstance(y, ty.FloatType) and x.bits > y.bits:
            return x
        if ty.is_id(x) and y is ty.COMPTIME_INT:
            return x
        if isinstance(x, ty.PtrType) and isinstance(y, ty.PtrType) and x.element == y.element:
            return x
    return None


def _holds(wide: ty.IntType, narrow: ty.IntType) -> bool:
    """Whether every value of `narrow` fits into the wider `wide`."""
    return wide.bits > narrow.bits and (wide.signed == narrow.signed or wide.signed)


def _compare(ev: Evaluator, op: str, a: Value, b: Value, span: Span | None) -> Value:
    t, a, b = unify(ev, op, a, b, span)
    ordered = op not in ("==", "!=")
    if ordered and not (ty.is_number(t) or ty.is_id(t)):
        raise error("bad-operand", f"`{op}` needs numbers, found {t}", span)
    if isinstance(t, (ty.ArrayType, ty.StructType, ty.NamedStruct)) or ty.is_dsd(t):
        raise error("bad-operand", f"values of type {t} cannot be compared", span)
    if a.is_known and b.is_known:
        known = numbers.COMPARISONS[op](a.known, b.known)
        ir = None if a.ir is None and b.ir is None else _compare_ir(ev, op, a, b)
        return Value(ty.BOOL, known, ir)
    return Value(ty.BOOL, ir=_compare_ir(ev, op, a, b))


def _compare_ir(ev: Evaluator, op: str, a: Value, b: Value) -> tir.Expr:
    return tir.Binary(IR_OPS[op], "bool", ev.runtime(a), ev.runtime(b))


def _shift(ev: Evaluator, op: str, a: Value, b: Value, span: Span | None) -> Value:
    if not (ty.is_integer(a.type) and ty.is_integer(b.type)):
        raise error("bad-operand", f"`{op}` needs integers, found {a.type} and {b.type}", span)
    if a.type is ty.COMPTIME_INT and not b.is_known:
        raise error("type-mismatch", f"the left operand of `{op}` needs a type: write @as(u16, …)", span)
    known: object = None
    if a.is_known and b.is_known:
        try:
            known = numbers.shift(op, a.type, a.known, b.known)
        except numbers.NumberError as problem:
            raise error(problem.args[0], problem.args[1], span) from None
        if a.ir is None and b.ir is None:
            return Value(a.type, known)
        if b.ir is not None and ev.decide(_compare(ev, "<", b, Value(b.type, 0), span)):
            raise AssertionError("numbers.shift")
    left = ev.runtime(a)
    amount = ev.runtime(coerce(ev, b, ty.U16, span) if b.type is ty.COMPTIME_INT and b.ir is None else b)
    ir = tir.Binary(IR_OPS[op], left.type, left, amount)
    return Value(a.type, ir=ir) if known is None else _with_ir(ev, Value(a.type, known, ir), (a, b), op)


def unary(ev: Evaluator, op: ast.UnaryOp, a: Value, span: Span | None) -> Value:
    """`-a`, `~a`, `!a`."""
    t = a.type
    if op == "!" and t is not ty.BOOL:
        raise error("bad-operand", f"`!` needs a bool, found {t}", span)
    if op == "~" and not isinstance(t, ty.IntType) and t is not ty.COMPTIME_INT:
        raise error("bad-operand", f"`~` needs an integer, found {t}", span)
    if op == "-" and not ty.is_number(t):
        raise error("bad-operand", f"`-` needs a number, found {t}", span)
    if a.is_known:
        known = not a.known if op == "!" else ~a.known if op == "~" else -a.known
        if isinstance(t, ty.IntType):
            known = t.wrap(int(known))
        if a.ir is None:
            return Value(t, known)
        return Value(t, known, _unary_ir(op, a.ir))
    return Value(t, ir=_unary_ir(op, ev.runtime(a)))


def _unary_ir(op: str, ir: tir.Expr) -> tir.Expr:
    return tir.Unary({"!": "not", "~": "inv", "-": "neg"}[op], ir.type, ir)


def cast(ev: Evaluator, value: Value, target: ty.Type, span: Span | None) -> Value:
    """`@as(target, value)`."""
    source = value.type
    scalar = ty.is_number(source) or source is ty.BOOL or isinstance(source, ty.EnumType)
    if source == target or (ty.is_id(target) and ty.is_id(source) and target == source):
        return value
    if isinstance(target, ty.EnumType) and scalar and not isinstance(source, ty.EnumType):
        return _to_enum(ev, value, target, span)
    if not scalar or not (ty.is_number(target) or target is ty.BOOL):
        return coerce(ev, value, target, span)
    if value.is_known:
        known = _converted(value, target, span)
        ir = None if value.ir is None else cast_ir(value.ir, target)
        return Value(target, known, ir)
    if ty.is_comptime_only(target):
        raise error("not-comptime", f"a {target} must be known at compile time", span)
    return Value(target, ir=cast_ir(ev.runtime(value), target))


def _converted(value: Value, target: ty.Type, span: Span | None) -> object:
    if target is ty.COMPTIME_INT and isinstance(value.known, float) and not math.isfinite(value.known):
        raise error("int-out-of-range", f"{value.known} is not an integer", span)
    known = finite_float(value, span) if ty.is_float(target) else value.known
    return numbers.convert(known, target)


def _to_enum(ev: Evaluator, value: Value, target: ty.EnumType, span: Span | None) -> Value:
    number = cast(ev, value, target.tag, span)
    if number.is_known and number.known not in dict(target.members).values():
        raise error("unknown-member", f"{target} has no member with the value {number.known}", span)
    if number.is_known and number.ir is not None:
        members = (binary(ev, "==", number, Value(target.tag, n), span).ir for _, n in target.members)
        ev.unit.guards.append(Guard(reduce(_or, (m for m in members if m is not None)), True))
    return Value(target, number.known, number.ir)


def _or(a: tir.Expr, b: tir.Expr) -> tir.Expr:
    return tir.Binary("or", "bool", a, b)


def bitcast(ev: Evaluator, value: Value, target: ty.Type, span: Span | None) -> Value:
    """The bits of a scalar as a value of another type of the same width."""
    if isinstance(target, ty.PtrType) or isinstance(value.type, ty.PtrType):
        ir = ev.runtime(value, span)
        return Value(target, ir=ir if ir.type == ty.tir_type(target) else tir.Cast(ty.tir_type(target), ir))
    ir = None
    if value.ir is not None or not value.is_known:
        ir = _bitcast_ir(ev.runtime(value, span), target)
    if not value.is_known:
        return Value(target, ir=ir)
    return Value(target, numbers.from_bits(numbers.to_bits(value.known, value.type), target), ir)


def _bitcast_ir(ir: tir.Expr, target: ty.Type) -> tir.Expr:
    name = ty.tir_type(target)
    if ir.type == name:
        return ir
    if "bool" in (name, ir.type):
        return tir.Cast(name, ir)
    return tir.Bitcast(name, ir)


def cast_ir(ir: tir.Expr, target: ty.Type) -> tir.Expr | None:
    if target is ty.COMPTIME_INT:
        return tir.Cast("i64", ir)
    if ty.is_comptime_only(target):
        return None
    return ir if ir.type == ty.tir_type(target) else tir.Cast(ty.tir_type(target), ir)
