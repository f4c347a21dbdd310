"""The words in which `_legal` says what a field may hold: each makes a rule, a test of one value."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from openwafer.image._scope import Scope

Rule: TypeAlias = "Callable[[Scope, Any], bool]"
"""Whether a value may stand in a field. The rules of expressions and statements raise `Illegal`."""

INTEGERS = frozenset(f"{sign}{bits}" for sign in "iu" for bits in range(1, 65))
FLOATS = frozenset(("f16", "f32"))
SCALARS = INTEGERS | FLOATS | {"bool"}
VALUES = SCALARS | {"dsd"}
BOOL, DSD, U16 = frozenset(("bool",)), frozenset(("dsd",)), frozenset(("u16",))
WORDS = frozenset(("u16", "i16"))
UNSIGNED = frozenset(type for type in INTEGERS if type[0] == "u")
"""Names of types, and sets of them."""

MOST_TEXT = 1 << 16
"""Characters of any text in a program."""


class Illegal(Exception):
    """What a field holds that it may not."""


def between(low: int, high: int) -> Rule:
    """A whole number in `low` … `high`."""
    return lambda scope, value: low <= value <= high


def one_of(values: Collection[Any]) -> Rule:
    return lambda scope, value: value in values


def anything(scope: Scope, value: Any) -> bool:
    """A field whose type says all: a truth value."""
    return True


def text(most: int = MOST_TEXT) -> Rule:
    return lambda scope, value: len(value) <= most


def like(pattern: str) -> Rule:
    """A text of a form."""
    form = re.compile(pattern)
    return lambda scope, value: len(value) <= MOST_TEXT and form.fullmatch(value) is not None


def index(of: str, *, low: int = 0) -> Rule:
    """An index into a sequence of the program, or `low` … for -1 as none."""
    return lambda scope, value: low <= value < scope.counts[of]


def optional(rule: Rule) -> Rule:
    return lambda scope, value: value is None or rule(scope, value)


def each(rule: Rule, most: int, *, distinct: bool = False) -> Rule:
    """At most `most` values that a rule allows."""

    def test(scope: Scope, values: Sequence[Any]) -> bool:
        if len(values) > most or (distinct and len(set(values)) < len(values)):
            return False
        return all(rule(scope, value) for value in values)

    return test


def pair(first: Rule, second: Rule) -> Rule:
    return lambda scope, value: first(scope, value[0]) and second(scope, value[1])


def value(types: Collection[str]) -> Rule:
    """An expression whose value has one of these types."""
    return lambda scope, node: scope.expression(node) in types


def part(scope: Scope, node: Any) -> bool:
    """A struct that stands in another one."""
    scope.struct(node)
    return True


def body(scope: Scope, statements: Sequence[Any]) -> bool:
    """Statements, one after the other."""
    scope.body(statements)
    return True
