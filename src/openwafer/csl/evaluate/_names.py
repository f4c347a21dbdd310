"""Names: locals, globals of a module (evaluated when first used), primitive types, directions."""

from __future__ import annotations

from openwafer import tir
from openwafer.csl.evaluate._eval import Evaluator, expr_rule, is_constant
from openwafer.csl.evaluate._unit import LayoutUnit, ProgramUnit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._edition import check_removed
from openwafer.csl.syntax._module import Module
from openwafer.csl.values import _types as ty
from openwafer.csl.values._addressed import mentions
from openwafer.csl.values._coerce import coerce
from openwafer.csl.values._memory import initialize, load, new_static
from openwafer.csl.values._packed import extract
from openwafer.csl.values._values import (
    BitsPlace,
    Cell,
    CellPlace,
    FieldsPlace,
    FnValue,
    MemoryPlace,
    Place,
    SlotPlace,
    Value,
    ValuePlace,
)
from openwafer.diag import Span, error, suggest

DIRECTIONS = {"WEST": 0, "EAST": 1, "NORTH": 2, "SOUTH": 3, "RAMP": 4}
"""Numbers of the ports; the bit of a port in a route mask is 1 << number."""

_PRIMITIVES: dict[str, ValuePlace] = {
    name: ValuePlace(ty.DIRECTION, Value(ty.DIRECTION, number)) for name, number in DIRECTIONS.items()
}
"""Places of primitive names, made once."""


@expr_rule(ast.Ident)
def _ident(ev: Evaluator, node: ast.Ident, expected: ty.Type | None) -> Value:
    name, scope = node.name, ev.scope
    while scope is not None:
        place = scope.names.get(name)
        if place is not None:
            break
        scope = scope.parent
    else:
        place = _lookup_global(ev, name, node.span)
    return place.value if isinstance(place, ValuePlace) else read(ev, place, node.span)


def lookup(ev: Evaluator, name: str, span: Span) -> Place:
    """The place a name stands for; `unknown-name` with the nearest known one."""
    return ev.scope.find(name) or _lookup_global(ev, name, span)


def _lookup_global(ev: Evaluator, name: str, span: Span) -> Place:
    found = ev.module.globals.get(name)
    if found is not None:
        return found
    if name in ev.module.file.names:
        return global_place(ev, ev.module, name, span)
    found = _primitive(name)
    if found is not None:
        check_removed(ev.unit.options, name, ev.module.file.path, span)
        return found
    raise error("unknown-name", f"unknown name `{name}`", span, help=suggest(name, _known_names(ev)))


def _primitive(name: str) -> Place | None:
    found = _PRIMITIVES.get(name)
    if found is None:
        t = ty.named_type(name)
        if t is not None:
            found = _PRIMITIVES[name] = ValuePlace(ty.TYPE, Value(ty.TYPE, t))
    return found


def _known_names(ev: Evaluator) -> set[str]:
    names = {*ev.module.file.names, *ty.NAMED_TYPES, *DIRECTIONS}
    scope = ev.scope
    while scope is not None:
        names.update(scope.names)
        scope = scope.parent
    return names


def read(ev: Evaluator, place: Place, span: Span) -> Value:
    """The current value of a place."""
    match place:
        case ValuePlace():
            return place.value
        case SlotPlace():
            return Value(place.type, ir=tir.Local(ty.tir_type(place.type), place.slot))
        case MemoryPlace():
            return load(ev, place)
        case BitsPlace():
            return extract(ev, load(ev, place.word), place.type, place.low, span)
        case CellPlace():
            check_reachable(ev, place, span)
            return read_cell(place, span)
        case FieldsPlace():
            return Value(place.type, {n: read(ev, p, span) for n, p in place.fields.items()})


def check_reachable(ev: Evaluator, place: CellPlace, span: Span) -> None:
    """Raises `wrong-context` where a program uses a variable of the layout."""
    if place.cell.is_of_layout and not isinstance(ev.unit, LayoutUnit):
        raise error("wrong-context", "a variable of the layout does not exist in the code of a PE", span)


def read_cell(place: CellPlace, span: Span) -> Value:
    value = place.cell.value
    for key in place.path:
        if isinstance(key, str):
            value = active_field(value, key, span)
        else:
            assert isinstance(value.type, ty.ArrayType)
            item = value.known[key]
            value = item if isinstance(item, Value) else Value(value.type.element, item)
    if isinstance(value.known, (list, dict)):
        place.cell.shared = True
    return value


def active_field(value: Value, name: str, span: Span) -> Value:
    """A field of a struct, or the one that a union holds."""
    found = value.fields.get(name)
    if found is None:
        raise error("inactive-field", f"field `{name}` of {value.type} is not the active one", span)
    return found


def global_place(ev: Evaluator, module: Module, name: str, span: Span) -> Place:
    """The place of a module's global, evaluating its declaration the first time."""
    found = module.globals.get(name)
    if found is not None:
        return found
    decl = module.file.names.get(name)
    if decl is None:
        known = list(module.file.names)
        raise error(
            "unknown-name", f"`{module.file.source.path}` has no `{name}`", span, help=suggest(name, known)
        )
    if name in module.evaluating:
        raise error("cyclic-definition", f"`{name}` is defined by itself", decl.span)
    module.evaluating.add(name)
    try:
        place = _declare(Evaluator(module.unit, module), decl, name)
    finally:
        module.evaluating.discard(name)
    module.globals[name] = place
    return place


def _declare(ev: Evaluator, decl: ast.Decl, name: str) -> Place:
    match decl:
        case ast.ParamDecl():
            value = param_value(ev, decl)
            return ValuePlace(value.type, value)
        case ast.FnDecl():
            value = Value(ty.FnType((), ty.VOID), FnValue(ev.module, decl))
            value.type = _fn_type(ev, decl)
            return ValuePlace(value.type, value)
        case ast.VarDecl():
            return _global_variable(ev, decl)
        case _:
            return _color(ev, name, decl.span)


def _fn_type(ev: Evaluator, decl: ast.FnDecl) -> ty.FnType:
    """The signature; parts that depend on arguments count as `anytype`."""
    params = {p.name for p in decl.params}

    def part(node: ast.Expr | None) -> ty.Type:
        if node is None:
            return ty.VOID
        return ty.ANYTYPE if params and mentions(node, params) else ev.type_expr(node)

    return ty.FnType(tuple(part(p.type) for p in decl.params), part(decl.result))


def check_params(module: Module, span: Span) -> None:
    """Raises `unknown-parameter` for values given to parameters that the file does not declare."""
    declared = [n for n, d in module.file.names.items() if isinstance(d, ast.ParamDecl)]
    for name in module.params:
        if name not in declared:
            message = f"{module.file.source.path} has no parameter `{name}`"
            raise error("unknown-parameter", message, span, help=suggest(name, declared))


def param_value(ev: Evaluator, decl: ast.ParamDecl) -> Value:
    """The given value of a parameter, in its declared type; else its default; else `missing-parameter`."""
    given = ev.module.params.get(decl.name)
    target = ev.type_expr(decl.type) if decl.type is not None else None
    if given is None:
        if decl.default is None:
            message = f"parameter `{decl.name}` of {ev.module.file.source.path} has no value"
            raise error("missing-parameter", message, decl.span)
        given = ev.expr(decl.default, target)
    if target is None:
        return given
    return _param_coerce(ev, given, target, decl)


def _param_coerce(ev: Evaluator, given: Value, target: ty.Type, decl: ast.ParamDecl) -> Value:
    try:
        return coerce(ev, given, target, decl.span)
    except Exception as problem:
        if given.type == target:
            raise
        detail = getattr(problem, "diagnostics", None)
        if not detail:
            raise
        raise error(detail[0].id, f"parameter `{decl.name}`: {detail[0].message}", decl.span) from None


def _color(ev: Evaluator, name: str, span: Span) -> Place:
    text = ev.unit.options.colors.get(name)
    if text is None:
        raise error("missing-color", f"color `{name}` has no number; give it with --colors={name}:N", span)
    return ValuePlace(ty.COLOR, Value(ty.COLOR, int(text)))


def _global_variable(ev: Evaluator, decl: ast.VarDecl) -> Place:
    if decl.storage == "extern":
        raise error("not-supported-extern", f"extern `{decl.name}` is not supported yet", decl.span)
    target = ev.type_expr(decl.type) if decl.type is not None else None
    value = None if decl.value is None else ev.expr(decl.value, target)
    if value is not None and target is not None:
        assert decl.value is not None
        value = coerce(ev, value, target, decl.value.span)
    t = (
        target
        if target is not None and target is not ty.ANYTYPE
        else value.type
        if value is not None
        else None
    )
    if t is None:
        raise error("missing-type", f"`{decl.name}` needs a type or a value", decl.span)
    if t is ty.ANY_STRUCT and value is not None:
        t = value.type
    if decl.const and decl.align is None and decl.storage == "" and value is not None:
        return _constant(ev, decl, t, value)
    if isinstance(ev.unit, LayoutUnit) or ty.is_comptime_only(t):
        content = value if value is not None else zero(t, decl.span)
        cell = Cell(content, is_of_layout=isinstance(ev.unit, LayoutUnit) and not decl.const)
        return CellPlace(t, cell, (), decl.const)
    return _static(ev, decl, t, value)


def _constant(ev: Evaluator, decl: ast.VarDecl, t: ty.Type, value: Value) -> Place:
    _require_constant(decl, value)
    return ValuePlace(t, value, decl)


def _require_constant(decl: ast.VarDecl, value: Value) -> None:
    if not value.is_known and not (value.ir is not None and is_constant(value.ir)):
        assert decl.value is not None
        raise error(
            "not-comptime", f"the value of `{decl.name}` must be known at compile time", decl.value.span
        )


def _static(ev: Evaluator, decl: ast.VarDecl, t: ty.Type, value: Value | None) -> Place:
    assert isinstance(ev.unit, ProgramUnit)
    align = None if decl.align is None else ev.integer(decl.align, "alignment")
    if align is not None and (align <= 0 or align & (align - 1) or align > 65536):
        assert decl.align is not None
        raise error("bad-alignment", f"alignment {align} is not a power of two", decl.align.span)
    name = decl.name if not ev.module.instance else f"{ev.module.file.source.path}:{decl.name}"
    static = new_static(ev, name, t, const=decl.const, align=align, span=decl.span)
    if value is not None:
        _require_constant(decl, value)
        initialize(ev, static, value)
        if decl.const:
            static.constant = value
    return MemoryPlace(t, tir.Addr(static.symbol), decl.const, static)


def zero(t: ty.Type, span: Span) -> Value:
    """The value of a variable without an initialiser."""
    match t:
        case ty.ArrayType():
            return Value(t, [0] * t.count)
        case ty.StructType() | ty.NamedStruct():
            return Value(t, {n: zero(f, span) for n, f in t.fields})
        case _ if ty.is_float(t):
            return Value(t, 0.0)
        case _ if ty.is_integer(t) or ty.is_id(t) or isinstance(t, ty.EnumType):
            return Value(t, 0)
        case _ if t is ty.BOOL:
            return Value(t, False)
        case _ if t is ty.STRING:
            return Value(t, "")
        case _:
            raise error("missing-value", f"a variable of type {t} needs a value", span)
