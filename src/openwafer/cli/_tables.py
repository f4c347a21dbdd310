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
    title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold")
    for at, header in enumerate(headers):
        table.add_column(header, justify="left" if at == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False)


def shown(value: Banded | None, scale: float = 1.0) -> str:
    """`1,810 (1,450–2,260)`; a dash where nothing is known."""
    if value is None:
        return "–"
    return f"{number(value.value * scale)} ({number(value.low * scale)}–{number(value.high * scale)})"


def number(value: float) -> str:
    """Three significant digits."""
    if value >= 99.95:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"
