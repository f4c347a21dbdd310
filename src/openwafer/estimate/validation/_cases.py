"""The published rows as cases: `cases`."""

from __future__ import annotations

import csv
from dataclasses import replace

from openwafer.diag import error
from openwafer.estimate.validation import _cases_serving, _cases_training, _cases_wafer
from openwafer.estimate.validation._case import Case, Row, Rule
from openwafer.estimate.validation._unused import reason
from openwafer.files import MIB, read_text
from openwafer.machine.systems import published_rows, rows_of

MOST_BYTES = 64 * MIB
"""Of a table of published numbers."""
COLUMNS = {"id", "system", "model", "metric", "value", "params", "source_title"}
READERS: tuple[Rule, ...] = (*_cases_serving.READERS, *_cases_training.READERS, *_cases_wafer.READERS)
"""How rows are read; the first rule that matches reads a row."""


def load_rows(path: str | None = None) -> list[Row]:
    """The published rows that come with OpenWafer, or those of a file with the same columns.

    Diagnostics: rows-unreadable, rows-wrong-columns.
    """
    if path is None:
        return published_rows()
    text = read_text(path, "table", "rows-unreadable", MOST_BYTES)
    try:
        rows = rows_of(text)
    except csv.Error as reason:
        raise error("rows-unreadable", f"cannot read table `{path}`: {reason}") from None
    missing = COLUMNS - set(rows[0] if rows else ())
    if missing:
        names = ", ".join(f"`{name}`" for name in sorted(missing))
        raise error("rows-wrong-columns", f"`{path}` has no column {names}")
    return rows


def cases(rows: list[Row]) -> tuple[list[Case], list[tuple[str, str]]]:
    """The cases of the rows, and the ids of rows that cannot be used, each with the reason."""
    found: list[Case] = []
    unused: list[tuple[str, str]] = []
    for row in rows:
        read = next((r for matches, r in READERS if matches(row)), None)
        made = [replace(case, source=row["source_title"]) for case in read(row)] if read else []
        found += made
        if not made:
            unused.append((row["id"], reason(row)))
    return found, unused
