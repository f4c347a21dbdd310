"""Places: what expressions denote when they are assigned to, indexed or have their address taken."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.evaluate._eval import Evaluator, expr_rule, is_constant
from openwafer.csl.evaluate._names import active_field, check_reachable, global_place, lookup, read
from openwafer.csl.evaluate._unit import LayoutUnit, Untraceable, fingerprint
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._module import Module
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._memory import field_place, load, new_static, offset_addr, pointer_to, store
from openwafer.csl.values._packed import inserted
from openwafer.csl.values._values import (
    BitsPlace,
    CellPlace,
    FieldsPlace,
    MemoryPlace,
    Place,
    Ref,
    SlotPlace,
    Static,
    Value,
    ValuePlace,
)
from openwafer.diag import Span, error, suggest


def place_of(ev: Evaluator, node: ast.Expr) -> Place:
    """The place that an expression denotes; an intermediate value has a `ValuePlace`."""
    match node:
        case ast.Ident():
            return lookup(ev, node.name, node.span)
        case ast.Field():
            return _field(ev, node)
        case ast.Index():
            return _index(ev, node)
        case ast.Deref():
            return _deref(ev, ev.expr(node.base), node.span)
        case ast.Builtin(name="field") if len(node.args) == 2:
            return _field_of(ev, place_of(ev, node.args[0]), ev.string(node.args[1], "field name"), node.span)
        case _:
            value = ev.expr(node)
            return ValuePlace(value.type, value)


@expr_rule(ast.Field, ast.Index, ast.Deref)
def _read_place(ev: Evaluator, node: ast.Field | ast.Index | ast.Deref, expected: ty.Type | None) -> Value:
    return read(ev, place_of(ev, node), node.span)


@expr_rule(ast.AddressOf)
def _address_of(ev: Evaluator, node: ast.AddressOf, expected: ty.Type | None) -> Value:
    if isinstance(node.operand, ast.Field):
        base = place_of(ev, node.operand.base).type
        if isinstance(base, ty.NamedStruct) and base.layout == "packed":
            raise error("no-address", "a field of a packed struct has no address", node.span)
    if _is_temporary(node.operand):
        message = "a value that has no name has no address"
        raise error("no-address", message, node.operand.span, help="give it a name with `const` or `var`")
    return address_of(ev, place_of(ev, node.operand), node.span)


def _is_temporary(node: ast.Expr) -> bool:
    """Whether an operand of `&` is an intermediate value or a part of one."""
    if isinstance(node, ast.Call) or (isinstance(node, ast.Builtin) and node.name != "field"):
        return True
    while isinstance(node, (ast.Field, ast.Index)):
        node = node.base
    return isinstance(node, INTERMEDIATE)


INTERMEDIATE = (
    ast.IntLit, ast.FloatLit, ast.BoolLit, ast.StringLit, ast.StructLit, ast.TupleLit, ast.Unary, ast.Binary,
)  # fmt: skip


def address_of(ev: Evaluator, place: Place, span: Span) -> Value:
    """`&place`; constants are given a place in memory first."""
    match place:
        case MemoryPlace():
            return pointer_to(place)
        case CellPlace(path=()):
            return Value(ty.PtrType(place.type, False, place.const), Ref(place.cell))
        case ValuePlace() if isinstance(ev.unit, LayoutUnit):
            raise error("no-address", "a constant has no address in a layout", span)
        case ValuePlace() if not ty.is_comptime_only(place.type) and place.type is not ty.VOID:
            return pointer_to(in_memory(ev, place, span))
        case _:
            raise error("no-address", f"this {place.type} has no address", span)


def in_memory(ev: Evaluator, place: ValuePlace, span: Span) -> MemoryPlace:
    """A constant's place in memory; made once for each declaration and value."""
    value = place.value
    if isinstance(place.type, ty.ArrayType) and value.ir is not None and not value.is_known:
        return MemoryPlace(place.type, value.ir, True)
    statics = ev.program.constants
    key = None if place.owner is None else (id(place.owner), id(value))
    found = statics.get(key)
    if found is None and place.owner is not None and value.is_known:
        found = statics.get((id(place.owner), fingerprint(value)))
    if found is None:
        name = place.owner.name if isinstance(place.owner, ast.VarDecl) else "const"
        if value.is_known or ev.builder is None:
            static = ev.materialize(value, name)
        else:
            static = new_static(ev, name, place.type, span=span)
            store(ev, MemoryPlace(place.type, tir.Addr(static.symbol)), value, span)
        found = (static, value)
        if place.owner is not None:
            statics[id(place.owner), fingerprint(value)] = found
    if key is not None:
        statics[key] = (found[0], value)
    static = found[0]
    return MemoryPlace(place.type, tir.Addr(static.symbol), True, static)


def _field(ev: Evaluator, node: ast.Field) -> Place:
    base = place_of(ev, node.base)
    if base.type is ty.MODULE:
        module = read(ev, base, node.span).known
        assert isinstance(module, Module)
        return global_place(ev, module, node.name, node.span)
    return _field_of(ev, base, node.name, node.span)


def _field_of(ev: Evaluator, base: Place, name: str, span: Span) -> Place:
    t = base.type
    if t is ty.TYPE:
        return _member(ev, read(ev, base, span).known, name, span)
    if isinstance(t, ty.PtrType) and isinstance(t.element, (ty.StructType, ty.NamedStruct)):
        base = _deref(ev, read(ev, base, span), span)
        t = base.type
    if not isinstance(t, (ty.StructType, ty.NamedStruct)):
        raise error("no-fields", f"a value of type {t} has no field `{name}`", span)
    fields = dict(t.fields)
    if name not in fields:
        raise error("unknown-field", f"no field `{name}` in {t}", span, help=suggest(name, fields))
    match base:
        case FieldsPlace():
            return base.fields[name]
        case BitsPlace() if ty.is_packed(t):
            return BitsPlace(fields[name], base.word, base.low + ty.bit_offsets(t)[name])
        case MemoryPlace():
            return field_place(base, name)
        case CellPlace():
            return CellPlace(fields[name], base.cell, (*base.path, name), base.const)
        case _:
            field = active_field(read(ev, base, span), name, span)
            return ValuePlace(field.type, field)


def _member(ev: Evaluator, t: ty.Type, name: str, span: Span) -> Place:
    if isinstance(t, ty.EnumType):
        for member, number in t.members:
            if member == name:
                return ValuePlace(t, Value(t, number))
        raise error("unknown-member", f"no member `{name}` in {t}", span, help=suggest(name, dict(t.members)))
    raise error("no-fields", f"type {t} has no member `{name}`", span)


def _deref(ev: Evaluator, pointer: Value, span: Span) -> Place:
    t = pointer.type
    if not isinstance(t, ty.PtrType) or t.many:
        raise error("not-a-pointer", f"`.*` needs a pointer to one element, found {t}", span)
    if isinstance(pointer.known, Ref):
        base = pointer.known.base
        if not isinstance(base, Static):
            return CellPlace(t.element, base, (), t.const)
        same = pointer.known.offset == 0 and base.type == t.element
        addr = tir.Addr(base.symbol, pointer.known.offset)
        return MemoryPlace(t.element, addr, t.const, base if same else None, 0)
    return MemoryPlace(t.element, ev.runtime(pointer, span), t.const)


def _index(ev: Evaluator, node: ast.Index) -> Place:
    base = place_of(ev, node.base)
    t = base.type
    if isinstance(t, ty.StructType) and t.is_tuple:
        if len(node.indices) != 1:
            raise error("wrong-arity", f"a tuple takes one index, found {len(node.indices)}", node.span)
        number = ev.integer(node.indices[0], "index of a tuple")
        if not 0 <= number < len(t.fields):
            raise error("index-out-of-bounds", f"index {number} of a tuple of {len(t.fields)}", node.span)
        return _field_of(ev, base, str(number), node.span)
    if isinstance(t, ty.PtrType):
        if isinstance(t.element, ty.ArrayType) and not t.many:
            base = _deref(ev, read(ev, base, node.span), node.span)
        elif t.many:
            return _index_pointer(ev, read(ev, base, node.span), node)
    if not isinstance(base.type, ty.ArrayType):
        raise error("not-indexable", f"a value of type {base.type} cannot be indexed", node.span)
    return _index_array(ev, base, base.type, node)


def _index_pointer(ev: Evaluator, pointer: Value, node: ast.Index) -> Place:
    assert isinstance(pointer.type, ty.PtrType)
    if len(node.indices) != 1:
        raise error("wrong-arity", f"a {pointer.type} takes one index, found {len(node.indices)}", node.span)
    index = _index_value(ev, node.indices[0])
    addr = element_addr(ev, ev.runtime(pointer, node.span), index, ty.size_of(pointer.type.element))
    return MemoryPlace(pointer.type.element, addr, pointer.type.const)


def _index_value(ev: Evaluator, node: ast.Expr) -> Value:
    value = ev.expr(node)
    if not (ty.is_integer(value.type) or isinstance(value.type, ty.EnumType)):
        raise error("type-mismatch", f"an index must be an integer, found {value.type}", node.span)
    return value


def element_addr(ev: Evaluator, base: tir.Expr, index: Value, size: int) -> tir.Expr:
    """Address of element `index` of elements of `size` bytes at `base`, modulo 2**16 as on the machine."""
    if index.is_known and index.ir is None:
        return offset_addr(base, int(index.known) * size)
    number = ev.runtime(index)
    number = number if number.type == "u16" else tir.Cast("u16", number)
    scaled = number if size == 1 else tir.Binary("mul", "u16", number, tir.Const("u16", size))
    return tir.Binary("add", "u16", base, scaled)


def _index_array(ev: Evaluator, base: Place, t: ty.ArrayType, node: ast.Index) -> Place:
    if len(node.indices) != len(t.shape):
        message = f"{t} takes {len(t.shape)} indices, found {len(node.indices)}"
        raise error("wrong-arity", message, node.span)
    indices: list[Value] = []
    for part, extent in zip(node.indices, t.shape, strict=True):
        index = _index_value(ev, part)
        if index.is_known and index.ir is None and not 0 <= index.known < extent:
            raise error("index-out-of-bounds", f"index {index.known} of an extent of {extent}", part.span)
        indices.append(index)
    flat = _flatten(ev, indices, t, node.span)
    return element_place(ev, base, t, flat, node.span)


def _flatten(ev: Evaluator, indices: list[Value], t: ty.ArrayType, span: Span) -> Value:
    """Row-major number of an element; typed indices are widened first so that products do not wrap early."""
    if len(indices) == 1:
        return indices[0]
    if all(i.is_known and i.ir is None for i in indices):
        number = 0
        for index, extent in zip(indices, t.shape, strict=True):
            number = number * extent + index.known
        return Value(ty.COMPTIME_INT, number)
    flat: tir.Expr | None = None
    for index, extent in zip(indices, t.shape, strict=True):
        part = ev.runtime(coerce(ev, index, ty.U16, span) if index.is_known and index.ir is None else index)
        part = part if part.type == "u16" else tir.Cast("u16", part)
        if flat is None:
            flat = part
        else:
            scaled = tir.Binary("mul", "u16", flat, tir.Const("u16", extent))
            flat = tir.Binary("add", "u16", scaled, part)
    return Value(ty.U16, ir=flat)


def element_place(ev: Evaluator, base: Place, t: ty.ArrayType, index: Value, span: Span) -> Place:
    """Element `index` (row-major) of an array."""
    size = ty.size_of(t.element) if not ty.is_comptime_only(t.element) else 0
    if isinstance(base, MemoryPlace):
        constant = base.static.constant if base.static is not None else None
        if constant is not None and index.is_known and index.ir is None and isinstance(constant.known, list):
            return _constant_element(constant, t, int(index.known), span)
        addr = element_addr(ev, base.addr, index, size)
        if isinstance(addr, tir.Addr) and base.static is not None and constant is None:
            return MemoryPlace(t.element, addr, base.const, base.static, addr.offset)
        return MemoryPlace(t.element, addr, base.const)
    if index.is_known and index.ir is None:
        if isinstance(base, CellPlace):
            return CellPlace(
                t.element, base.cell, (*base.path, _checked(t, int(index.known), span)), base.const
            )
        value = read(ev, base, span)
        if isinstance(value.known, list):
            return _constant_element(value, t, int(index.known), span)
    if isinstance(base, ValuePlace) and ev.is_emitting():
        return element_place(ev, in_memory(ev, base, span), t, index, span)
    if index.is_known:
        number = ev.decide(index, span, "index")
        return element_place(ev, base, t, Value(ty.COMPTIME_INT, number), span)
    raise error("not-comptime", "an index into a compile-time array must be known at compile time", span)


def _checked(t: ty.ArrayType, number: int, span: Span) -> int:
    if not 0 <= number < t.count:
        raise error("index-out-of-bounds", f"index {number} of {t}", span)
    return number


def _constant_element(value: Value, t: ty.ArrayType, number: int, span: Span) -> Place:
    item = value.known[_checked(t, number, span)]
    element = item if isinstance(item, Value) else Value(t.element, item)
    return ValuePlace(t.element, element)


# --- assignment -------------------------------------------------------------


def check_assignable(place: Place, span: Span) -> None:
    """Raises `assign-to-const` for places that are not variables; `span` is where the place is named."""
    match place:
        case SlotPlace() | FieldsPlace():
            return
        case MemoryPlace(const=const) | CellPlace(const=const) | BitsPlace(word=MemoryPlace(const=const)):
            if not const:
                return
        case ValuePlace():
            pass
    raise error("assign-to-const", f"cannot assign to a constant of type {place.type}", span)


def assign(ev: Evaluator, place: Place, value: Value, span: Span) -> None:
    """Assigns a value of any acceptable type to a place that `check_assignable` lets pass."""
    value = coerce(ev, value, place.type, span)
    if isinstance(place, CellPlace):
        _assign_cell(ev, place, value, span)
        return
    if not ev.is_emitting():
        raise error("not-comptime", "a run-time variable cannot be assigned at compile time", span)
    match place:
        case SlotPlace():
            ev.emit(tir.Set(place.slot, ev.runtime(value, span)))
        case MemoryPlace():
            store(ev, place, _read_first(ev, value), span)
        case BitsPlace():
            store(ev, place.word, inserted(ev, load(ev, place.word), value, place.low, span), span)
        case FieldsPlace():
            for name, field in _read_first(ev, value).fields.items():
                assign(ev, place.fields[name], field, span)
        case ValuePlace():
            raise AssertionError("check_assignable")


def _read_first(ev: Evaluator, value: Value) -> Value:
    """A struct value with all it reads in slots, so that its fields can be written one after the other."""
    if not isinstance(value.known, dict) or len(value.fields) < 2:
        return value
    return Value(value.type, {n: _in_slot(ev, v) for n, v in value.fields.items()})


def _in_slot(ev: Evaluator, value: Value) -> Value:
    if isinstance(value.known, dict):
        return Value(value.type, {n: _in_slot(ev, v) for n, v in value.fields.items()})
    if value.ir is None or value.is_known or isinstance(value.type, ty.ArrayType) or is_constant(value.ir):
        return value
    return Value(value.type, ir=ev.code.save(value.ir))


def _assign_cell(ev: Evaluator, place: CellPlace, value: Value, span: Span) -> None:
    if not value.is_known:
        raise error("not-comptime", f"a compile-time variable of type {place.type} needs a known value", span)
    cell = place.cell
    check_reachable(ev, place, span)
    if ev.unit.trace is not None and not cell.is_recorded:
        raise Untraceable
    if place.path and cell.shared:
        ev.step_elements(len(cell.value.known))
        cell.value = copy_value(cell.value)
    cell.shared = not place.path or isinstance(value.known, (list, dict))
    cell.value = _replaced(cell.value, place.path, value, span)


def copy_value(value: Value) -> Value:
    """A value whose parts can be replaced without touching the original."""
    if value.elements is not None:
        items = [copy_value(i) if isinstance(i, Value) else i for i in value.elements]
        return Value(value.type, items, value.ir)
    if isinstance(value.known, dict):
        return Value(value.type, {n: copy_value(v) for n, v in value.fields.items()}, value.ir)
    return value


def _replaced(old: Value, path: tuple[str | int, ...], new: Value, span: Span) -> Value:
    if not path:
        return new
    key = path[0]
    if isinstance(key, str):
        fields = dict(old.known)
        fields[key] = _replaced(active_field(old, key, span), path[1:], new, span)
        return Value(old.type, fields)
    assert isinstance(old.type, ty.ArrayType)
    item = old.known[key]
    inner = item if isinstance(item, Value) else Value(old.type.element, item)
    replaced = _replaced(inner, path[1:], new, span)
    plain = replaced.ir is None and isinstance(replaced.known, (bool, int, float))
    old.known[key] = replaced.known if plain else replaced
    return old
