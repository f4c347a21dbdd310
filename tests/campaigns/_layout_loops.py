"""Loops of random layouts over all PEs, and the same loops here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from campaigns._layout_numbers import Condition, Env, Int, Scope, condition, number, wrapped

Steps = Callable[[Env], Iterator[Env]]
"""All values of the names when the body of a loop is reached, one after another."""


@dataclass(frozen=True)
class Loops:
    """`head` and `tail` stand around the body; `scope` is what it may use; `envs` is what it then finds."""

    head: str
    tail: str
    scope: Scope
    envs: Callable[[], Iterator[Env]]


@dataclass(frozen=True)
class Lets:
    text: str
    scope: Scope
    value: Callable[[Env], Env]


def lets(scope: Scope, prefix: str) -> Lets:
    """Constants and variables of a block, some changed under a condition."""
    type = scope.type
    lines: list[str] = []
    steps: list[Callable[[dict[str, int]], None]] = []
    for i in range(scope.rng.choice((0, 0, 1, 2))):
        name, first = f"{prefix}{i}", number(scope)
        is_variable = scope.rng.random() < 0.5
        start = f"@as({scope.type}, {first.text})"
        lines.append(f"{'var' if is_variable else 'const'} {name}: {scope.type} = {start};")

        def begin(env: dict[str, int], name: str = name, first: Int = first) -> None:
            env[name] = wrapped(first.value(env), type)

        steps.append(begin)
        scope = scope.inner(name)
        if is_variable:
            test, other = condition(scope), number(scope)
            lines.append(f"if ({test.text}) {{ {name} = @as({scope.type}, {other.text}); }}")

            def change(
                env: dict[str, int], name: str = name, test: Condition = test, other: Int = other
            ) -> None:
                if test.value(env):
                    env[name] = wrapped(other.value(env), type)

            steps.append(change)

    def value(env: Env) -> Env:
        found = dict(env)
        for step in steps:
            step(found)
        return found

    return Lets("\n".join(lines), scope, value)


def loops(scope: Scope, width: int, height: int) -> Loops:
    rng = scope.rng
    kinds = [_nest, _nest, _nest, _flat, _carried, _counted, _over_array, _left, _whiles]
    return rng.choice(kinds)(scope, width, height)


def _range(scope: Scope, count: int) -> tuple[str, list[int]]:
    """A range over 0 … count - 1, some from behind."""
    if scope.type[0] != "u" and scope.rng.random() < 0.3:
        return f"@range({scope.type}, {count - 1}, -1, -1)", list(range(count - 1, -1, -1))
    return f"@range({scope.type}, {count})", list(range(count))


def _nest(scope: Scope, width: int, height: int) -> Loops:
    """One loop in another, sometimes with something between them."""
    names = scope.rng.sample([("x", width), ("y", height)], 2)
    (outer, many), (inner, few) = names
    (first, outers), (second, inners) = _range(scope, many), _range(scope, few)
    between = lets(scope.inner(outer), "o")

    def envs() -> Iterator[Env]:
        for a in outers:
            env = between.value({outer: a})
            yield from ({**env, inner: b} for b in inners)

    head = f"for ({first}) |{outer}| {{ {between.text}\nfor ({second}) |{inner}| {{"
    return Loops(head, "} }", between.scope.inner(inner), envs)


def _flat(scope: Scope, width: int, height: int) -> Loops:
    count = width * height
    head = f"for (@range({scope.type}, {count})) |n| {{ const x = n % {width}; const y = n / {width};"
    steps = [{"n": n, "x": n % width, "y": n // width} for n in range(count)]
    return Loops(head, "}", scope.inner("n", "x", "y"), lambda: iter(steps))


def _carried(scope: Scope, width: int, height: int) -> Loops:
    """A variable from outside that each iteration of the inner or the outer loop changes."""
    is_inside = scope.rng.random() < 0.5
    names = scope.inner("x", "y", "k") if is_inside else scope.inner("x", "k")
    change = number(names, 1)
    assign = f"k = @as({scope.type}, {change.text});"

    def envs() -> Iterator[Env]:
        k = 1
        for x in range(width):
            if not is_inside:
                k = wrapped(change.value({"x": x, "k": k}), scope.type)
            for y in range(height):
                if is_inside:
                    k = wrapped(change.value({"x": x, "y": y, "k": k}), scope.type)
                yield {"x": x, "y": y, "k": k}

    head = (
        f"var k: {scope.type} = 1;\n"
        f"for (@range({scope.type}, {width})) |x| {{ {'' if is_inside else assign}\n"
        f"for (@range({scope.type}, {height})) |y| {{ {assign if is_inside else ''}"
    )
    return Loops(head, "} }", scope.inner("x", "y", "k"), envs)


def _counted(scope: Scope, width: int, height: int) -> Loops:
    """With numbers of the iterations, from a first one on, and in steps over every second column."""
    first = scope.rng.randrange(4)
    odd = scope.rng.random() < 0.5
    t = scope.type

    def envs() -> Iterator[Env]:
        for x in range(width):
            for j, y in enumerate(range(0, height, 1), first):
                yield {"x": x, "y": y, "j": j}

    half = f"@range({t}, {height})) |y, q| {{ const j = @as({t}, q + {first});"
    if odd:
        half = f"@range({t}, {height}), {first}) |y, q| {{ const j = @as({t}, q);"
    return Loops(f"for (@range({t}, {width})) |x| {{ for ({half}", "} }", scope.inner("x", "y", "j"), envs)


def _over_array(scope: Scope, width: int, height: int) -> Loops:
    columns = scope.rng.sample(range(width), width)
    t = scope.type
    head = (
        f"const columns = [{width}]{t}{{ {', '.join(map(str, columns))} }};\n"
        f"for (columns) |x| {{ for (@range({t}, {height})) |y| {{"
    )
    steps = [{"x": x, "y": y} for x in columns for y in range(height)]
    return Loops(head, "} }", scope.inner("x", "y"), lambda: iter(steps))


def _left(scope: Scope, width: int, height: int) -> Loops:
    """Loops that go on too long, and are left or gone on with."""
    t, more = scope.type, scope.rng.randrange(3)
    leave = scope.rng.choice(("break", "continue", "continue :rows"))
    head = (
        f"rows: for (@range({t}, {width})) |x| {{ for (@range({t}, {height + more})) |y| {{"
        f" if (y >= {height}) {{ {leave}; }}"
    )
    steps = [{"x": x, "y": y} for x in range(width) for y in range(height)]
    return Loops(head, "} }", scope.inner("x", "y"), lambda: iter(steps))


def _whiles(scope: Scope, width: int, height: int) -> Loops:
    t = scope.type
    head = (
        f"var w: {t} = 0;\nwhile (w < {width}) : (w += 1) {{ const x = w;\nfor (@range({t}, {height})) |y| {{"
    )
    steps = [{"x": x, "y": y} for x in range(width) for y in range(height)]
    return Loops(head, "} }", scope.inner("x", "y"), lambda: iter(steps))
