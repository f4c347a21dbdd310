"""`openwafer validate`: every published number that the project knows, against the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from openwafer.estimate import Validation, ValidationRow


@click.command()
@click.argument("file", required=False)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
@click.option("--unused", is_flag=True, help="Also list the rows that cannot be predicted, with the reason.")
def command(file: str | None, form: str, unused: bool) -> None:
    """Compare predictions with published numbers: those that come with OpenWafer, or the rows of FILE."""
    from openwafer.estimate import validate

    found = validate(file)
    if form == "table":
        _print(found, unused)
    else:
        _write(found, form)


def _write(found: Validation, form: str) -> None:
    import dataclasses

    from openwafer.cli import _tables as t

    rows = [_row(row) for row in found.rows]
    if form == "csv":
        return t.print_csv(rows)
    groups = [dataclasses.asdict(group) for group in found.groups]
    unused = [{"id": id, "reason": reason} for id, reason in found.unused]
    t.print_json({"rows": rows, "groups": groups, "unused": unused})


def _row(row: ValidationRow) -> dict[str, Any]:
    c = row.case
    return {
        "id": c.id, "group": c.group, "system": c.system, "chips": c.chips, "model": c.model,
        "precision": c.form,
        "kind": c.kind, "unit": c.unit, "published": c.value, "predicted": row.predicted, "error": row.error,
        "held_out_error": row.held_out,
    }  # fmt: skip


def _print(found: Validation, unused: bool) -> None:
    from openwafer.cli import _tables as t

    cells = [
        [r.case.id, r.case.group, f"{r.case.system} × {r.case.chips}", r.case.model, r.case.form, r.case.unit,
         f"{r.case.value:.4g}", _number(r.predicted), _part(r.error), _part(r.held_out)]
        for r in found.rows
    ]  # fmt: skip
    headers = [
        "row",
        "group",
        "system",
        "model",
        "precision",
        "unit",
        "published",
        "predicted",
        "error",
        "held out",
    ]
    t.print_table("Published numbers and predictions", headers, cells)
    t.print_table("By group", _HEADERS, group_cells(found), [_NOTE])
    if unused:
        t.print_table("Not used", ["row", "reason"], [list(entry) for entry in found.unused])
    else:
        click.echo(f"{len(found.unused)} rows are not used (--unused lists them with the reason)")


_HEADERS = ["group", "rows", "median", "worst", "held out: median", "worst", "target", "reached"]
_NOTE = "Held out: predicted with constants that were fitted without the row, or on which none were fitted."


def group_cells(found: Validation) -> list[list[str]]:
    """One line a group of errors."""
    return [
        [g.name, str(g.rows), f"{g.median:.1%}", f"{g.worst:.1%}", _share(g.held_out_median),
         _share(g.held_out_worst), g.target, {True: "yes", False: "no", None: ""}[g.reached]]
        for g in found.groups
    ]  # fmt: skip


def _number(value: float | None) -> str:
    return "does not fit" if value is None else f"{value:.4g}"


def _part(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
