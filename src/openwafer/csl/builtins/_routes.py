"""Color configurations: routes, switches and filters of `@set_color_config`, `@set_local_color_config`."""

from __future__ import annotations

from openwafer.csl.builtins import _struct_fields as structs
from openwafer.csl.builtins._args import choice, flag
from openwafer.csl.evaluate._eval import Evaluator
from openwafer.csl.evaluate._unit import Unit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Value
from openwafer.diag import Span, error
from openwafer.tir import INHERITED, SWAP_X, SWAP_Y, ColorConfig, Filter, FilterKind

POP_MODES = ("no_pop", "always_pop", "pop_on_advance", "pop_on_advance_nop")
REGISTER_MAX = 0xFFFF
WORD_MAX = 0x3FF
"""A route as a word has ten bits."""


def color_config(ev: Evaluator, color: int, config: Value, node: ast.Builtin) -> ColorConfig:
    """Diagnostics: missing-routes, those of `Struct.of`, bad-switch-position, bad-filter, bad-option."""
    fields = _struct(ev, structs.COLOR, config, node)
    if "routes" not in fields:
        raise error("missing-routes", "a color configuration needs `.routes`", node.span)
    given = fields["routes"]
    routes = {} if ty.is_integer(given.type) else _struct(ev, structs.ROUTES, given, node)
    switches = _struct(ev, structs.SWITCHES, fields["switches"], node) if "switches" in fields else {}
    return ColorConfig(
        color,
        (
            _masks(ev, given, routes, node),
            *(_position(ev, switches.get(name), node) for name in structs.POSITIONS),
        ),
        _current(ev, switches.get("current_switch_pos"), node),
        flag(ev, switches, "ring_mode", node),
        _pop_mode(ev, routes, switches, node),
        flag(ev, fields, "teardown", node),
        _filter(ev, fields["filter"], node) if "filter" in fields else None,
        _swap(ev, routes, node),
    )


def _struct(ev: Evaluator, struct: structs.Struct, value: Value, node: ast.Builtin) -> dict[str, Value]:
    return struct.of(value, ev.unit.arch, node.span)


def check_color(unit: Unit, color: int, config: Value, span: Span) -> None:
    """What a color may not be: one of memcpy's own, or one with switches where it has none.

    Diagnostics: reserved-by-memcpy, no-switch."""
    machine = unit.machine
    reserved = machine.host.memcpy_colors
    if unit.options.memcpy and color in reserved:
        colors = ", ".join(map(str, reserved))
        note = f"it uses colors {colors}"
        raise error("reserved-by-memcpy", f"color {color} belongs to `--memcpy`", span, notes=(note,))
    if color not in machine.fabric.switch_colors and "switches" in (config.parts or {}):
        colors = ", ".join(map(str, machine.fabric.switch_colors))
        message = f"color {color} has no switches on {machine.name}"
        raise error("no-switch", message, span, notes=(f"colors with switches: {colors}",))


def _current(ev: Evaluator, value: Value | None, node: ast.Builtin) -> int:
    current = 0 if value is None else ev.known_integer(value, node.span, "switch position")
    count = ev.unit.machine.fabric.switch_positions
    if not 0 <= current < count:
        message = f"switch position {current} is not between 0 and {count - 1}"
        raise error("bad-switch-position", message, node.span)
    return current


def _pop_mode(ev: Evaluator, routes: dict[str, Value], switches: dict[str, Value], node: ast.Builtin) -> int:
    """It stands in `.switches`, in older programs in `.routes`."""
    if "pop_mode" in routes and "pop_mode" in switches:
        message = "`.pop_mode` is given twice, in `.routes` and in `.switches`"
        raise error("duplicate-field", message, node.span)
    pop = routes.get("pop_mode") or switches.get("pop_mode")
    return 0 if pop is None else POP_MODES.index(choice(ev, pop, POP_MODES, "a pop mode", node))


def _masks(ev: Evaluator, given: Value, fields: dict[str, Value], node: ast.Builtin) -> tuple[int, int]:
    if ty.is_integer(given.type):
        return _word_masks(ev, given, node)
    return _mask(ev, fields.get("rx"), node), _mask(ev, fields.get("tx"), node)


def _word_masks(ev: Evaluator, word: Value, node: ast.Builtin) -> tuple[int, int]:
    """The masks of a word as `<directions>` makes it: in bits 0–4 outputs W E S N RAMP, in 5–9 inputs."""
    bits = ev.known_integer(word, node.span, "route")
    if not 0 <= bits <= WORD_MAX:
        raise error("bad-route", f"a route of {bits} has bits without a meaning", node.span)
    rx, tx = (bits >> shift & 31 for shift in (5, 0))
    return _in_order_of_ports(rx), _in_order_of_ports(tx)


def _in_order_of_ports(mask: int) -> int:
    """W E S N RAMP as W E N S RAMP."""
    return mask & ~12 | (mask & 4) << 1 | (mask & 8) >> 1


def _swap(ev: Evaluator, routes: dict[str, Value], node: ast.Builtin) -> int:
    is_x, is_y = (flag(ev, routes, name, node) for name in ("color_swap_x", "color_swap_y"))
    if is_x and is_y:
        message = "swapping a color in both directions is not supported yet"
        raise error("not-supported-color-swap", message, node.span)
    if (is_x or is_y) and ev.unit.arch != "wse2":
        raise error("color-swap", "only WSE-2 swaps colors", node.span)
    return SWAP_X if is_x else SWAP_Y if is_y else 0


def fields_of(value: Value, span: Span) -> dict[str, Value]:
    if value.parts is None:
        raise error("type-mismatch", f"expected a struct, found {value.type}", span)
    return value.parts


def _position(ev: Evaluator, value: Value | None, node: ast.Builtin) -> tuple[int, int] | None:
    """A switch position: what it does not name is as in the valid position before it.

    Source: cholesky of the public examples, whose third position must not have the first one's `.tx`."""
    if value is None:
        return None
    if ty.is_integer(value.type):
        masks = _word_masks(ev, value, node)
        return (masks[0] or INHERITED, masks[1] or INHERITED) if any(masks) else None
    fields = _struct(ev, structs.POSITION, value, node)
    if "invalid" in fields:
        if len(fields) > 1 or not flag(ev, fields, "invalid", node):
            message = "`.invalid` of a switch position is `true` and stands alone"
            raise error("bad-switch-position", message, node.span)
        return None
    if not fields:
        raise error("bad-switch-position", "a switch position has `.rx` or `.tx`", node.span)
    rx, tx = (_mask(ev, fields[n], node) if n in fields else INHERITED for n in ("rx", "tx"))
    if rx != INHERITED and rx.bit_count() != 1:
        raise error("bad-switch-position", "`.rx` of a switch position is one direction", node.span)
    return rx, tx


def _mask(ev: Evaluator, value: Value | None, node: ast.Builtin) -> int:
    """Directions as a mask of ports."""
    if value is None:
        return 0
    mask = 0
    for part in structs.elements_of(value, "a route", node.span):
        if part.type is not ty.DIRECTION:
            raise error("type-mismatch", f"a route is made of directions, found {part.type}", node.span)
        bit = 1 << int(ev.decide(part, node.span))
        if mask & bit:
            raise error("duplicate-direction", "a direction stands twice in a route", node.span)
        mask |= bit
    return mask


def _filter(ev: Evaluator, value: Value, node: ast.Builtin) -> Filter:
    fields = fields_of(value, node.span)
    if "kind" not in fields:
        message = "a filter needs its `.kind`"
        raise error("bad-filter", message, node.span, help="as `.kind = .{ .counter = true }`")
    kind = choice(ev, fields["kind"], tuple(structs.FILTERS), "a kind of filter", node)
    structs.FILTERS[kind].of(value, ev.unit.arch, node.span)

    def number(name: str) -> int:
        found = ev.known_integer(fields[name], node.span, f"`.{name}`") if name in fields else 0
        if not 0 <= found <= REGISTER_MAX:
            raise error("bad-filter", f"`.{name}` is {found}, it has 16 bits", node.span)
        return found

    if kind == "range":
        return Filter(FilterKind.RANGE, limit1=number("min_idx"), maximum=number("max_idx"))
    limits = [number(name) if name in fields else None for name in ("limit1", "limit2")]
    if kind == "counter":
        limits = [number("limit1"), None]
    counts = [flag(ev, fields, name, node) for name in ("count_data", "count_control", "filter_control")]
    return Filter(
        FilterKind[kind.upper()],
        count_data=counts[0],
        count_control=counts[1],
        filter_control=counts[2],
        counter=number("init_counter"),
        limit1=limits[0],
        limit2=limits[1],
        maximum=number("max_counter"),
    )
