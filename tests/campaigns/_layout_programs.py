"""Random layouts with the programs of their PEs, and what each PE then has in memory and in its router."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from campaigns._layout_loops import Loops, lets, loops
from campaigns._layout_numbers import Env, Scope, condition, function, number, wrapped
from campaigns._layout_reads import Read, reads
from campaigns._layout_values import CONSTANTS, PORTS, TYPES, Kind, by_variable, make, random_kind, type_text
from openwafer.tir import ColorConfig, Filter, FilterKind, config_row

Params = dict[str, Kind]
Values = dict[str, Any]
Call = tuple[int, Values]
"""The program of a PE and what its parameters are."""
OWN_ROUTE = """
comptime { @set_local_color_config(COLOR, .{ .routes = .{ .rx = .{ NORTH, RAMP }, .tx = .{ EAST } } }); }
"""
OWN_MASKS = (1 << PORTS["NORTH"] | 1 << PORTS["RAMP"], 1 << PORTS["EAST"])
PART = """
param k: u16;
const pair = [2]u16{ k, k + 1 };
fn get(n: u16) u16 { return k + n; }
"""
SHARED = """
const types = @import_module("types.csl");
const part1 = @import_module("part.csl", .{ .k = 40 });
const part2 = @import_module("part.csl", .{ .k = 50 });
fn twice(n: u16) u16 { return 2 * n; }
fn thrice(n: u16) u16 { return 3 * n; }
"""


@dataclass
class Case:
    """`words[y, x]` is what the PE stores; `routes` are rows of configurations by (x, y, color)."""

    files: dict[str, str]
    arch: str
    width: int
    height: int
    words: np.ndarray
    routes: dict[tuple[int, int, int], tuple[int, ...]]


@dataclass
class Body:
    """The body of the loops: its text and what it says of a PE."""

    text: str
    say: Callable[[Env], tuple[Call, dict[int, tuple[int, ...]]]]


@dataclass
class Site:
    """One `@set_tile_code`."""

    text: str
    call: Callable[[Env], Call]
    before: str = field(default="")


def case(seed: int) -> Case:
    rng = random.Random(seed)
    width, height = (rng.choice((1, 2, 3, 3, 4, 5, 6, most)) for most in (12, 9))
    type = rng.choice(("u16", "u16", "i16", "comptime_int", "u32", "i32"))
    scope, helpers = _helpers(Scope(rng, type, []))
    programs = [_params(scope) for _ in range(rng.choice((1, 1, 2, 3)))]
    around = loops(scope, width, height)
    body = _body(around.scope, programs)
    said = {(env["x"], env["y"]): body.say(env) for env in around.envs()}
    routed = [_routed(rng, params) for params in programs]
    files, used = _programs(rng, programs, routed, said)
    files |= {
        "types.csl": TYPES,
        "part.csl": PART,
        "layout.csl": _layout(width, height, helpers, around, body),
    }
    words = np.zeros((height, width, max(2, *map(len, used))), np.uint32)
    routes: dict[tuple[int, int, int], tuple[int, ...]] = {}
    for (x, y), ((program, values), configs) in said.items():
        for i, (name, read) in enumerate(used[program]):
            words[y, x, i] = read.value(values[name])
        routes |= {(x, y, color): row for color, row in configs.items()}
        own = routed[program]
        if own is not None:
            color = values[own]
            routes[x, y, color] = config_row(ColorConfig(color, (OWN_MASKS, None, None, None)))
    return Case(files, rng.choice(("wse2", "wse2", "wse3")), width, height, words, routes)


def _helpers(scope: Scope) -> tuple[Scope, str]:
    """Functions and tables of the layout."""
    texts: list[str] = []
    for i in range(scope.rng.choice((0, 1, 2))):
        table = [scope.rng.randrange(30) for _ in range(4)]
        texts.append(f"const table{i} = [4]{scope.type}{{ {', '.join(map(str, table))} }};")
        scope.tables[f"table{i}"] = table
    for i in range(scope.rng.choice((0, 1, 2))):
        text, value = function(scope, f"helper{i}")
        texts.append(text)
        scope.functions[f"helper{i}"] = value
    return scope, "\n".join(texts)


def _params(scope: Scope) -> Params:
    return {f"p{i}": random_kind(scope) for i in range(scope.rng.randint(1, 4))}


def _layout(width: int, height: int, helpers: str, around: Loops, body: Body) -> str:
    return f"""{SHARED}{CONSTANTS}
const memcpy = @import_module("<memcpy/get_params>", .{{ .width = {width}, .height = {height} }});
{helpers}
layout {{
  @set_rectangle({width}, {height});
  const loaded = .{{ memcpy, types, part1, part2 }};
  @export_name("v", [*]u32, true);
  @export_name("run", fn()void);
  {around.head}
  {body.text}
  {around.tail}
}}
"""


def _body(scope: Scope, programs: list[Params]) -> Body:
    own = lets(scope, "l")
    test = condition(own.scope)
    first, second = (_site(own.scope, programs) for _ in range(2))
    is_one, goes_on = scope.rng.random() < 0.3, scope.rng.random() < 0.3
    route, say_route = _route(own.scope)
    if is_one:
        code = f"{first.before}{first.text}"
    elif goes_on:
        code = f"if ({test.text}) {{ {first.before}{first.text} continue; }}\n{second.before}{second.text}"
    else:
        code = f"if ({test.text}) {{ {first.before}{first.text} }} else {{ {second.before}{second.text} }}"

    def say(env: Env) -> tuple[Call, dict[int, tuple[int, ...]]]:
        env = own.value(env)
        site = first if is_one or test.value(env) else second
        return site.call(env), say_route(env)

    return Body(f"{own.text}\n{route}\n{code}", say)


def _site(scope: Scope, programs: list[Params]) -> Site:
    rng = scope.rng
    which = rng.randrange(len(programs))
    made = {name: make(scope, kind) for name, kind in programs[which].items()}
    before = ""
    fields = {"memcpy_params": "memcpy.get_params(0)"} | {name: m.text for name, m in made.items()}
    for name, m in list(made.items()):
        if rng.random() < 0.4:
            text, made[name] = by_variable(scope, f"v_{name}", m)
            before += text
            fields[name] = f"v_{name}"
    parts = [f".{name} = {text}" for name, text in fields.items()]
    params = f".{{ {', '.join(parts)} }}"
    if rng.random() < 0.3:
        params = f"@concat_structs(.{{ {parts[0]} }}, .{{ {', '.join(parts[1:])} }})"
    text = f'@set_tile_code(x, y, "pe{which}.csl", {params});'
    return Site(text, lambda env: (which, {n: m.value(env) for n, m in made.items()}), before)


def _route(scope: Scope) -> tuple[str, Callable[[Env], dict[int, tuple[int, ...]]]]:
    """`@set_color_config` whose color, directions and filter depend on the PE."""
    rng = scope.rng
    if rng.random() < 0.4:
        return "", lambda _: {}
    color, limit = number(scope), number(scope)
    (a, b, to), (test, other) = rng.sample(list(PORTS), 3), (condition(scope), condition(scope))
    has_filter, is_fixed = rng.random() < 0.4, rng.random() < 0.5
    which = f"@get_color({3 if is_fixed else f'({color.text}) & 3'})"
    filters = (
        ", .filter = .{ .kind = .{ .counter = true }, .count_data = true,"
        f" .limit1 = @as(u16, {limit.text}), .max_counter = 2 }}"
    )
    text = (
        f"@set_color_config(x, y, {which}, .{{ .routes = .{{ .rx = .{{ if ({test.text}) {a} else {b} }},"
        f" .tx = .{{ if ({other.text}) RAMP else {to} }} }}{filters if has_filter else ''} }});"
    )

    def say(env: Env) -> dict[int, tuple[int, ...]]:
        rx = 1 << PORTS[a if test.value(env) else b]
        tx = 1 << PORTS["RAMP" if other.value(env) else to]
        number_ = 3 if is_fixed else color.value(env) & 3
        found = None
        if has_filter:
            most = wrapped(limit.value(env), "u16")
            found = Filter(FilterKind.COUNTER, count_data=True, limit1=most, maximum=2)
        config = ColorConfig(number_, ((rx, tx), None, None, None), filter=found)
        return {number_: config_row(config)}

    return text, say


def _routed(rng: random.Random, params: Params) -> str | None:
    """The parameter, a color, that the program itself configures."""
    colors = [name for name, kind in params.items() if kind == "color"]
    return colors[0] if colors and rng.random() < 0.7 else None


def _programs(
    rng: random.Random,
    programs: list[Params],
    routed: list[str | None],
    said: dict[tuple[int, int], tuple[Call, Any]],
) -> tuple[dict[str, str], list[list[tuple[str, Read]]]]:
    """The files of the PEs, and what they store: the parameter and the use of it."""
    files: dict[str, str] = {}
    used: list[list[tuple[str, Read]]] = []
    calls = list(said.values())
    for which, params in enumerate(programs):
        samples = [values for (program, values), _ in calls if program == which]
        found: list[tuple[str, Read]] = []
        if samples:
            known = rng.choice(samples)
            found = [(n, read) for n, kind in params.items() for read in reads(rng, kind, n, known[n])]
        used.append(found)
    size = max(2, *map(len, used)) if len(used) > 1 else max(2, len(used[0]))
    for which, (params, found, own) in enumerate(zip(programs, used, routed, strict=True)):
        text = _program(rng, params, [read for _, read in found], size)
        files[f"pe{which}.csl"] = text + (OWN_ROUTE.replace("COLOR", own) if own is not None else "")
    return files, used


def _program(rng: random.Random, params: Params, found: list[Read], size: int) -> str:
    declared: list[str] = []
    for name, kind in params.items():
        text = type_text(kind)
        is_typed = text is not None and rng.random() < 0.5
        declared.append(f"param {name}{f': {text}' if is_typed else ''};")
    tops = [read.top.replace("#", str(i)) for i, read in enumerate(found)]
    stores = [
        f"  {read.before.replace('#', str(i))} v[{i}] = {read.text.replace('#', str(i))};"
        for i, read in enumerate(found)
    ]
    newline = "\n"
    return f"""param memcpy_params;
{newline.join(declared)}
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const types = @import_module("types.csl");
var v: [{size}]u32;
const v_ptr: [*]u32 = &v;
{newline.join(tops)}
fn run() void {{
{newline.join(stores)}
  sys.unblock_cmd_stream();
}}
comptime {{ @export_symbol(v_ptr, "v"); @export_symbol(run); }}
"""
