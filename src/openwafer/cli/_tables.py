"""Rows of results as a table, as JSON or as CSV."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click

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
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)


def _cell(value: object) -> object:
    return "; ".join(map(str, cast(tuple[object, ...], value))) if isinstance(value, tuple) else value


def print_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2))


def print_table(
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str] = (),
    left: int = 1,
) -> None:
    """A table without frames; the first `left` columns are words, the rest numbers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    for at, header in enumerate(headers):
        last = at == len(headers) - 1
        table.add_column(header, justify="left" if at < left else "right", overflow="fold", no_wrap=not last)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False)


def print_columns(
    title: str, names: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]
) -> None:
    """A table whose columns after the first are things to compare, as many side by side as there is room."""
    from rich.console import Console

    first = max(len(row[0]) for row in rows) + 2
    wide = [max(len(name), *(len(row[at + 1]) for row in rows)) + 2 for at, name in enumerate(names)]
    room, at = Console().width, 0
    while at < len(names):
        end = at + 1
        while end < len(names) and first + sum(wide[at : end + 1]) <= room:
            end += 1
        last = end == len(names)
        cells = [[row[0], *row[at + 1 : end + 1]] for row in rows]
        print_table("" if at else title, ["", *names[at:end]], cells, notes if last else [""])
        at = end


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
