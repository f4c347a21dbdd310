"""Integer expressions of random layouts, each with its value computed here, apart from the compiler."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Env = Mapping[str, int]
"""Values of the names in scope, for one PE."""
BITS = {"u8": 8, "i8": 8, "u16": 16, "i16": 16, "u32": 32, "i32": 32, "u64": 64, "i64": 64}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def wrapped(number: int, type: str) -> int:
    """The number modulo the width of its type; a comptime_int has none."""
    bits = BITS.get(type)
    if bits is None:
        return number
    number &= (1 << bits) - 1
    return number - (1 << bits) if type[0] == "i" and number >> (bits - 1) else number


def quotient(a: int, b: int) -> int:
    """Towards zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


@dataclass(frozen=True)
class Int:
    """An expression in CSL and what it is for one PE."""

    text: str
    value: Callable[[Env], int]


@dataclass(frozen=True)
class Condition:
    text: str
    value: Callable[[Env], bool]


@dataclass
class Scope:
    """What expressions of type `type` may use. `functions` take two numbers of that type, `tables` are arrays
    of four."""

    rng: random.Random
    type: str
    names: list[str]
    functions: dict[str, Callable[[int, int], int]] = field(default_factory=dict)
    tables: dict[str, list[int]] = field(default_factory=dict)

    def inner(self, *names: str) -> Scope:
        return Scope(self.rng, self.type, [*self.names, *names], self.functions, self.tables)


def number(scope: Scope, depth: int = 2) -> Int:
    """A random expression of the scope's type."""
    rng = scope.rng
    if depth == 0 or rng.random() < 0.15:
        return _atom(scope)
    kinds = [_operation, _operation, _divided, _shifted, _chosen]
    kinds += [_called] * bool(scope.functions) + [_looked_up] * bool(scope.tables)
    return rng.choice(kinds)(scope, depth - 1)


def _atom(scope: Scope) -> Int:
    if scope.names and scope.rng.random() < 0.75:
        name = scope.rng.choice(scope.names)
        return Int(name, lambda env: env[name])
    return _literal(scope.rng.choice((0, 1, 2, 3, 5, 7, 11, 100)))


def _literal(known: int) -> Int:
    return Int(str(known), lambda _: known)


def _typed(scope: Scope, made: Int) -> Int:
    return Int(f"@as({scope.type}, {made.text})", lambda env: wrapped(made.value(env), scope.type))


def _operation(scope: Scope, depth: int) -> Int:
    op = scope.rng.choice("+-*&|^")
    # Two literals would be computed without a width.
    a, b = _typed(scope, number(scope, depth)), number(scope, depth)

    def value(env: Env) -> int:
        x, y = a.value(env), b.value(env)
        found = {"+": x + y, "-": x - y, "*": x * y, "&": x & y, "|": x | y, "^": x ^ y}[op]
        return wrapped(found, scope.type)

    return Int(f"({a.text} {op} {b.text})", value)


def _divided(scope: Scope, depth: int) -> Int:
    a, b, op = _typed(scope, number(scope, depth)), scope.rng.choice((2, 3, 4, 7)), scope.rng.choice("/%")

    def value(env: Env) -> int:
        x = a.value(env)
        return quotient(x, b) if op == "/" else x - b * quotient(x, b)

    return Int(f"({a.text} {op} {b})", value)


def _shifted(scope: Scope, depth: int) -> Int:
    a, b, op = _typed(scope, number(scope, depth)), scope.rng.randrange(4), scope.rng.choice(("<<", ">>"))

    def value(env: Env) -> int:
        x = a.value(env)
        return wrapped(x << b if op == "<<" else x >> b, scope.type)

    return Int(f"({a.text} {op} {b})", value)


def _chosen(scope: Scope, depth: int) -> Int:
    test, a, b = condition(scope, depth), number(scope, depth), number(scope, depth)

    def value(env: Env) -> int:
        return wrapped((a if test.value(env) else b).value(env), scope.type)

    return Int(f"@as({scope.type}, if ({test.text}) {a.text} else {b.text})", value)


def _called(scope: Scope, depth: int) -> Int:
    name = scope.rng.choice(list(scope.functions))
    a, b, function = number(scope, depth), number(scope, depth), scope.functions[name]
    return Int(f"{name}({a.text}, {b.text})", lambda env: function(a.value(env), b.value(env)))


def _looked_up(scope: Scope, depth: int) -> Int:
    name = scope.rng.choice(list(scope.tables))
    at, table = number(scope, depth), scope.tables[name]
    return Int(f"{name}[({at.text}) & 3]", lambda env: table[at.value(env) & 3])


def condition(scope: Scope, depth: int = 1) -> Condition:
    """A random bool."""
    rng, kind = scope.rng, scope.rng.random()
    if depth and kind < 0.2:
        a, b = condition(scope, depth - 1), condition(scope, depth - 1)
        op = rng.choice(("and", "or"))
        return Condition(
            f"(({a.text}) {op} ({b.text}))",
            lambda env: (a.value(env) and b.value(env)) if op == "and" else (a.value(env) or b.value(env)),
        )
    if depth and kind < 0.3:
        inner = condition(scope, depth - 1)
        return Condition(f"!({inner.text})", lambda env: not inner.value(env))
    if kind < 0.5:
        left = _typed(scope, number(scope, depth))
        m = rng.choice((2, 3))
        return Condition(
            f"{left.text} % {m} == 0", lambda env: left.value(env) - m * quotient(left.value(env), m) == 0
        )
    op, left, right = rng.choice(list(COMPARISONS)), _typed(scope, number(scope, depth)), _atom(scope)
    return Condition(
        f"{left.text} {op} {right.text}", lambda env: COMPARISONS[op](left.value(env), right.value(env))
    )


def function(scope: Scope, name: str) -> tuple[str, Callable[[int, int], int]]:
    """A function of two numbers: its declaration and what it gives. It has a branch, a return in the middle,
    sometimes a loop."""
    inside = Scope(scope.rng, scope.type, ["a", "b"], dict(scope.functions), scope.tables)
    start, other, early = (number(inside, 1) for _ in range(3))
    test, leave = condition(inside), condition(inside)
    times = scope.rng.choice((0, 0, 2, 3))
    step = number(inside.inner("k"), 1)
    loop = f"for (@range(u16, {times})) |_| {{ k = {_fitted(scope, step)}; }}" if times else ""
    text = (
        f"fn {name}(a: {scope.type}, b: {scope.type}) {scope.type} {{\n"
        f"  var k: {scope.type} = {_fitted(scope, start)};\n"
        f"  if ({test.text}) {{ k = {_fitted(scope, other)}; }}"
        f" else if ({leave.text}) {{ return {_fitted(scope, early)}; }}\n"
        f"  {loop}\n  return k;\n}}"
    )

    def value(a: int, b: int) -> int:
        env = {"a": a, "b": b}
        k = wrapped(start.value(env), scope.type)
        if test.value(env):
            k = wrapped(other.value(env), scope.type)
        elif leave.value(env):
            return wrapped(early.value(env), scope.type)
        for _ in range(times):
            k = wrapped(step.value({**env, "k": k}), scope.type)
        return k

    return text, value


def _fitted(scope: Scope, made: Int) -> str:
    return f"@as({scope.type}, {made.text})"
