"""Packed structs and unions: fields as bits of one integer, from the lowest bit up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwafer.csl.values import _types as ty
from openwafer.csl.values._operators import binary, bitcast, cast
from openwafer.csl.values._values import Value
from openwafer.diag import Span

if TYPE_CHECKING:
    from openwafer.csl.evaluate._eval import Evaluator


def pack(ev: Evaluator, value: Value, t: ty.NamedStruct, span: Span | None) -> Value:
    """The backing integer of a value of a packed type."""
    backing = ty.backing_integer(t)
    fields: dict[str, Value] = value.known
    total = Value(backing, 0)
    for name, low in ty.bit_offsets(t).items():
        if name in fields:
            part = cast(ev, field_to_bits(ev, fields[name], span), backing, span)
            total = binary(ev, "|", total, binary(ev, "<<", part, Value(ty.U16, low), span), span)
    return total


def unpack(ev: Evaluator, number: Value, t: ty.NamedStruct, span: Span | None) -> Value:
    """The value of a packed type with this backing integer."""
    types = dict(t.fields)
    fields = {name: extract(ev, number, types[name], low, span) for name, low in ty.bit_offsets(t).items()}
    return Value(t, fields)


def extract(ev: Evaluator, number: Value, field: ty.Type, low: int, span: Span | None) -> Value:
    """The field of type `field` whose lowest bit is `low`."""
    bits = ty.IntType(ty.bit_width(field) or 0, False)
    shifted = binary(ev, ">>", number, Value(ty.U16, low), span)
    return _from_bits(ev, cast(ev, shifted, bits, span), field, span)


def inserted(ev: Evaluator, number: Value, field: Value, low: int, span: Span | None) -> Value:
    """`number` with the bits from `low` on replaced by those of `field`."""
    assert isinstance(number.type, ty.IntType)
    part = field_to_bits(ev, field, span)
    assert isinstance(part.type, ty.IntType)
    hole = number.type.wrap(~(part.type.high << low))
    rest = binary(ev, "&", number, Value(number.type, hole), span)
    return binary(
        ev, "|", rest, binary(ev, "<<", cast(ev, part, number.type, span), Value(ty.U16, low), span), span
    )


def field_to_bits(ev: Evaluator, value: Value, span: Span | None) -> Value:
    """A field as an unsigned integer of its width."""
    t = value.type
    if isinstance(t, ty.NamedStruct):
        return pack(ev, value, t, span)
    return bitcast(ev, value, ty.IntType(ty.bit_width(t) or 0, False), span)


def _from_bits(ev: Evaluator, number: Value, t: ty.Type, span: Span | None) -> Value:
    if isinstance(t, ty.NamedStruct):
        return unpack(ev, number, t, span)
    return bitcast(ev, number, t, span)
