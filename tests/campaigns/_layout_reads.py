"""Ways in which the program of a PE uses a parameter, each giving one word that is computed here too."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns._layout_numbers import BITS, COMPARISONS, quotient, wrapped
from campaigns._layout_values import Array, Kind, Struct

FUNCTIONS = {"twice": 2, "thrice": 3}
MODULES = {"part1": 40, "part2": 50}
TYPES = ("u16", "i32", "f32")


@dataclass(frozen=True)
class Read:
    """`text` is a u32 at run time; `top` are declarations and `before` statements that it needs, each with
    `#` where a number of its own stands."""

    text: str
    value: Callable[[Any], int]
    top: str = ""
    before: str = ""


def word(kind: str, text: str) -> str:
    """A scalar as u32."""
    match kind:
        case "i8" | "i16" | "i32":
            return f"@bitcast(u32, @as(i32, {text}))"
        case "f32":
            return f"@bitcast(u32, {text})"
        case "f16":
            return f"@as(u32, @bitcast(u16, {text}))"
        case "comptime_string":
            return f"@as(u32, @strlen({text}))"
        case "type":
            first, second, _ = TYPES
            return (
                f"@as(u32, if (@is_same_type({text}, {first})) 0 else"
                f" if (@is_same_type({text}, {second})) 1 else 2)"
            )
        case "fn":
            return f"@as(u32, {text}(7))"
        case "module":
            return f"@as(u32, {text}.get(1))"
        case _ if kind in BITS or kind in ("bool", "comptime_int"):
            return f"@as(u32, {text})"
        case _:
            return f"@as(u32, @get_int({text}))"


def word_of(kind: str, known: Any) -> int:
    match kind:
        case "f32":
            return int(np.float32(known).view(np.uint32))
        case "f16":
            return int(np.float16(known).view(np.uint16))
        case "comptime_string":
            return len(known)
        case "type":
            return TYPES.index(known)
        case "fn":
            return 7 * FUNCTIONS[known]
        case "module":
            return MODULES[known] + 1
        case _:
            return int(known) & 0xFFFFFFFF


def leaves(kind: Kind, text: str, known: Any) -> Iterator[tuple[str, str, Callable[[Any], Any]]]:
    """All scalars: their kind, how they are written, and how they are found in the value."""
    match kind:
        case Array(shape, element):
            for i, at in enumerate(np.ndindex(*shape)):
                index = ", ".join(map(str, at))
                yield from _inside(element, f"{text}[{index}]", known[i], lambda v, i=i: v[i])
        case Struct(fields):
            for name, part in fields:
                access = f"{text}[{name}]" if name.isdigit() else f"{text}.{name}"
                yield from _inside(part, access, known[name], lambda v, n=name: v[n])
        case _:
            yield kind, text, lambda v: v


def _inside(
    kind: Kind, text: str, known: Any, part: Callable[[Any], Any]
) -> Iterator[tuple[str, str, Callable[[Any], Any]]]:
    for scalar, access, get in leaves(kind, text, known):
        yield scalar, access, lambda v, get=get: get(part(v))


def reads(rng: random.Random, kind: Kind, text: str, known: Any) -> Iterator[Read]:
    """Some uses of a parameter; `known` is its value for one PE, to ask for it."""
    found = list(leaves(kind, text, known))
    for scalar, access, get in rng.sample(found, min(len(found), 6)):
        way = rng.choice(_ways(scalar))
        read = way(rng, scalar, access, get(known))
        yield Read(read.text, lambda v, get=get, read=read: read.value(get(v)), read.top, read.before)
    if isinstance(kind, Array):
        yield from _whole_array(rng, kind, text)


Way = Callable[[random.Random, str, str, Any], Read]


def _ways(kind: str) -> list[Way]:
    ways = [_plain, _constant]
    if kind not in ("type", "fn", "module", "comptime_string"):
        ways += [_argument, _asked]
    if kind in ("u8", "u16", "i16", "u32", "i32"):
        ways += [_computed, _size, _bound, _compared, _imported, _divided]
    if kind in ("f32", "f16"):
        ways += [_summed, _above]
    if kind == "bool":
        ways += [_branch]
    if kind == "comptime_int":
        ways = [_plain, _constant, _halved, _above_number, _as_float]
    return ways


def _plain(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    return Read(word(kind, text), lambda v: word_of(kind, v))


def _constant(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    return Read(word(kind, "c#"), lambda v: word_of(kind, v), f"const c# = {text};")


def _argument(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    how = "comptime t" if rng.random() < 0.4 else "t"
    name = "types.E" if kind == "E" else kind
    top = f"fn pass#({how}: {name}) {name} {{ return t; }}"
    return Read(word(kind, f"pass#({text})"), lambda v: word_of(kind, v), top)


def _asked(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    """A branch of which only one arm is compiled."""
    asked = word_of(kind, known)
    other = word(kind, text)
    return Read(
        f"@as(u32, if ({other} == {asked}) 77 else 5)", lambda v: 77 if word_of(kind, v) == asked else 5
    )


def _branch(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    before = f"var b#: u32 = 3; if ({text}) {{ b# = 9; }}"
    return Read("b#", lambda v: 9 if v else 3, before=before)


def _computed(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    a, b = rng.choice((3, 7)), rng.choice((1, 50))
    return Read(word(kind, f"({text} * {a} + {b})"), lambda v: word_of(kind, wrapped(v * a + b, kind)))


def _divided(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    a = rng.choice((3, 4))
    return Read(word(kind, f"({text} / {a})"), lambda v: word_of(kind, quotient(v, a)))


def _size(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    top = f"var a#: [(@as(u16, {text}) & 3) + 1]u16;"
    return Read("@element_count(@type_of(a#))", lambda v: (v & 3) + 1, top)


def _bound(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    before = f"var s#: u32 = 0; for (@range(u16, @as(u16, {text}) & 3)) |n| {{ s# += @as(u32, n) + 1; }}"
    return Read("s#", lambda v: sum(range((v & 3) + 1)), before=before)


def _compared(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    op, other = rng.choice(list(COMPARISONS)), rng.choice((0, 3, 20))
    before = f"var o#: {kind} = {other}; "
    return Read(f"@as(u32, {text} {op} o#)", lambda v: int(COMPARISONS[op](v, other)), before=before)


def _imported(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    top = f'const m# = @import_module("part.csl", .{{ .k = @as(u16, {text}) }});'
    if rng.random() < 0.5:
        return Read("@as(u32, m#.get(2))", lambda v: wrapped(v + 2, "u16"), top)
    before = "var at#: u16 = 1;"
    return Read("@as(u32, m#.pair[at#])", lambda v: wrapped(v + 1, "u16"), top, before)


def _summed(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    numpy = np.float32 if kind == "f32" else np.float16
    return Read(word(kind, f"({text} * 3.0 + 0.7)"), lambda v: word_of(kind, v * numpy(3) + numpy(0.7)))


def _above(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    numpy = np.float32 if kind == "f32" else np.float16
    least = float(known)
    return Read(
        f"@as(u32, if ({text} * 0.1 + 2048.0 > 2048.5) 4 else if ({text} >= {least}) 6 else 8)",
        lambda v: 4 if v * numpy(0.1) + numpy(2048) > numpy(2048.5) else 6 if v >= numpy(least) else 8,
    )


def _halved(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    return Read(f"@as(u32, ({text}) / 3)", lambda v: quotient(v, 3) & 0xFFFFFFFF)


def _above_number(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    return Read(f"@as(u32, if ({text} * {text} > 400) 4 else 6)", lambda v: 4 if v * v > 400 else 6)


def _as_float(rng: random.Random, kind: str, text: str, known: Any) -> Read:
    return Read(f"@bitcast(u32, @as(f32, {text}))", lambda v: word_of("f32", np.float32(float(v))))


def _whole_array(rng: random.Random, kind: Array, text: str) -> Iterator[Read]:
    """Elements by an index that is known at run time only, and all of them."""
    element = kind.element
    if not isinstance(element, str) or element in ("comptime_int", "comptime_string", "type", "fn", "u64"):
        return
    at = rng.randrange(kind.count)
    index = ", ".join(f"at#_{k}" for k in range(len(kind.shape)))
    each = zip(range(len(kind.shape)), np.unravel_index(at, kind.shape), strict=True)
    before = " ".join(f"var at#_{k}: u16 = {n};" for k, n in each)
    yield Read(word(element, f"{text}[{index}]"), lambda v: word_of(element, v[at]), before=before)
    if rng.random() < 0.5:
        sum_ = f"var t#: u32 = 0; for ({text}) |e| {{ t# += {word(element, 'e')}; }}"
        yield Read("t#", lambda v: sum(word_of(element, e) for e in v) & 0xFFFFFFFF, before=sum_)
    if element in ("u16", "i16") and len(kind.shape) == 1 and rng.random() < 0.5:
        top = f"var w# = {text};"
        yield Read(
            word(element, "w#[at#_0]"), lambda v: word_of(element, v[at]), top, f"var at#_0: u16 = {at};"
        )
