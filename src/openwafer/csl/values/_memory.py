"""Variables in the memory of a PE: making, initialising, reading and writing them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from openwafer import tir
from openwafer.csl.values import _types as ty
from openwafer.csl.values._numbers import NumberError, encode
from openwafer.csl.values._packed import pack, unpack
from openwafer.csl.values._values import BitsPlace, MemoryPlace, Ref, Static, Value
from openwafer.diag import Span, error

if TYPE_CHECKING:
    from openwafer.csl.evaluate._eval import Evaluator


def check_runtime(t: ty.Type, span: Span | None) -> None:
    """Raises what keeps a type from run time: not-runtime, not-supported-fp16, not-supported-wide-integer."""
    obstacle = ty.runtime_obstacle(t)
    if obstacle is not None:
        raise error(*obstacle, span)


def new_static(
    ev: Evaluator,
    name: str,
    t: ty.Type,
    *,
    const: bool = False,
    align: int | None = None,
    span: Span | None = None,
) -> Static:
    """A new symbol for a variable of type `t`, zero at the start."""
    check_runtime(t, span)
    size = ty.size_of(t)
    symbol = ev.program.symbol(
        name, size, max(align or 0, ty.align_of(t), 4 if size >= 4 else 1), b"", str(t)
    )
    return Static(symbol, t, const)


def initialize(ev: Evaluator, static: Static, value: Value) -> None:
    """Gives a static its content before the first cycle: bytes where they are known, code otherwise."""
    content = _bytes(value, static.type)
    if content is not None:
        ev.program.set_init(static.symbol, content if any(content) else b"")
        return
    builder, outer = ev.program.init, ev.builder
    was = ev.comptime
    ev.builder, ev.comptime = builder, False
    try:
        store(ev, MemoryPlace(static.type, tir.Addr(static.symbol)), value, None)
    finally:
        ev.builder, ev.comptime = outer, was


def _bytes(value: Value, t: ty.Type) -> bytes | None:
    """The content of a value known for every PE, else None."""
    known = value.known
    if value.ir is not None or not value.is_known:
        return None
    if isinstance(t, ty.ArrayType) and value.elements is not None:
        return _array_bytes(value.elements, t)
    if value.parts is not None and isinstance(t, (ty.StructType, ty.NamedStruct)):
        return None if ty.is_packed(t) else _struct_bytes(value.parts, t)
    if isinstance(known, (bool, int, float)):
        return _scalar_bytes(known, t)
    return None


def _scalar_bytes(known: object, t: ty.Type) -> bytes:
    try:
        return encode(known, t)
    except NumberError as problem:
        raise error(problem.args[0], f"{problem.args[1]} is not supported yet") from None


def _array_bytes(items: list[object], t: ty.ArrayType) -> bytes | None:
    if not items or not any(map(_is_content, items)):
        return bytes(ty.size_of(t)) if all(isinstance(i, (bool, int, float)) for i in items) else None
    parts = [_bytes(i if isinstance(i, Value) else Value(t.element, i), t.element) for i in items]
    known = [p for p in parts if p is not None]
    return b"".join(known) if len(known) == len(parts) else None


def _is_content(item: object) -> bool:
    """Whether an element is more than zero bytes: -0.0 is."""
    return bool(item) or (item.__class__ is float and math.copysign(1, cast("float", item)) < 0)


def _struct_bytes(fields: dict[str, Value], t: ty.StructType | ty.NamedStruct) -> bytes | None:
    offsets, size = ty.struct_layout(t)
    types = dict(t.fields)
    content = bytearray(size)
    for name, value in fields.items():
        part = _bytes(value, types[name])
        if part is None:
            return None
        content[offsets[name] : offsets[name] + len(part)] = part
    return bytes(content)


def offset_addr(addr: tir.Expr, offset: int) -> tir.Expr:
    """`addr` plus a constant number of bytes."""
    if offset == 0:
        return addr
    if isinstance(addr, tir.Addr):
        return tir.Addr(addr.symbol, addr.offset + offset)
    return tir.Binary("add", "u16", addr, tir.Const("u16", offset & 0xFFFF))


def load(ev: Evaluator, place: MemoryPlace) -> Value:
    """The value in memory; arrays stay where they are and are passed by address."""
    t = place.type
    static = place.static
    if static is not None and static.constant is not None and place.offset == 0 and t == static.type:
        return static.constant
    if isinstance(t, ty.ArrayType):
        return Value(t, ir=place.addr)
    if ty.is_packed(t):
        return unpack(ev, load(ev, packed_word(place, t)), t, None)
    if isinstance(t, (ty.StructType, ty.NamedStruct)):
        fields = ((name, field_place(place, name)) for name, _ in t.fields)
        return Value(t, {name: load(ev, field) for name, field in fields if isinstance(field, MemoryPlace)})
    if t is ty.VOID:
        return Value(t, ())
    return Value(t, ir=tir.Load(ty.tir_type(t), place.addr))


def packed_word(place: MemoryPlace, t: ty.NamedStruct) -> MemoryPlace:
    """The backing integer of a packed struct in memory."""
    return MemoryPlace(ty.backing_integer(t), place.addr, place.const)


def field_place(place: MemoryPlace, name: str) -> MemoryPlace | BitsPlace:
    """A field of a struct in memory."""
    assert isinstance(place.type, (ty.StructType, ty.NamedStruct))
    if ty.is_packed(place.type):
        field = dict(place.type.fields)[name]
        return BitsPlace(field, packed_word(place, place.type), ty.bit_offsets(place.type)[name])
    offset = ty.struct_layout(place.type)[0][name]
    field = dict(place.type.fields)[name]
    return MemoryPlace(
        field, offset_addr(place.addr, offset), place.const, place.static, place.offset + offset
    )


def store(ev: Evaluator, place: MemoryPlace, value: Value, span: Span | None) -> None:
    """Emits the assignment of a value of the place's own type."""
    t = place.type
    if isinstance(t, ty.ArrayType):
        _store_array(ev, place, t, value, span)
    elif ty.is_packed(t):
        store(ev, packed_word(place, t), pack(ev, value, t, span), span)
    elif isinstance(t, (ty.StructType, ty.NamedStruct)):
        for name, field in value.fields.items():
            inner = field_place(place, name)
            assert isinstance(inner, MemoryPlace)
            store(ev, inner, field, span)
    elif t is not ty.VOID:
        ev.emit(tir.Store(place.addr, ev.runtime(value, span)))


def _store_array(ev: Evaluator, place: MemoryPlace, t: ty.ArrayType, value: Value, span: Span | None) -> None:
    items = value.elements
    if items is not None and not all(isinstance(v, (bool, int, float)) for v in items):
        size = ty.size_of(t.element)
        for i, item in enumerate(items):
            element = item if isinstance(item, Value) else Value(t.element, item)
            store(ev, MemoryPlace(t.element, offset_addr(place.addr, i * size)), element, span)
        return
    ev.emit(tir.Copy(place.addr, ev.runtime(value, span), ty.size_of(t)))


def pointer_to(place: MemoryPlace, many: bool = False) -> Value:
    """`&place`."""
    t = ty.PtrType(place.type, many, place.const)
    if place.static is not None:
        return Value(t, Ref(place.static, place.offset))
    if isinstance(place.addr, tir.Addr):
        return Value(t, ir=place.addr)
    return Value(t, ir=place.addr)
