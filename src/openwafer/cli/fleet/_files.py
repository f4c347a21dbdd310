"""An answer as a document and as rows; files of it."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwafer.diag import error, json_text
from openwafer.files import write_bytes

if TYPE_CHECKING:
    from openwafer.fleet.answers import Answer

FORMS = (".json", ".csv", ".parquet")
COLUMNS: tuple[str, ...] = ("quantity", "site", "system", "workload", "quarter", "value", "unit", "how")


def check_form(path: str) -> None:
    """Diagnostics: fleet-bad-output, fleet-no-pyarrow."""
    form = Path(path).suffix
    if form not in FORMS:
        raise error("fleet-bad-output", f"no form `{form}` of results", help=f"one of {', '.join(FORMS)}")
    if form == ".parquet":
        _arrow()


def _arrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        help = "pip install 'openwafer[parquet]'"
        raise error("fleet-no-pyarrow", "parquet files need the package pyarrow", help=help) from None


def rows_of(found: Answer) -> list[dict[str, Any]]:
    """All figures, a row each."""
    return [{name: getattr(f, name) for name in COLUMNS} for f in found.figures.by_name.values()]


def as_document(found: Answer) -> Mapping[str, Any]:
    """All of an answer; numbers by name, with unit and formula."""
    plan, fleet = found.plan, found.fleet
    figures = {
        name: {"value": f.value, "unit": f.unit, "how": f.how, "of": list(f.of)}
        for name, f in found.figures.by_name.items()
    }
    facts = {
        name: {
            "value": _plain(f.value),
            "planned_with": _plain(f.used),
            "unit": f.unit,
            "source": f.source,
            "status": f.status,
        }
        for name, f in fleet.facts.items()
    }
    return {
        "plan": fleet.name,
        "objective": fleet.policies.objective,
        "power": fleet.policies.power,
        "quarters": [str(fleet.quarter(q)) for q in range(fleet.quarters)],
        "figures": figures,
        "facts": facts,
        "orders": found.orders,
        "shadow_prices": [
            {"constraint": s.constraint, "quarter": s.quarter, "unit": s.unit, "usd": s.usd, "words": s.words}
            for s in plan.shadows
        ],
        "rounding": {
            "gap": plan.rounding.gap,
            "is_optimum": plan.rounding.is_optimum,
            "objective": plan.rounding.whole,
            "bound": plan.rounding.bound,
        },
        "tradeoff": [{"usd": p.usd, "t": p.tonnes} for p in found.tradeoff],
        "sensitivity": [
            {"change": c.label, "usd": c.usd, "wafers": c.wafers, "why": c.why} for c in found.changes
        ],
        "cases": [{"case": c.label, "why": c.why} for c in found.cases],
    }


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return value if isinstance(value, (int, float)) or value is None else str(value)


def write_numbers(path: str, found: Answer) -> None:
    """Writes a file of the form that its name says. Diagnostics: report-not-written."""
    form = Path(path).suffix
    if form == ".json":
        data = (json_text(as_document(found), indent=2) + "\n").encode()
    elif form == ".csv":
        data = _csv(rows_of(found)).encode()
    else:
        data = _parquet(rows_of(found))
    write_bytes(Path(path), data, "report-not-written")


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    arrow, parquet = _arrow()
    out = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows), out)
    return out.getvalue()
