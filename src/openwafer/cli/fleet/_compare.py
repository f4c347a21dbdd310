"""`openwafer fleet compare`: two plans side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from openwafer.cli._output import say_json
from openwafer.cli._record import record, recorded
from openwafer.cli._results import number, print_csv
from openwafer.cli._table import print_table
from openwafer.cli.fleet._progress import Telling

if TYPE_CHECKING:
    from openwafer.fleet import PlanFact
    from openwafer.fleet.answers import Answer, Figures

TOTALS = (
    "usd_total", "usd_bought", "usd_per_mtok", "tokens_total", "mwh_total", "t_operation_total",
    "t_embodied_total", "g_operation_per_mtok", "g_embodied_per_mtok", "survival",
)  # fmt: skip
BY_WORKLOAD = ("served", "usd_per_mtok", "speed", "first_token_p99")
BY_SYSTEM = "systems"


@click.command()
@recorded("plan")
@click.argument("a")
@click.argument("b")
@click.option("--draws", type=click.IntRange(0, 100_000), default=1000, show_default=True)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
@click.option("--quiet", is_flag=True, help="No progress.")
def command(a: str, b: str, draws: int, form: str, quiet: bool) -> None:
    """The plans of files A and B: what differs in the files, and in the numbers."""
    from openwafer.fleet import load_fleet
    from openwafer.fleet.answers import answer

    fleets = load_fleet(a), load_fleet(b)
    with Telling(quiet) as telling:
        one, other = (answer(f, count=draws, told=telling.told, is_whole=False, is_sure=True) for f in fleets)
    rows = _numbers(one, other)
    facts = _facts(dict(fleets[0].facts), dict(fleets[1].facts))
    record().result(numbers=rows, facts=facts)
    if form == "json":
        return say_json({"numbers": rows, "facts": facts})
    if form == "csv":
        return print_csv(rows)
    _print(a, b, rows, facts)


def _numbers(one: Answer, other: Answer) -> list[dict[str, object]]:
    """Totals, and each workload and system at the end."""
    names = [*TOTALS]
    for found in (one, other):
        last = str(found.fleet.quarter(found.fleet.quarters - 1))
        names += [f"{q}.{w}.{last}" for w in found.fleet.workloads for q in BY_WORKLOAD]
    known = [
        name for name in dict.fromkeys(names) if name in one.figures.by_name or name in other.figures.by_name
    ]
    rows: list[dict[str, object]] = [
        {"number": name, "unit": _unit(name, one.figures, other.figures), "a": _value(one.figures, name),
         "b": _value(other.figures, name)}
        for name in known
    ]  # fmt: skip
    for system in dict.fromkeys([*one.fleet.systems, *other.fleet.systems]):
        counts = [_count(found, system) for found in (one, other)]
        rows.append({"number": f"systems.{system}", "unit": "systems", "a": counts[0], "b": counts[1]})
    return rows


def _unit(name: str, *of: Figures) -> str:
    return next(figures.by_name[name].unit for figures in of if name in figures.by_name)


def _value(figures: Figures, name: str) -> float | None:
    return figures.value(name) if name in figures.by_name else None


def _count(found: Answer, system: str) -> float:
    """At the end."""
    p = found.plan.problem
    return float(found.plan.systems[:, p.systems.index(system), -1].sum()) if system in p.systems else 0.0


def _facts(a: dict[str, PlanFact], b: dict[str, PlanFact]) -> list[dict[str, object]]:
    """The facts whose values differ, or that only one file has."""
    rows: list[dict[str, object]] = []
    for name in dict.fromkeys([*a, *b]):
        one, other = (facts[name].used if name in facts else None for facts in (a, b))
        if one != other:
            unit = (a.get(name) or b[name]).unit
            rows.append({"fact": name, "unit": unit, "a": _plain(one), "b": _plain(other)})
    return rows


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (int, float)) else str(value)


def _print(a: str, b: str, rows: list[dict[str, object]], facts: list[dict[str, object]]) -> None:
    cells = [
        [
            str(row["number"]),
            _shown(row["a"]),
            _shown(row["b"]),
            _change(row["a"], row["b"]),
            str(row["unit"]),
        ]
        for row in rows
    ]
    print_table(f"{a} and {b}", ["", "A", "B", "B over A", "unit"], cells)
    if facts:
        cells = [[str(f["fact"]), _shown(f["a"]), _shown(f["b"]), str(f["unit"])] for f in facts]
        print_table("Facts that differ", ["", "A", "B", "unit"], cells)


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return number(value) if isinstance(value, (int, float)) and value >= 0 else str(value)


def _change(a: object, b: object) -> str:
    if not isinstance(a, (int, float)) or not isinstance(b, (int, float)) or a == 0:
        return "–"
    return f"{b / a - 1:+.1%}"
