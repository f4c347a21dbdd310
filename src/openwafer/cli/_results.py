"""Rows of results: numbers with their bands, JSON and CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any, cast

from openwafer.cli._output import say
from openwafer.estimate import Banded

Row = Mapping[str, Any]


def flat(record: Any) -> dict[str, Any]:
    """Fields of a dataclass by name; a prediction becomes three: NAME, NAME_low, NAME_high."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, Banded):
            found |= {
                field.name: value.value,
                f"{field.name}_low": value.low,
                f"{field.name}_high": value.high,
            }
        else:
            found[field.name] = value
    return found


def print_csv(rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)
    say(text.getvalue(), nl=False)


def _cell(value: object) -> object:
    return "; ".join(map(str, cast(tuple[object, ...], value))) if isinstance(value, tuple) else value


def shown(value: Banded | None, scale: float = 1.0) -> str:
    """`1,810 (1,400–2,300)`; a dash where nothing is known."""
    if value is None:
        return "–"
    low, high = (number(part * scale, 2) for part in (value.low, value.high))
    return f"{number(value.value * scale)} ({low}–{high})"


_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))


def number(value: float, digits: int = 3) -> str:
    """Some significant digits; `12.3k` from ten thousand on."""
    rounded = float(f"{value:.{digits}g}")
    for least, suffix in _SUFFIXES:
        if rounded >= least:
            return number(rounded / (1e3 if suffix == "k" else least), digits) + suffix
    return f"{rounded:,.0f}" if rounded >= 10 ** (digits - 1) else f"{rounded:.{digits}g}"
