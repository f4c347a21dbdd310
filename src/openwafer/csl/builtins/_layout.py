"""Builtins of layout blocks: the rectangle, code and routes of PEs, exported names."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from openwafer.csl.builtins._args import argument, arity
from openwafer.csl.builtins._routes import check_color, color_config, fields_of
from openwafer.csl.evaluate._eval import Evaluator, builtin, layout_unit
from openwafer.csl.evaluate._unit import LayoutUnit, Rectangle, Untraceable
from openwafer.csl.layout._leaves import clean, computed, undecided, varying_numbers
from openwafer.csl.layout._loop_trace import Code, Route
from openwafer.csl.layout._tiles import Batch, TileCode, Tiles
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Value
from openwafer.diag import Label, Span, error
from openwafer.tir import ExportName, config_row


def _void() -> Value:
    return Value(ty.VOID, ())


@builtin("set_rectangle")
def _set_rectangle(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2)
    unit = layout_unit(ev, node)
    width, height = (ev.integer(a, what) for a, what in zip(node.args, ("width", "height"), strict=True))
    if unit.rectangle is not None:
        raise error("rectangle-set-twice", "`@set_rectangle` is called twice", node.span)
    if width < 1 or height < 1:
        raise error("bad-rectangle", f"a rectangle of {width} × {height} PEs", node.span)
    offsets = unit.options.fabric_offsets
    fabric = unit.options.fabric_dims or (width + offsets[0], height + offsets[1])
    if width + offsets[0] > fabric[0] or height + offsets[1] > fabric[1]:
        place = f"offset {offsets[0]},{offsets[1]}"
        message = f"{width} × {height} PEs at {place} do not fit into {fabric[0]} × {fabric[1]}"
        raise error("rectangle-too-large", message, node.span, help="give larger --fabric-dims")
    unit.rectangle = Rectangle(width, height, fabric, offsets, node.span)
    unit.tiles = Tiles(width, height)
    unit.routes = np.full((height, width, unit.machine.fabric.colors), -1, np.int16)
    return _void()


@builtin("get_rectangle")
def _get_rectangle(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 0)
    rectangle = ev.unit.rectangle
    if rectangle is None:
        raise error("no-rectangle", "`@get_rectangle` before `@set_rectangle`", node.span)
    size = {"width": Value(ty.U16, rectangle.width), "height": Value(ty.U16, rectangle.height)}
    fields = {**size, "fabric": _size(rectangle.fabric), "offsets": _size(rectangle.offsets)}
    return Value(ty.StructType(tuple((n, v.type) for n, v in fields.items()), False), fields)


def _size(pair: tuple[int, int]) -> Value:
    fields = {"width": Value(ty.U16, pair[0]), "height": Value(ty.U16, pair[1])}
    return Value(ty.StructType((("width", ty.U16), ("height", ty.U16)), False), fields)


def _pe(ev: Evaluator, unit: LayoutUnit, node: ast.Builtin) -> tuple[Value, Value]:
    """The first two arguments, coordinates inside the rectangle."""
    a, b = (ev.expr(arg) for arg in node.args[:2])
    x, y = (_coordinate(ev, v, arg.span) for v, arg in zip((a, b), node.args, strict=False))
    rectangle = unit.rectangle
    if rectangle is None:
        raise error("no-rectangle", f"`@{node.name}` before `@set_rectangle`", node.span)
    if not (0 <= x < rectangle.width and 0 <= y < rectangle.height):
        message = f"PE ({x}, {y}) is outside of the {rectangle.width} × {rectangle.height} rectangle"
        raise error("pe-outside-rectangle", message, node.args[0].span.to(node.args[1].span))
    return a, b


def _coordinate(ev: Evaluator, value: Value, span: Span) -> int:
    """A coordinate as a number. While a loop is recorded, nothing is decided on one that varies with it."""
    if ev.unit.trace is not None and value.ir is not None and ty.is_integer(value.type):
        return int(value.known)
    return ev.known_integer(value, span, "coordinate")


@builtin("set_tile_code")
def _set_tile_code(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2, 4)
    unit = layout_unit(ev, node)
    a, b = _pe(ev, unit, node)
    x, y = int(a.known), int(b.known)
    assert unit.tiles is not None
    before = unit.tiles.at(x, y)
    if before is not None:
        first = Label(before.span, "first set here")
        raise error("tile-set-twice", f"code of PE ({x}, {y}) is set twice", node.span, labels=[first])
    path = ev.module.file.path
    if len(node.args) > 2:
        path = _tile_path(ev, unit, node)
    params: dict[str, Value] = {}
    if len(node.args) > 3:
        value = ev.expr(node.args[3])
        params = fields_of(value, node.args[3].span)
    unit.steps = 0
    if unit.trace is None:
        unit.tiles.add(Batch(TileCode(path, params, node.span), np.array([x]), np.array([y])))
        return _void()
    unit.trace.codes.append(_code(ev, a, b, TileCode(path, params, node.span)))
    return _void()


def _code(ev: Evaluator, x: Value, y: Value, tile: TileCode) -> Code:
    """What a recorded `@set_tile_code` says: numbers that vary apart, all else decided. Expressions of the
    loop end here: none goes into a program."""
    values = list(tile.params.values())
    _decide_all(ev, (part for value in values for part in undecided(value)), tile.span)
    numbers = {at: value.ir for at, value in varying_numbers(values) if value.ir is not None}
    params = {name: clean(value) for name, value in tile.params.items()}
    if any(True for value in params.values() for _ in computed(value)):
        raise Untraceable
    return Code(x, y, TileCode(tile.path, params, tile.span), numbers)


def _tile_path(ev: Evaluator, unit: LayoutUnit, node: ast.Builtin) -> str:
    name = ev.string(node.args[2], "file")
    key = (name, ev.module.file.path)
    found = unit.tile_paths.get(key)
    if found is None:
        found = unit.tile_paths[key] = unit.files.resolve(name, ev.module.file.path, node.args[2].span)
    return found


@builtin("set_color_config")
def _set_color_config(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 4)
    unit = layout_unit(ev, node)
    a, b = _pe(ev, unit, node)
    x, y = int(a.known), int(b.known)
    color = ev.expr(node.args[2])
    number = ev.known_integer(color, node.args[2].span, "color")
    if not 0 <= number < unit.machine.fabric.colors:
        raise error("id-out-of-range", f"color {number} is not routable", node.args[2].span)
    assert unit.routes is not None
    if unit.routes[y, x, number] >= 0:
        raise error("color-set-twice", f"color {number} of PE ({x}, {y}) is configured twice", node.span)
    config = ev.expr(node.args[3])
    check_color(unit, number, config, node.span)
    unit.steps = 0
    if unit.trace is None:
        unit.routes[y, x, number] = _config_number(ev, unit, config, node)
        return _void()
    _decide_all(ev, [config], node.span)
    unit.trace.routes.append(Route(a, b, number, _config_number(ev, unit, config, node)))
    return _void()


def _decide_all(ev: Evaluator, values: Iterable[Value], span: Span) -> None:
    """Decides on all that an expression computes in the values."""
    for value in values:
        for part in computed(value):
            ev.decide(part, span)


def _config_number(ev: Evaluator, unit: LayoutUnit, config: Value, node: ast.Builtin) -> int:
    """Row of the configuration; equal structs give equal rows."""
    same = unit.config_values.get(id(config))
    if same is not None:
        return same[1]
    number = _config_row_number(ev, unit, config, node)
    unit.config_values[id(config)] = (config, number)
    return number


def _config_row_number(ev: Evaluator, unit: LayoutUnit, config: Value, node: ast.Builtin) -> int:
    key = _freeze(config)
    found = unit.config_rows.get(key)
    if found is None:
        row = config_row(color_config(ev, 0, config, node))
        found = unit.config_rows[key] = unit.configs.setdefault(row, len(unit.configs))
    return found


def _freeze(value: Value) -> object:
    if value.parts is not None:
        return tuple((n, _freeze(v)) for n, v in value.parts.items())
    if value.elements is not None:
        return tuple(_freeze(v) if isinstance(v, Value) else v for v in value.elements)
    return value.known


MAX_EXPORTED_PARAMS = 15
"""Source: `@export_name` in “Builtins” of the SDK documentation."""


def _check_exported(t: ty.Type, span: Span) -> None:
    """Scalars, pointers and functions of them can be exported."""
    parts = (*t.params, t.result) if isinstance(t, ty.FnType) else (t,)
    for part in parts:
        scalar = isinstance(part, (ty.IntType, ty.FloatType, ty.PtrType)) or ty.is_id(part) or part is ty.BOOL
        if not scalar and not (isinstance(t, ty.FnType) and part is ty.VOID):
            raise error("bad-export", f"an exported name cannot be of type {part}", span)
    if len(parts) > MAX_EXPORTED_PARAMS + 1:
        raise error("bad-export", f"an exported function has at most {MAX_EXPORTED_PARAMS} parameters", span)


@builtin("export_name")
def _export_name(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    arity(node, 2, 3)
    unit = layout_unit(ev, node)
    if unit.trace is not None:
        raise Untraceable
    name = ev.string(node.args[0], "name")
    if name in unit.exports:
        raise error("duplicate-export", f"`{name}` is exported twice", node.span)
    t = ev.type_expr(node.args[1])
    is_function = isinstance(t, ty.FnType)
    _check_exported(t, node.args[1].span)
    mutable = argument(node, 2)
    if mutable is None and not is_function:
        raise error("wrong-arity", "an exported variable needs its mutability as third argument", node.span)
    is_mutable = mutable is not None and not is_function and bool(ev.decide(ev.expr(mutable)))
    unit.export_types[name] = t
    unit.exports[name] = ExportName(name, "func" if is_function else "data", str(t), is_mutable)
    return _void()
