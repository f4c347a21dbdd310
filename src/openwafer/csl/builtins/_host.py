"""Builtins of `<memcpy/…>`, `<simprint>` and `<debug>`: streams of the host, printing, strings in memory."""

from __future__ import annotations

import msgspec

from openwafer import tir
from openwafer.csl.builtins._args import arity
from openwafer.csl.evaluate._eval import Evaluator, builtin, emitting, program_unit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Ref, Static, Value
from openwafer.diag import Span, error

MAX_STRING_BYTES = 255


# --- streams ------------------------------------------------------------------------------


@builtin("openwafer_stream_colors")
def _stream_colors(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """The struct of stream colors that a layout gave, checked; numbers without a type become i16.

    Diagnostics, at the import that gave them: stream-color, stream-color-twice."""
    arity(node, 1)
    value, place = ev.expr(node.args[0]), ev.module.imported or node.span
    streams = {name: _stream_color(ev, name, field, place) for name, field in value.fields.items()}
    owner: dict[int, str] = {}
    for name, field in streams.items():
        if field.type is ty.VOID:
            continue
        color = int(field.known)
        if color in owner:
            message = f"`{owner[color]}` and `{name}` are both color {color}"
            raise error("stream-color-twice", message, place, help="give each stream a color of its own")
        owner[color] = name
    return Value(ty.StructType(tuple((n, v.type) for n, v in streams.items()), False), streams)


def _stream_color(ev: Evaluator, name: str, value: Value, span: Span) -> Value:
    if value.type is ty.VOID:
        return value
    if value.type is not ty.COLOR and not ty.is_integer(value.type):
        raise error("stream-color", f"`{name}` must be a color or its number, found {value.type}", span)
    color = int(ev.decide(value, span, "a color"))
    machine = ev.unit.machine
    if not 0 <= color < machine.fabric.colors or color in machine.host.memcpy_colors:
        reserved = ", ".join(map(str, machine.host.memcpy_colors))
        message = f"color {color} cannot be `{name}`"
        raise error("stream-color", message, span, notes=(f"memcpy itself uses colors {reserved}",))
    return Value(ty.I16, color) if value.type is ty.COMPTIME_INT else Value(value.type, color)


@builtin("openwafer_declare_streams")
def _declare_streams(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_declare_streams("in", .{ colors })`: fills `Program.host_in` or `host_out`."""
    arity(node, 2)
    unit = program_unit(ev, node)
    colors = unit.host_in if ev.string(node.args[0], "direction") == "in" else unit.host_out
    for value in ev.expr(node.args[1]).fields.values():
        if value.type is not ty.VOID:
            colors[ev.known_integer(value, node.span, "color")] = node.span
    return Value(ty.VOID, ())


# --- printing -------------------------------------------------------------------------------


@builtin("openwafer_print")
def _print(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_print("text")` or `@openwafer_print("X", value)`: appends to the PE's print buffer."""
    arity(node, 1, 2)
    builder = emitting(ev, node)
    text = ev.string(node.args[0], "text")
    if len(node.args) == 1:
        builder.emit(tir.Print(text.partition("\0")[0], None, "", ev.loc(node.span)))
    else:
        builder.emit(tir.Print("", ev.runtime(ev.expr(node.args[1])), text, ev.loc(node.span)))
    return Value(ty.VOID, ())


@builtin("openwafer_format")
def _format(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_format(format, .{ values })`: prints as `fmt_no_nl` of `<simprint>` does.

    Diagnostics: bad-format."""
    arity(node, 2)
    builder = emitting(ev, node)
    values = list(ev.expr(node.args[1]).fields.values())
    pieces = parse_format(ev.string(node.args[0], "format string"), node.span)
    wanted = sum(not is_text for is_text, _ in pieces)
    if wanted != len(values):
        raise error("bad-format", f"the format has {wanted} specifiers for {len(values)} values", node.span)
    for is_text, piece in pieces:
        if is_text:
            builder.emit(tir.Print(piece, None, "", ev.loc(node.span)))
            continue
        value = values.pop(0)
        _check_specifier(piece, value, node.span)
        builder.emit(tir.Print("", ev.runtime(value), piece, ev.loc(node.span)))
    return Value(ty.VOID, ())


def parse_format(text: str, span: Span) -> list[tuple[bool, str]]:
    """The parts of a format string: (true, text) or (false, specifier); `{{` is a brace.

    Diagnostics: bad-format."""
    parts: list[tuple[bool, str]] = []
    literal = ""
    at = 0
    while at < len(text):
        if text.startswith("{{", at):
            literal, at = literal + "{", at + 2
        elif text[at] == "{":
            specifier, brace, _ = text[at + 1 :].partition("}")
            if not brace or specifier not in ("d", "X", "b", "f"):
                message = f"`{{{specifier}{brace}` is not one of {{d}}, {{X}}, {{b}}, {{f}}"
                raise error("bad-format", message, span, help="a brace is written `{{`")
            parts += [(True, literal)] if literal else []
            parts.append((False, specifier))
            literal, at = "", at + 2 + len(specifier)
        else:
            literal, at = literal + text[at], at + 1
    return [*parts, (True, literal)] if literal else parts


def _check_specifier(specifier: str, value: Value, span: Span) -> None:
    wanted = (ty.F16, ty.F32) if specifier == "f" else (ty.U16, ty.U32)
    if value.type not in wanted:
        names = " or ".join(map(str, wanted))
        raise error("bad-format", f"`{{{specifier}}}` prints a {names}, found {value.type}", span)


# --- strings ----------------------------------------------------------------------------------


@builtin("openwafer_string_address")
def _string_address(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """Address of a string constant in the PE's memory: its length in bytes (u16), then its bytes."""
    arity(node, 1)
    unit = program_unit(ev, node)
    content = ev.string(node.args[0], "text").encode()
    if len(content) > MAX_STRING_BYTES:
        message = f"a trace string has at most {MAX_STRING_BYTES} bytes, found {len(content)}"
        raise error("trace-string", message, node.span)
    data = len(content).to_bytes(2, "little") + content
    for index, symbol in enumerate(unit.symbols):
        if symbol.name == STRING_NAME and symbol.init == data:
            return Value(ty.U16, ir=tir.Addr(index))
    return Value(ty.U16, ir=tir.Addr(unit.symbol(STRING_NAME, len(data), 2, data, f"[{len(data)}]u8")))


STRING_NAME = "<debug> string"


@builtin("openwafer_name_symbol")
def _name_symbol(ev: Evaluator, node: ast.Builtin, expected: ty.Type | None) -> Value:
    """`@openwafer_name_symbol(&variable, "name")`: the name by which the host finds a variable in memory.

    Diagnostics: symbol-name-twice."""
    arity(node, 2)
    unit = program_unit(ev, node)
    pointer = ev.expr(node.args[0])
    assert isinstance(pointer.known, Ref) and isinstance(pointer.known.base, Static)
    name = ev.string(node.args[1], "name")
    if any(symbol.name == name for symbol in unit.symbols):
        raise error("symbol-name-twice", f"two variables are called `{name}`", node.span)
    index = pointer.known.base.symbol
    unit.symbols[index] = msgspec.structs.replace(unit.symbols[index], name=name)
    return Value(ty.VOID, ())
