"""Builtins on types and values: conversions, arrays, structs, strings, assertions, modules."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

from openwafer import tir
from openwafer.csl.builtins._args import argument, arity
from openwafer.csl.evaluate._eval import MAX_ELEMENTS, Evaluator, builtin
from openwafer.csl.evaluate._names import check_params
from openwafer.csl.evaluate._unit import Untraceable
from openwafer.csl.layout._leaves import items_of
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._edition import check_removed
from openwafer.csl.values import _types as ty
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._operators import bitcast, cast
from openwafer.csl.values._packed import pack, unpack
from openwafer.csl.values._values import UNKNOWN, RangeValue, Value
from openwafer.diag import DiagnosticError, Span, error
from openwafer.files import MIB, read_text

MOST_JSON_BYTES = 16 * MIB
"""Of a file that `@import_comptime_value` reads."""


def _void() -> Value:
    return Value(ty.VOID, ())


@builtin("as")
def _as(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    target = ev.type_expr(node.args[0])
    return cast(ev, ev.expr(node.args[1], target), target, node.span)


@builtin("bitcast")
def _bitcast(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    target = ev.type_expr(node.args[0])
    value = ev.expr(node.args[1])
    width = ty.bit_width(target)
    if width is None or width != ty.bit_width(value.type):
        raise error(
            "type-mismatch", f"`@bitcast` from {value.type} to {target}: the widths differ", node.span
        )
    if isinstance(value.type, ty.NamedStruct):
        value = pack(ev, value, value.type, node.span)
    if isinstance(target, ty.NamedStruct):
        return unpack(ev, bitcast(ev, value, ty.backing_integer(target), node.span), target, node.span)
    return bitcast(ev, value, target, node.span)


@builtin("ptrcast")
def _ptrcast(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    target = ev.type_expr(node.args[0])
    value = ev.expr(node.args[1])
    if not isinstance(target, ty.PtrType) or not isinstance(value.type, ty.PtrType):
        raise error(
            "type-mismatch", f"`@ptrcast` from {value.type} to {target}: both must be pointers", node.span
        )
    return Value(target, value.known, value.ir)


@builtin("is_same_type")
def _is_same_type(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    return Value(ty.BOOL, ev.type_expr(node.args[0]) == ev.type_expr(node.args[1]))


@builtin("type_of")
def _type_of(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    if ev.builder is None:
        return Value(ty.TYPE, ev.expr(node.args[0]).type)
    with ev.code.nested():
        return Value(ty.TYPE, ev.expr(node.args[0]).type)


def _array_type(ev: Evaluator, node: ast.Builtin) -> ty.ArrayType:
    t = ev.type_expr(node.args[0])
    if not isinstance(t, ty.ArrayType):
        raise error("type-mismatch", f"`@{node.name}` needs an array type, found {t}", node.args[0].span)
    return t


@builtin("zeros")
def _zeros(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    t = _array_type(ev, node)
    if not (ty.is_number(t.element) or t.element is ty.BOOL):
        raise error("type-mismatch", f"`@zeros` needs an array of numbers, found {t}", node.span)
    return Value(t, [0.0 if ty.is_float(t.element) else 0] * t.count)


@builtin("constants")
def _constants(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    t = _array_type(ev, node)
    value = coerce(ev, ev.expr(node.args[1], t.element), t.element, node.args[1].span)
    if not value.is_known:
        raise error(
            "not-comptime", "the value of `@constants` must be known at compile time", node.args[1].span
        )
    return Value(t, [value.known if value.ir is None else value] * t.count)


@builtin("element_type")
def _element_type(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    return Value(ty.TYPE, _array_type(ev, node).element)


@builtin("element_count")
def _element_count(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    return Value(ty.U32, _array_type(ev, node).count)


@builtin("dimensions")
def _dimensions(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    shape = _array_type(ev, node).shape
    return Value(ty.ArrayType((len(shape),), ty.U32), list(shape))


@builtin("rank")
def _rank(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    return Value(ty.U16, len(_array_type(ev, node).shape))


@builtin("fp16")
def _fp16(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 0)
    return Value(ty.TYPE, ty.F16)


@builtin("get_int")
def _get_int(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    value = ev.expr(node.args[0])
    if ty.is_integer(value.type):
        return value
    if isinstance(value.type, ty.EnumType):
        return Value(value.type.tag, value.known, value.ir)
    if ty.is_id(value.type):
        return Value(ty.U16, value.known, value.ir)
    raise error("type-mismatch", f"`@get_int` of a {value.type}", node.args[0].span)


@builtin("is_arch")
def _is_arch(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    name = ev.string(node.args[0], "architecture")
    if name not in ("wse1", "wse2", "wse3"):
        raise error("unknown-arch", f"unknown architecture `{name}`", node.args[0].span)
    return Value(ty.BOOL, ev.unit.arch == name)


@builtin("is_comptime")
def _is_comptime(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 0)
    return Value(ty.BOOL, not ev.is_emitting())


# --- structs ----------------------------------------------------------------------


def _struct(ev: Evaluator, node: ast.Expr) -> Value:
    value = ev.expr(node)
    if not isinstance(value.known, dict):
        raise error("type-mismatch", f"expected a struct, found {value.type}", node.span)
    return value


@builtin("field")
def _field(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    from openwafer.csl.evaluate._names import read
    from openwafer.csl.evaluate._place import place_of

    return read(ev, place_of(ev, node), node.span)


@builtin("has_field")
def _has_field(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    return Value(ty.BOOL, ev.string(node.args[1], "field name") in _struct(ev, node.args[0]).known)


@builtin("concat_structs")
def _concat_structs(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    check_removed(ev.unit.options, "@concat_structs", ev.module.file.path, node.span)
    a, b = (_struct(ev, n) for n in node.args)
    tuples = [isinstance(v.type, ty.StructType) and v.type.is_tuple for v in (a, b)]
    if a.known and b.known and tuples[0] != tuples[1]:
        raise error("type-mismatch", "a tuple and a struct cannot be concatenated", node.span)
    if any(tuples):
        items = [*a.known.values(), *b.known.values()]
        fields = {str(i): v for i, v in enumerate(items)}
    else:
        both = [n for n in a.known if n in b.known]
        if both:
            raise error("duplicate-field", f"both structs have a field `{both[0]}`", node.span)
        fields = {**a.known, **b.known}
    return Value(ty.StructType(tuple((n, v.type) for n, v in fields.items()), any(tuples)), fields)


# --- strings --------------------------------------------------------------------------


@builtin("strcat")
def _strcat(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    text = "".join(ev.string(a, "argument") for a in node.args)
    if len(text) > MAX_ELEMENTS:
        raise error("comptime-limit", f"a string of {len(text):,} characters", node.span)
    return Value(ty.STRING, text)


@builtin("strlen")
def _strlen(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    return Value(ty.COMPTIME_INT, len(ev.string(node.args[0], "argument").encode()))


@builtin("get_array")
def _get_array(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    content = ev.string(node.args[0], "argument").encode()
    return Value(ty.ArrayType((len(content),), ty.U8), list(content))


@builtin("get_string_from_byte")
def _string_from_byte(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    number = ev.integer(node.args[0], "byte")
    if not 0 <= number <= 255:
        raise error("int-out-of-range", f"{number} does not fit into a byte", node.args[0].span)
    return Value(ty.STRING, chr(number))


# --- assertions and printing ------------------------------------------------------------


@builtin("comptime_assert")
def _comptime_assert(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1, 2)
    condition = ev.comptime_expr(node.args[0])
    if condition.type is not ty.BOOL:
        raise error("type-mismatch", f"expected bool, found {condition.type}", node.args[0].span)
    if not ev.decide(condition, node.args[0].span, "an assertion"):
        text = argument(node, 1)
        message = "assertion is false" if text is None else ev.string(text, "message")
        raise error("comptime-assert", message, node.args[0].span)
    return _void()


@builtin("assert")
def _assert(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1)
    if not ev.is_emitting():
        return _comptime_assert(ev, node, expected)
    condition = ev.expr(node.args[0])
    if condition.type is not ty.BOOL:
        raise error("type-mismatch", f"expected bool, found {condition.type}", node.args[0].span)
    text = node.span.source.text[node.args[0].span.start : node.args[0].span.end]
    ev.emit(tir.Assert(ev.runtime(condition), text, ev.loc(node.span)))
    return _void()


@builtin("comptime_print")
def _comptime_print(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    if ev.unit.trace is not None:
        raise Untraceable
    values = [ev.comptime_expr(a) for a in node.args]
    ev.unit.printed.append(f"{node.span}: {', '.join(show(v) for v in values)}")
    return _void()


def show(value: Value) -> str:
    """A value as CSL text."""
    known = value.known
    if value.parts is not None:
        parts = [f".{n} = {show(v)}" for n, v in value.parts.items()]
        return f".{{ {', '.join(parts)} }}"
    if value.elements is not None:
        return f"[{', '.join(show(item) for item in items_of(value))}]"
    if isinstance(known, bool):
        return str(known).lower()
    if known is UNKNOWN:
        return f"<{value.type}>"
    return str(known)


# --- modules and ranges -------------------------------------------------------------------


@builtin("import_module")
def _import_module(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 1, 2)
    name = ev.string(node.args[0], "path of a module")
    params: dict[str, Value] = {}
    given = argument(node, 1)
    if given is not None:
        with ev.at_comptime():
            params = dict(_struct(ev, given).fields)
    module = ev.unit.module(name, ev.module.file.path, params, node.args[0].span)
    check_params(module, node.args[-1].span)
    return Value(ty.MODULE, module)


@builtin("range")
def _range(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    if len(node.args) not in (2, 4):
        raise error("wrong-arity", f"`@range` takes 2 or 4 arguments, found {len(node.args)}", node.span)
    t = ev.type_expr(node.args[0])
    if not ty.is_integer(t):
        raise error("type-mismatch", f"`@range` needs an integer type, found {t}", node.args[0].span)
    bounds = [_bound(ev, n, t) for n in node.args[1:]]
    if len(bounds) == 1:
        bounds = [Value(t, 0), bounds[0], Value(t, 1)]
    if bounds[2].is_known and bounds[2].known == 0:
        raise error("bad-range", "the step of a range is 0", node.span)
    return Value(ty.RangeType(t), RangeValue(*bounds))


def _bound(ev: Evaluator, node: ast.Expr, t: ty.Type) -> Value:
    value = ev.expr(node)
    if isinstance(value.type, ty.IntType) and isinstance(t, ty.IntType) and not value.is_known:
        return cast(ev, value, t, node.span)
    return coerce(ev, value, t, node.span)


def _part_of_range(ev: Evaluator, node: ast.Builtin) -> RangeValue:
    arity(node, 1)
    value = ev.expr(node.args[0])
    if not isinstance(value.known, RangeValue):
        raise error("type-mismatch", f"expected a range, found {value.type}", node.args[0].span)
    return value.known


@builtin("range_start")
def _range_start(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    return _part_of_range(ev, node).start


@builtin("range_stop")
def _range_stop(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    return _part_of_range(ev, node).stop


@builtin("range_step")
def _range_step(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    return _part_of_range(ev, node).step


# --- JSON ---------------------------------------------------------------------------------


@builtin("import_comptime_value")
def _import_value(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    t = ev.type_expr(node.args[0])
    name = ev.string(node.args[1], "path of a JSON file")
    path = Path(ev.module.file.path).parent / name
    try:
        content = json.loads(_json_text(path, node.args[1].span))
        return _from_json(ev, content, t, node)
    except RecursionError:
        raise error("bad-json", f"{name}: values nested too deep", node.args[1].span) from None
    except ValueError as problem:
        raise error("bad-json", f"{name}: {problem}", node.args[1].span) from None


def _json_text(path: Path, span: Span) -> str:
    try:
        return read_text(path, "JSON file", "bad-json", MOST_JSON_BYTES)
    except DiagnosticError as problem:
        raise error("bad-json", problem.diagnostics[0].message, span) from None


def _from_json(ev: Evaluator, content: Any, t: ty.Type, node: ast.Builtin) -> Value:
    if isinstance(t, ty.ArrayType) and isinstance(content, list):
        items = typing.cast("list[Any]", content)
        if len(items) != t.count:
            raise error("wrong-count", f"{t} needs {t.count} elements, found {len(items)}", node.span)
        return Value(t, [_from_json(ev, item, t.element, node).known for item in items])
    if isinstance(content, dict):
        members = typing.cast("dict[str, Any]", content)
        fields = {name.split(":")[0]: _labelled(ev, name, v, node) for name, v in members.items()}
        return Value(ty.StructType(tuple((n, v.type) for n, v in fields.items()), False), fields)
    plain = _plain(content)
    if plain is None:
        raise error("bad-json", f"a {type(content).__name__} cannot become a {t}", node.span)
    return plain if t is ty.ANY_STRUCT else coerce(ev, plain, t, node.span)


def _labelled(ev: Evaluator, key: str, content: Any, node: ast.Builtin) -> Value:
    from openwafer.csl.syntax._files import parse_type

    text = key.partition(":")[2]
    t = ev.type_expr(parse_type(text, key)) if text else ty.ANY_STRUCT
    return _from_json(ev, content, t, node)


def _plain(content: Any) -> Value | None:
    match content:
        case bool():
            return Value(ty.BOOL, content)
        case int():
            return Value(ty.COMPTIME_INT, content)
        case float():
            return Value(ty.COMPTIME_FLOAT, content)
        case str():
            return Value(ty.STRING, content)
        case _:
            return None
