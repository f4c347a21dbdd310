"""A part of a sweep: points in, rows of results out, as bytes of the file's format."""

from __future__ import annotations

import csv
import io
from typing import Any, Literal, TypeAlias, cast

from openwafer.diag import DiagnosticError, error
from openwafer.estimate._constants import constants
from openwafer.estimate._estimate import Estimate, estimate_of, precision_of
from openwafer.estimate._points import Answers, Point, answer
from openwafer.estimate.sweep._axes import TRAFFIC, Value
from openwafer.estimate.sweep._grid import Grid, unpack
from openwafer.machine.systems import Format

Form: TypeAlias = Literal["csv", "parquet"]
Row: TypeAlias = dict[str, Any]
OK, TOO_SLOW, NO_ROOM, NO_PRECISION = "ok", "too slow", "fits nowhere", "no such precision"
"""Outcomes: what was asked for; the fastest there is; no room for the model; no such arithmetic."""
BANDED = (
    "first_token_s", "tokens_per_s_per_user", "tokens_per_s", "tokens_per_s_per_system", "joules_per_token",
    "facility_joules_per_token", "usd_per_million_tokens",
)  # fmt: skip


def columns(grid: Grid) -> dict[str, type]:
    """Names and types of the columns: what was asked, and what was found."""
    asked: dict[str, type] = {name: _type(values[0]) for name, values in grid.axes.items()}
    asked |= {name: float for name in TRAFFIC} | {"precision": str, "engine": str}
    found: dict[str, type] = {"outcome": str, "systems": int, "layout": str, "binds": str}
    for name in BANDED:
        found |= {name: float, f"{name}_low": float, f"{name}_high": float}
    return asked | found


def _type(value: Value) -> type:
    return str if isinstance(value, str) else float


def solve(packed: bytes, start: int, stop: int, form: Form) -> bytes:
    """Points `start` to `stop` as a piece of the file: CSV without its header, or a Parquet file."""
    grid = unpack(packed)
    names = columns(grid)
    rows = list(_rows(grid, start, stop))
    return as_csv(rows, list(names)) if form == "csv" else as_parquet(rows, names)


def _rows(grid: Grid, start: int, stop: int) -> list[Row]:
    rows: list[Row] = []
    points: list[Point] = []
    at: list[int] = []
    for index in range(start, stop):
        values = grid.at(index)
        row: Row = TRAFFIC | {"engine": "trtllm"} | values
        point = _point(grid, row)
        row["outcome"] = NO_PRECISION if point is None else NO_ROOM
        if point is not None:
            row["precision"] = point.form
            points.append(point)
            at.append(index - start)
        rows.append(row)
    c = constants()
    for where, entry in zip(at, answer(points, c), strict=True):
        _, answers, i = entry
        if _fits(answers, i):
            rows[where] |= _result(estimate_of(*entry, c))
    return rows


def _fits(answers: Answers, i: int) -> bool:
    return bool(answers.fits[i])


def _point(grid: Grid, row: Row) -> Point | None:
    model, system = grid.model(row), grid.system(row)
    try:
        form = precision_of(model, system, cast(Format | None, row.get("precision")))
    except DiagnosticError:
        return None
    return Point(
        model=model, system=system, form=form, engine=row["engine"], tokens_in=row["input"],
        tokens_out=row["output"], users=row["users"], drafted=row["drafted"], accepted=row["accepted"],
        least_tokens_per_s=row["tokens_per_second_per_user"],
    )  # fmt: skip


def _result(found: Estimate) -> Row:
    row: Row = {"outcome": OK if found.meets else TOO_SLOW}
    row |= {"systems": found.systems, "layout": found.layout, "binds": found.binds}
    for name in BANDED:
        banded = getattr(found, name)
        if banded is not None:
            row |= {name: banded.value, f"{name}_low": banded.low, f"{name}_high": banded.high}
    return row


def as_csv(rows: list[Row], names: list[str], header: bool = False) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: list[Row], names: dict[str, type]) -> bytes:
    """Diagnostics: sweep-no-pyarrow."""
    arrow, parquet = load_arrow()
    kinds = {str: arrow.string(), float: arrow.float64(), int: arrow.int64()}
    schema = arrow.schema([(name, kinds[kind]) for name, kind in names.items()])
    data = {n: [_typed(row.get(n), kind) for row in rows] for n, kind in names.items()}
    sink = io.BytesIO()
    parquet.write_table(arrow.table(data, schema=schema), sink)
    return sink.getvalue()


def _typed(value: Any, kind: type) -> Any:
    return None if value is None else kind(value)


def load_arrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet part. Diagnostics: sweep-no-pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        help = "pip install 'openwafer[parquet]', or write a .csv"
        raise error("sweep-no-pyarrow", "Parquet needs pyarrow, which is not installed", help=help) from None
    return pyarrow, pyarrow.parquet
