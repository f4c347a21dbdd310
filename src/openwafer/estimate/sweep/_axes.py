"""What a sweep varies: axes by name, each with its values.

Axes are `model`, `on`, the words of the traffic (`input`, `users`, …), `precision`, `engine`, `config.FIELD`
for a field of the model's config.json and `system.TABLE.FACT` for a fact of the systems.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from openwafer.diag import error, suggest
from openwafer.machine.systems import FORMATS

Value: TypeAlias = str | int | float | bool
Axes: TypeAlias = dict[str, tuple[Value, ...]]

TRAFFIC: dict[str, float] = {
    "input": 1024.0,
    "output": 256.0,
    "users": 1.0,
    "tokens_per_second_per_user": 0.0,
    "drafted": 0.0,
    "accepted": 0.0,
}
"""The words of the traffic, and their values where they do not vary."""
WORDS: dict[str, tuple[str, ...] | None] = {
    "model": None,
    "on": None,
    "precision": tuple(FORMATS),
    "engine": ("trtllm", "vllm"),
}
"""Axes of words, and which words there are."""
SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12}
MOST_VALUES = 10**6
MOST_VALUE = 1e300
_NUMBER = re.compile(r"(-?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)([kMBGT]?)")


def parse_number(text: str) -> int | float | None:
    """`512`, `8k`, `2T`, `1.1e9`: an integer when it is whole; None when it is no number."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    value = float(match[1]) * SUFFIXES[match[2]]
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def parse_values(name: str, text: str) -> list[Value]:
    """`a,b`, `1,8,64`, a range `1:10`, `0:1:0.25` (step) or `1:1024:*2` (factor), or a mixture.

    Diagnostics: sweep-unknown-axis, sweep-bad-range, sweep-bad-value.
    """
    check_name(name)
    found: list[Value] = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        if name not in WORDS and re.fullmatch(r"[^:]+:[^:]+(:[^:]+)?", part):
            found += _range_of(name, part)
        else:
            found.append(_value_of(name, part))
        _check_count(name, len(found))
    return found


def _value_of(name: str, text: str) -> Value:
    if name in WORDS:
        return text
    number = {"true": True, "false": False}.get(text.lower(), parse_number(text))
    if number is None:
        raise error("sweep-bad-value", f"`{name}` takes numbers, found `{text}`")
    return number


def _range_of(name: str, text: str) -> Sequence[Value]:
    first, last, *step = text.split(":")
    by = step[0] if step else "1"
    parts = [parse_number(first), parse_number(last), parse_number(by.removeprefix("*"))]
    if None in parts:
        text = f"`{text}` is no range of `{name}`"
        raise error("sweep-bad-range", text, help="such as `1:10`, `0:1:0.25` or `1:1024:*2`")
    low, high, move = cast(list[float], parts)
    return spread(name, low, high, times=move) if by.startswith("*") else spread(name, low, high, step=move)


def spread(
    name: str, low: float, high: float, *, step: float | None = None, times: float | None = None
) -> Sequence[Value]:
    """From `low` to `high`, both included where they are met.

    Diagnostics: sweep-bad-range.
    """
    by = 1 if step is None else step
    if low > high or not by > 0 or (times is not None and not times > 1):
        text = f"`{name}`: nothing from {low:g} to {high:g} in such steps"
        raise error(
            "sweep-bad-range",
            text,
            help="the end is not below the start, a step is above 0, a factor above 1",
        )
    if times is not None and low <= 0:
        raise error("sweep-bad-range", f"`{name}`: a factor needs a start above 0, found {low:g}")
    count = math.log(high / low, times) if times is not None else (high - low) / by
    if count > MOST_VALUES:
        raise error("sweep-bad-range", f"`{name}`: {count:.3g} values are too many")
    indices = range(math.floor(count + 1e-9) + 1)
    return [low * times**i if times is not None else low + by * i for i in indices]


def from_document(document: Mapping[str, object]) -> dict[str, list[Value]]:
    """Axes of a sweep file: keys, and the tables `[config]` and `[system]`, whose names are dotted.

    Diagnostics: sweep-unknown-axis, sweep-bad-value, sweep-bad-range.
    """
    found: dict[str, list[Value]] = {}
    count = 0
    for name, entry in _entries(document):
        found[name] = _entry(name, entry)
        count += len(found[name])
        _check_count(name, count)
    return found


def _entries(document: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, entry in document.items():
        if name in ("config", "system") and isinstance(entry, dict):
            yield from _dotted(name, cast(Mapping[str, object], entry))
        else:
            yield name, entry


def _check_count(name: str, count: int) -> None:
    if count > 2 * MOST_VALUES:
        raise error("sweep-bad-range", f"`{name}`: more than {2 * MOST_VALUES:,} values are too many")


def _dotted(prefix: str, table: Mapping[str, object]) -> list[tuple[str, object]]:
    """Leaves of nested tables; a table with `from` is a range."""
    found: list[tuple[str, object]] = []
    for key, value in table.items():
        name = f"{prefix}.{key}"
        if isinstance(value, dict) and "from" not in value:
            found += _dotted(name, cast(Mapping[str, object], value))
        else:
            found.append((name, cast(object, value)))
    return found


def _entry(name: str, entry: object) -> list[Value]:
    check_name(name)
    if isinstance(entry, list):
        found: list[Value] = []
        for item in cast(list[object], entry):
            found += _entry(name, item)
            _check_count(name, len(found))
        return found
    if isinstance(entry, str):
        return parse_values(name, entry)
    if isinstance(entry, bool | int | float):
        return [entry]
    if isinstance(entry, dict):
        return list(_table_range(name, cast(dict[str, object], entry)))
    raise error("sweep-bad-value", f"`{name}` takes numbers, words, lists and ranges")


def _table_range(name: str, entry: Mapping[str, object]) -> Sequence[Value]:
    known = ("from", "to", "step", "times")
    wrong = next((key for key in entry if key not in known), None)
    bad = next((k for k in ("from", "to") if k not in entry), None) or next(
        (k for k, v in entry.items() if isinstance(v, bool) or not isinstance(v, int | float)), None
    )
    if wrong or bad or ("step" in entry and "times" in entry):
        text = f"`{name}`: a range has numbers `from`, `to`, and `step` or `times`"
        raise error("sweep-bad-range", text, help=suggest(wrong, known) if wrong else None)
    numbers = {k: cast(float, v) for k, v in entry.items()}
    return spread(name, numbers["from"], numbers["to"], step=numbers.get("step"), times=numbers.get("times"))


def check_name(name: str) -> None:
    """Diagnostics: sweep-unknown-axis."""
    names = [*WORDS, *TRAFFIC]
    if name not in names and not re.match(r"(config|system)\..", name):
        hint = suggest(name, names) or f"one of {', '.join(names)}, config.FIELD or system.TABLE.FACT"
        raise error("sweep-unknown-axis", f"a sweep has no axis `{name}`", help=hint)


def check_axes(given: Mapping[str, Sequence[Value]]) -> Axes:
    """The axes in their order, each value of the right kind, once.

    Diagnostics: sweep-unknown-axis, sweep-missing-axis, sweep-empty-axis, sweep-bad-value.
    """
    for name in given:
        check_name(name)
    for name in ("model", "on"):
        if name not in given:
            raise error("sweep-missing-axis", f"the sweep names no `{name}`", help=f"add `{name}`")
    return {name: _checked(name, values) for name, values in given.items()}


def _checked(name: str, values: Sequence[Value]) -> tuple[Value, ...]:
    if not values:
        raise error("sweep-empty-axis", f"`{name}` has no values")
    words = WORDS.get(name)
    for value in values:
        if (name in WORDS) != isinstance(value, str) or (name in TRAFFIC and isinstance(value, bool)):
            kind = "words" if name in WORDS else "numbers"
            raise error("sweep-bad-value", f"`{name}` takes {kind}, found `{value}`")
        if not isinstance(value, str) and not abs(value) <= MOST_VALUE:
            text = f"`{name}` takes numbers of up to {MOST_VALUE:g}, found `{value}`"
            raise error("sweep-bad-value", text)
        if words is not None and value not in words:
            hint = suggest(str(value), words) or f"one of {', '.join(words)}"
            raise error("sweep-bad-value", f"no {name} `{value}`", help=hint)
    return tuple(dict.fromkeys(float(v) if name in TRAFFIC else v for v in values))
