"""Expressions without control flow: literals, operators, types, tensor access."""

from __future__ import annotations

import itertools

from openwafer import tir
from openwafer.csl.evaluate._eval import BUILTINS, MAX_ELEMENTS, Evaluator, expr_rule
from openwafer.csl.evaluate._names import DIRECTIONS
from openwafer.csl.evaluate._place import address_of, place_of
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._memory import new_static, offset_addr, store
from openwafer.csl.values._operators import binary, unary
from openwafer.csl.values._values import MemoryPlace, Value
from openwafer.diag import Span, error, suggest


@expr_rule(ast.IntLit)
def _int(ev: Evaluator, node: ast.IntLit, expected: ty.Type | None) -> Value:
    return Value(ty.COMPTIME_INT, node.value)


@expr_rule(ast.FloatLit)
def _float(ev: Evaluator, node: ast.FloatLit, expected: ty.Type | None) -> Value:
    return Value(ty.COMPTIME_FLOAT, node.value)


@expr_rule(ast.StringLit)
def _string(ev: Evaluator, node: ast.StringLit, expected: ty.Type | None) -> Value:
    return Value(ty.STRING, node.value)


@expr_rule(ast.BoolLit)
def _bool(ev: Evaluator, node: ast.BoolLit, expected: ty.Type | None) -> Value:
    return Value(ty.BOOL, node.value)


@expr_rule(ast.Builtin)
def _builtin(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    rule = BUILTINS.get(node.name)
    if rule is None:
        raise error("unknown-builtin", f"unknown builtin `@{node.name}`", node.span, help=_near(node.name))
    return rule(ev, node, expected)


def _near(name: str) -> str | None:
    near = suggest(name, BUILTINS)
    return near and near.replace("`", "`@", 1)


@expr_rule(ast.Unary)
def _unary(ev: Evaluator, node: ast.Unary, expected: ty.Type | None) -> Value:
    return unary(ev, node.op, ev.expr(node.operand, expected), node.span)


@expr_rule(ast.Binary)
def _binary(ev: Evaluator, node: ast.Binary, expected: ty.Type | None) -> Value:
    if node.op == "and" or node.op == "or":
        return _logical(ev, node)
    a = ev.expr(node.left)
    mark = ev.mark()
    b = ev.expr(node.right)
    return binary(ev, node.op, ev.keep_order(a, mark), b, node.span)


def _logical(ev: Evaluator, node: ast.Binary) -> Value:
    """`and`, `or`: the right side is evaluated only when the left one does not decide."""
    a = _condition(ev, node.left)
    decides = node.op == "or"
    if a.is_known:
        if bool(ev.decide(a)) == decides:
            return Value(ty.BOOL, decides)
        return _condition(ev, node.right)
    return _logical_runtime(ev, node, a, decides)


def _logical_runtime(ev: Evaluator, node: ast.Binary, a: Value, decides: bool) -> Value:
    builder = ev.code
    with ev.branch() as block:
        b = _condition(ev, node.right)
        right = ev.runtime(b, node.right.span)
    left = ev.runtime(a)
    if not block and is_safe(right):
        return Value(ty.BOOL, ir=tir.Binary(node.op, "bool", left, right))
    result = builder.save(left)
    block.append(tir.Set(result.slot, right))
    then, otherwise = ((), tuple(block)) if decides else (tuple(block), ())
    builder.emit(tir.If(tir.Local("bool", result.slot), then, otherwise))
    return Value(ty.BOOL, ir=result)


def _condition(ev: Evaluator, node: ast.Expr) -> Value:
    value = ev.expr(node)
    if value.type is not ty.BOOL:
        raise error("type-mismatch", f"expected bool, found {value.type}", node.span)
    return value


def is_safe(ir: tir.Expr) -> bool:
    """Whether an expression can be evaluated where its value is not wanted: it cannot fault."""
    match ir:
        case tir.Load():
            return False
        case tir.Binary(op=op, a=a, b=b):
            return op not in ("div", "rem") and is_safe(a) and is_safe(b)
        case tir.Unary(a=a) | tir.Cast(a=a) | tir.Bitcast(a=a):
            return is_safe(a)
        case tir.Const() | tir.Param() | tir.Coord() | tir.Addr() | tir.Local():
            return True
        case _:
            return False


@expr_rule(ast.ComptimeExpr)
def _comptime(ev: Evaluator, node: ast.ComptimeExpr, expected: ty.Type | None) -> Value:
    """Diagnostics: not-comptime."""
    with ev.at_comptime():
        value = ev.expr(node.operand, expected)
    if not _is_comptime(value):
        message = f"this {value.type} cannot be computed at compile time"
        raise error("not-comptime", message, node.operand.span)
    return value


def _is_comptime(value: Value) -> bool:
    """Whether a value is known: a DSD is if it depends on nothing that changes at run time."""
    if value.parts is not None:
        return all(map(_is_comptime, value.parts.values()))
    return value.is_known or (value.ir is not None and _is_constant(value.ir))


def _is_constant(ir: tir.Expr) -> bool:
    match ir:
        case tir.DsdMake(words):
            return all(map(_is_constant, words))
        case tir.Binary(a=a, b=b):
            return _is_constant(a) and _is_constant(b)
        case tir.Unary(a=a) | tir.Cast(a=a) | tir.Bitcast(a=a):
            return _is_constant(a)
        case _:
            return isinstance(ir, (tir.Const, tir.Param, tir.Addr, tir.Coord))


# --- struct, tuple and array literals ----------------------------------------


def is_literal(node: ast.Expr) -> bool:
    """Whether an expression is made of literals and directions only, so that its value never changes."""
    match node:
        case ast.IntLit() | ast.FloatLit() | ast.BoolLit() | ast.StringLit():
            return True
        case ast.Ident(name=name):
            return name in DIRECTIONS
        case ast.StructLit(type=None, fields=fields):
            return all(is_literal(f.value) for f in fields)
        case ast.TupleLit(type=None, elements=elements):
            return all(map(is_literal, elements))
        case _:
            return False


@expr_rule(ast.StructLit)
def _struct(ev: Evaluator, node: ast.StructLit, expected: ty.Type | None) -> Value:
    if expected is not None:
        return _new_struct(ev, node, expected)
    known = ev.unit.literals.get(id(node))
    if known is None:
        value = _new_struct(ev, node, None)
        ev.unit.literals[id(node)] = (value if is_literal(node) else None, node)
        return value
    return known[0] or _new_struct(ev, node, None)


def _new_struct(ev: Evaluator, node: ast.StructLit, expected: ty.Type | None) -> Value:
    target = ev.type_expr(node.type) if node.type is not None else expected
    named = dict(target.fields) if isinstance(target, (ty.NamedStruct, ty.StructType)) else {}
    fields: dict[str, Value] = {}
    for init in node.fields:
        if init.name in fields:
            raise error("duplicate-field", f"field `{init.name}` is set twice", init.span)
        fields[init.name] = ev.expr(init.value, named.get(init.name))
    t = ty.StructType(tuple((n, v.type) for n, v in fields.items()), False)
    value = Value(t, fields)
    if isinstance(target, ty.NamedStruct):
        return coerce(ev, value, target, node.span)
    if node.type is not None:
        raise error("not-a-struct", f"{target} is not a struct type", node.span)
    return value


@expr_rule(ast.TupleLit)
def _tuple(ev: Evaluator, node: ast.TupleLit, expected: ty.Type | None) -> Value:
    if node.type is not None:
        return _typed_literal(ev, node, ev.type_expr(node.type))
    values = [ev.expr(e) for e in node.elements]
    fields = {str(i): v for i, v in enumerate(values)}
    return Value(ty.StructType(tuple((n, v.type) for n, v in fields.items()), bool(fields)), fields)


def _typed_literal(ev: Evaluator, node: ast.TupleLit, t: ty.Type) -> Value:
    if isinstance(t, ty.NamedStruct) and not node.elements:
        return coerce(ev, Value(ty.StructType((), False), {}), t, node.span)
    if not isinstance(t, ty.ArrayType):
        raise error("not-an-array", f"{t} is not an array type", node.span)
    if len(node.elements) != t.count:
        message = f"{t} needs {t.count} elements, found {len(node.elements)}"
        raise error("wrong-count", message, node.span)
    items = [coerce(ev, ev.expr(e, t.element), t.element, e.span) for e in node.elements]
    if all(v.ir is None and isinstance(v.known, (bool, int, float, str)) for v in items):
        return Value(t, [v.known for v in items])
    if all(v.is_known for v in items) and not ev.is_emitting():
        return Value(t, items)
    return _array_in_memory(ev, t, items, node.span)


def _array_in_memory(ev: Evaluator, t: ty.ArrayType, items: list[Value], span: Span) -> Value:
    static = new_static(ev, "literal", t, span=span)
    addr = tir.Addr(static.symbol)
    size = ty.size_of(t.element)
    for i, item in enumerate(items):
        store(ev, MemoryPlace(t.element, offset_addr(addr, i * size)), item, span)
    return Value(t, ir=addr)


# --- types --------------------------------------------------------------------


def _type_value(t: ty.Type) -> Value:
    return Value(ty.TYPE, t)


@expr_rule(ast.PtrType)
def _ptr_type(ev: Evaluator, node: ast.PtrType, expected: ty.Type | None) -> Value:
    return _type_value(ty.PtrType(ev.type_expr(node.element), node.many, node.const))


@expr_rule(ast.ArrayType)
def _array_type(ev: Evaluator, node: ast.ArrayType, expected: ty.Type | None) -> Value:
    shape = tuple(_extent(ev, n) for n in node.shape)
    t = ty.ArrayType(shape, ev.type_expr(node.element))
    if t.count > MAX_ELEMENTS:
        raise error("array-too-large", f"{t} has {t.count:,} elements; at most {MAX_ELEMENTS:,}", node.span)
    ev.step_elements(t.count)
    return _type_value(t)


def _extent(ev: Evaluator, node: ast.Expr) -> int:
    extent = ev.integer(node, "extent of an array")
    if extent < 0:
        raise error("bad-extent", f"extent {extent} of an array is negative", node.span)
    return extent


@expr_rule(ast.FnType)
def _fn_type(ev: Evaluator, node: ast.FnType, expected: ty.Type | None) -> Value:
    return _type_value(ty.FnType(tuple(ev.type_expr(p) for p in node.params), ev.type_expr(node.result)))


@expr_rule(ast.EnumType)
def _enum_type(ev: Evaluator, node: ast.EnumType, expected: ty.Type | None) -> Value:
    tag = ev.type_expr(node.tag) if node.tag is not None else ty.U16
    if not isinstance(tag, ty.IntType):
        raise error("type-mismatch", f"an enum needs an integer type, found {tag}", node.span)
    given = [
        None if m.value is None else ev.integer(m.value, "value of an enum member") for m in node.members
    ]
    free = (n for n in itertools.count() if n not in given)
    members: dict[str, int] = {}
    for member, value in zip(node.members, given, strict=True):
        number = next(free) if value is None else value
        if not tag.low <= number <= tag.high:
            raise error("int-out-of-range", f"{number} does not fit into {tag}", member.span)
        if member.name in members or number in members.values():
            raise error("duplicate-member", f"`{member.name}` = {number} is in the enum already", member.span)
        members[member.name] = number
    return _type_value(ty.EnumType(f"enum at {node.span}", str(node.span), tag, tuple(members.items())))


@expr_rule(ast.StructType)
def _struct_type(ev: Evaluator, node: ast.StructType, expected: ty.Type | None) -> Value:
    names = [f.name for f in node.fields]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise error("duplicate-field", f"field `{name}` is declared twice", node.fields[i].span)
    fields = tuple((f.name, ev.type_expr(f.type)) for f in node.fields)
    return _type_value(
        ty.NamedStruct(f"{node.kind} at {node.span}", str(node.span), fields, node.kind, node.layout)
    )


# --- tensor access --------------------------------------------------------------


@expr_rule(ast.TensorAccess)
def _tensor_access(ev: Evaluator, node: ast.TensorAccess, expected: ty.Type | None) -> Value:
    """The anonymous struct `.{ .base_address, .offset, .stride, .extent }` that the expression stands for.

    Strides are in elements, innermost first, and count what inner dimensions reset."""
    pointer, t = _tensor(ev, node)
    if len(node.indices) != len(t.shape):
        raise error("wrong-arity", f"{t} takes {len(t.shape)} indices, found {len(node.indices)}", node.span)
    if len(node.variables) != len(node.extents):
        message = f"{len(node.variables)} induction variables but {len(node.extents)} lengths"
        raise error("wrong-arity", message, node.span)
    extents = [_length(ev, e) for e in node.extents]
    count = len(node.variables)
    origin = _flat_at(ev, node, t, [0] * count)
    slopes: list[Value] = []
    for k in range(count):
        one = _flat_at(ev, node, t, [int(i == k) for i in range(count)])
        two = _flat_at(ev, node, t, [2 * int(i == k) for i in range(count)])
        slope = binary(ev, "-", one, origin, node.span)
        if two.known - origin.known != 2 * slope.known:
            raise error("not-affine", f"the access is not affine in `{node.variables[k]}`", node.span)
        slopes.append(slope)
    return _access_struct(ev, pointer, origin, _strides(ev, slopes, extents, node.span), extents)


def _tensor(ev: Evaluator, node: ast.TensorAccess) -> tuple[Value, ty.ArrayType]:
    place = place_of(ev, node.base)
    if isinstance(place.type, ty.PtrType):
        pointer = ev.expr(node.base)
        t = place.type.element
    else:
        pointer = address_of(ev, place, node.base.span)
        t = place.type
    if isinstance(t, ty.ArrayType):
        return pointer, t
    if isinstance(place.type, ty.PtrType):
        return pointer, ty.ArrayType((MAX_ELEMENTS,), t)
    raise error("not-a-tensor", f"a tensor access needs an array, found {place.type}", node.base.span)


def _length(ev: Evaluator, node: ast.Expr) -> Value:
    value = ev.comptime_expr(node)
    if not ty.is_integer(value.type):
        raise error("type-mismatch", f"a length must be an integer, found {value.type}", node.span)
    if not value.is_known:
        raise error("not-comptime", "the length of a tensor access must be known at compile time", node.span)
    if not 0 <= value.known <= 0xFFFF:
        raise error("bad-extent", f"length {value.known} is not between 0 and 65535", node.span)
    return Value(ty.COMPTIME_INT, value.known, _wide(value.ir))


def _wide(ir: tir.Expr | None) -> tir.Expr | None:
    return ir if ir is None or ir.type == "i64" else tir.Cast("i64", ir)


def _flat_at(ev: Evaluator, node: ast.TensorAccess, t: ty.ArrayType, at: list[int]) -> Value:
    """Row-major number of the element accessed with the induction variables at `at`."""
    with ev.at_comptime(), ev.new_scope():
        for name, number in zip(node.variables, at, strict=True):
            ev.bind(name, Value(ty.COMPTIME_INT, number))
        flat = Value(ty.COMPTIME_INT, 0)
        for part, extent in zip(node.indices, t.shape, strict=True):
            index = ev.expr(part)
            if not ty.is_integer(index.type) or not index.is_known:
                raise error("not-comptime", "an index of a tensor access must be a known integer", part.span)
            wide = Value(ty.COMPTIME_INT, index.known, _wide(index.ir))
            scaled = binary(ev, "*", flat, Value(ty.COMPTIME_INT, extent), part.span)
            flat = binary(ev, "+", scaled, wide, part.span)
        return flat


def _strides(ev: Evaluator, slopes: list[Value], extents: list[Value], span: Span) -> list[Value]:
    """Innermost first: each slope less what the dimensions inside it have run up."""
    strides: list[Value] = []
    run_up = Value(ty.COMPTIME_INT, 0)
    for slope, extent in zip(reversed(slopes), reversed(extents), strict=True):
        strides.append(binary(ev, "-", slope, run_up, span))
        last = binary(ev, "-", extent, Value(ty.COMPTIME_INT, 1), span)
        run_up = binary(ev, "+", run_up, binary(ev, "*", slope, last, span), span)
    return strides


def _access_struct(
    ev: Evaluator, pointer: Value, offset: Value, strides: list[Value], extents: list[Value]
) -> Value:
    fields = {
        "base_address": pointer,
        "offset": offset,
        "stride": tuple_value(strides),
        "extent": tuple_value(extents),
    }
    return Value(ty.StructType(tuple((n, v.type) for n, v in fields.items()), False), fields)


def tuple_value(values: list[Value]) -> Value:
    fields = {str(i): v for i, v in enumerate(values)}
    return Value(ty.StructType(tuple((n, v.type) for n, v in fields.items()), True), fields)
