"""Random values of parameters: CSL text, and what the value is for one PE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns._layout_numbers import BITS, Env, Int, Scope, condition, number, wrapped

TYPES = """
const E = enum(u16) { a = 0, b = 3, c = 5, d = 9 };
const P = struct { x: u16, y: i16 };
const Q = struct { on: bool, two: [2]u16, deep: P };
"""
MEMBERS = {"a": 0, "b": 3, "c": 5, "d": 9}
PORTS = {"WEST": 0, "EAST": 1, "NORTH": 2, "SOUTH": 3, "RAMP": 4}
CONSTANTS = """
const kinds = [4]types.E{ types.E.a, types.E.b, types.E.c, types.E.d };
const sides = [4]direction{ WEST, EAST, NORTH, SOUTH };
const words = [4]comptime_string{ "", "one", "three", "eleven" };
"""
WORDS = ("", "one", "three", "eleven")
SIDES = ("WEST", "EAST", "NORTH", "SOUTH")
NAMED = {"P": {"x": "u16", "y": "i16"}, "Q": {"on": "bool", "two": "[2]u16", "deep": "P"}}
NUMBERS = ("u8", "u16", "u16", "i16", "u32", "i32", "bool", "bool", "f32", "f16", "comptime_int")
IDS = ("color", "local_task_id", "input_queue", "direction", "E")
NO_NUMBERS = ("comptime_string", "type", "fn", "module", "u64")
LARGE = (0, 0, -70, 3_000_000_000, -2_147_483_600, 1 << 40, 1 << 70)


@dataclass(frozen=True)
class Made:
    """A value: its expression in the layout; `kind` is a scalar's, an `Array`, a `Struct`."""

    kind: Kind
    text: str
    value: Callable[[Env], Any]


@dataclass(frozen=True)
class Array:
    shape: tuple[int, ...]
    element: Kind

    @property
    def count(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Struct:
    """`name` of a type of the module `types`, or anonymous; a tuple has numbers as names."""

    fields: tuple[tuple[str, Kind], ...]
    name: str = ""


Kind = str | Array | Struct


def type_text(kind: Kind) -> str | None:
    """The type in CSL, where it can be written."""
    match kind:
        case Array(shape, element):
            inner = type_text(element)
            return None if inner is None else f"[{', '.join(map(str, shape))}]{inner}"
        case Struct(_, name):
            return f"types.{name}" if name else None
        case "E":
            return "types.E"
        case "fn":
            return None
        case "module":
            return "imported_module"
        case _:
            return kind


def named(name: str) -> Struct:
    return Struct(tuple((n, _kind_of(t)) for n, t in NAMED[name].items()), name)


def _kind_of(text: str) -> Kind:
    if text.startswith("["):
        return Array((int(text[1]),), text[3:])
    return named(text) if text in NAMED else text


def random_kind(scope: Scope, depth: int = 2) -> Kind:
    rng, pick = scope.rng, scope.rng.random()
    if depth == 0 or pick < 0.35:
        return rng.choice(NUMBERS + IDS if rng.random() < 0.93 else NO_NUMBERS)
    if pick < 0.75:
        return _random_array(scope, depth)
    count = rng.randint(1, 3)
    if pick < 0.85:
        return named(rng.choice(list(NAMED)))
    names = "012" if pick < 0.9 else "uvw"
    return Struct(tuple((names[i], random_kind(scope, depth - 1)) for i in range(count)))


def _random_array(scope: Scope, depth: int) -> Array:
    rng = scope.rng
    element = rng.choice((*NUMBERS, *NUMBERS, *NUMBERS, *IDS, "comptime_string", "u64"))
    if depth > 1 and rng.random() < 0.35:
        element = rng.choice((named("P"), named("Q"), Array((rng.randint(1, 3),), rng.choice(NUMBERS))))
    shape = rng.choice(((1,), (2,), (3,), (4,), (4,), (5,), (2, 2), (2, 3)))
    is_plain = isinstance(element, str)
    return Array((rng.choice((65, 70)),) if is_plain and rng.random() < 0.04 else shape, element)


def make(scope: Scope, kind: Kind) -> Made:
    """An expression of the kind over the names in scope."""
    match kind:
        case Array():
            return _make_array(scope, kind)
        case Struct():
            return _make_struct(scope, kind)
        case _:
            return _make_scalar(scope, kind)


def by_variable(scope: Scope, name: str, made: Made) -> tuple[str, Made]:
    """A variable that holds the value, of which a part is then changed for some PEs."""
    change = _changed_part(scope, name, made.kind)
    start = f"var {name} = {made.text}; "
    if change is None:
        return start, made
    test, (target, other, put) = condition(scope), change

    def value(env: Env) -> Any:
        found = made.value(env)
        return put(found, other.value(env), env) if test.value(env) else found

    text = f"{start}if ({test.text}) {{ {target} = {other.text}; }} "
    return text, Made(made.kind, text, value)


Put = Callable[[Any, Any, Env], Any]
"""The value with a part replaced, for one PE."""


def _changed_part(scope: Scope, name: str, kind: Kind) -> tuple[str, Made, Put] | None:
    match kind:
        case Array(shape, element) if len(shape) == 1 and kind.count in (2, 4):
            at, mask = number(scope), kind.count - 1

            def put(found: list[Any], item: Any, env: Env) -> list[Any]:
                i = at.value(env) & mask
                return [*found[:i], item, *found[i + 1 :]]

            return f"{name}[({at.text}) & {mask}]", make(scope, element), put
        case Struct(fields, named_) if named_:
            field, part = scope.rng.choice(fields)
            return f"{name}.{field}", make(scope, part), lambda found, item, _: {**found, field: item}
        case "u16" | "i16" | "bool" | "f32" | "E" | "color" | "direction":
            return name, make(scope, kind), lambda _found, item, _env: item
        case _:
            return None


def _make_array(scope: Scope, kind: Array) -> Made:
    rng = scope.rng
    text = type_text(kind)
    if kind.count > 8 or rng.random() < 0.1:
        one = make(scope, kind.element)
        if isinstance(kind.element, str) and kind.element in (*BITS, "f32", "bool"):
            return Made(kind, f"@constants({text}, {one.text})", lambda env: [one.value(env)] * kind.count)
    items = [make(scope, kind.element) for _ in range(kind.count)]
    return Made(
        kind,
        f"{text}{{ {', '.join(item.text for item in items)} }}",
        lambda env: [item.value(env) for item in items],
    )


def _make_struct(scope: Scope, kind: Struct) -> Made:
    parts = {name: make(scope, part) for name, part in kind.fields}
    is_tuple = "0" in parts
    fields = ", ".join(p.text if is_tuple else f".{n} = {p.text}" for n, p in parts.items())
    text = f"{type_text(kind) or '.'}{{ {fields} }}"
    return Made(kind, text, lambda env: {n: p.value(env) for n, p in parts.items()})


def _make_scalar(scope: Scope, kind: str) -> Made:
    rng = scope.rng
    if kind == "bool":
        test = condition(scope)
        return Made(kind, f"({test.text})", test.value)
    given = number(scope)
    if rng.random() < 0.15:  # the same for all PEs
        same = rng.choice((0, 1, 6))
        given = Int(f"@as({scope.type}, {same})", lambda _: same)
    if kind in BITS and kind != "u64":
        return Made(kind, f"@as({kind}, {given.text})", lambda env: wrapped(given.value(env), kind))
    return _OTHERS[kind](scope, given)


def _wide(scope: Scope, given: Int) -> Made:
    factor = scope.rng.choice((1, 1 << 33, (1 << 63) + 5))
    text = f"(@as(u64, @as(u16, {given.text})) * {factor})"
    return Made("u64", text, lambda env: wrapped(wrapped(given.value(env), "u16") * factor, "u64"))


def _unsized(scope: Scope, given: Int) -> Made:
    more = scope.rng.choice(LARGE)
    text = f"(@as(comptime_int, @as(i16, {given.text})) + {more})"
    return Made("comptime_int", text, lambda env: wrapped(given.value(env), "i16") + more)


def _float(type: str) -> Callable[[Scope, Int], Made]:
    numpy = np.float32 if type == "f32" else np.float16

    def made(scope: Scope, given: Int) -> Made:
        factor = scope.rng.choice((0.5, -1.0, 0.1))
        text = f"(@as({type}, ({given.text}) & 63) * {factor})"
        return Made(type, text, lambda env: numpy(given.value(env) & 63) * numpy(factor))

    return made


def _id(kind: str, builtin: str, mask: int, first: int) -> Callable[[Scope, Int], Made]:
    def made(_: Scope, given: Int) -> Made:
        text = f"@{builtin}((({given.text}) & {mask}) + {first})"
        return Made(kind, text, lambda env: (given.value(env) & mask) + first)

    return made


def _of_table(kind: str, table: str, values: tuple[Any, ...]) -> Callable[[Scope, Int], Made]:
    def made(scope: Scope, given: Int) -> Made:
        return Made(kind, f"{table}[({given.text}) & 3]", lambda env: values[given.value(env) & 3])

    return made


def _one_of(kind: str, *choices: str) -> Callable[[Scope, Int], Made]:
    """What has no operators is chosen by a condition."""

    def made(scope: Scope, _: Int) -> Made:
        test, (a, b) = condition(scope), scope.rng.sample(choices, 2)
        return Made(kind, f"(if ({test.text}) {a} else {b})", lambda env: a if test.value(env) else b)

    return made


_OTHERS: dict[str, Callable[[Scope, Int], Made]] = {
    "u64": _wide,
    "comptime_int": _unsized,
    "f32": _float("f32"),
    "f16": _float("f16"),
    "color": _id("color", "get_color", 7, 8),
    "local_task_id": _id("local_task_id", "get_local_task_id", 7, 9),
    "input_queue": _id("input_queue", "get_input_queue", 3, 2),
    "E": _of_table("E", "kinds", tuple(MEMBERS.values())),
    "direction": _of_table("direction", "sides", tuple(PORTS[name] for name in SIDES)),
    "comptime_string": _of_table("comptime_string", "words", WORDS),
    "type": _one_of("type", "u16", "i32", "f32"),
    "fn": _one_of("fn", "twice", "thrice"),
    "module": _one_of("module", "part1", "part2"),
}
