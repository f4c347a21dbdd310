"""`openwafer validate`: every published number that the project knows, against the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from openwafer.cli._output import say_json
from openwafer.cli._record import record, recorded
from openwafer.cli._table import print_table, say_wrapped

if TYPE_CHECKING:
    from openwafer.estimate import Validation, ValidationRow


@click.command()
@recorded("validation")
@click.argument("file", required=False)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
@click.option("--groups", is_flag=True, help="The groups only.")
@click.option(
    "--constants", is_flag=True, help="The constants of the model instead, and what they are fitted on."
)
@click.option("--unused", is_flag=True, help="Also list the rows that cannot be predicted, with the reason.")
def command(file: str | None, form: str, groups: bool, constants: bool, unused: bool) -> None:
    """Compare predictions with published numbers: those that come with OpenWafer, or the rows of FILE."""
    from openwafer.estimate import validate

    if constants:
        return _print_constants(form)
    found = validate(file)
    record().result(**_as_json(found))
    if form == "table":
        _print(found, groups, unused)
    else:
        _write(found, form)


def _write(found: Validation, form: str) -> None:
    from openwafer.cli import _results as t

    if form == "csv":
        return t.print_csv([_row(row) for row in found.rows])
    say_json(_as_json(found))


def _as_json(found: Validation) -> dict[str, Any]:
    import dataclasses

    rows = [_row(row) for row in found.rows]
    groups = [dataclasses.asdict(group) for group in found.groups]
    unused = [{"id": id, "reason": reason} for id, reason in found.unused]
    return {"rows": rows, "groups": groups, "unused": unused}


def _row(row: ValidationRow) -> dict[str, Any]:
    c = row.case
    return {
        "id": c.id, "group": c.group, "system": c.system, "chips": c.chips, "model": c.model,
        "precision": c.form,
        "kind": c.kind, "unit": c.unit, "published": c.value, "predicted": row.predicted, "error": row.error,
        "error_without_row": row.held_out, "error_without_source": row.without_source, "source": c.source,
    }  # fmt: skip


def _print_constants(form: str) -> None:
    from openwafer.cli import _results as t
    from openwafer.estimate import fitted_constants

    rows = [{"table": table, "name": name} | entry
            for table, entries in fitted_constants().items() for name, entry in entries.items()]  # fmt: skip
    if form != "table":
        return say_json(rows) if form == "json" else t.print_csv(rows)
    for table, entries in fitted_constants().items():
        cells = [[name, f"{e['value']:.4g}", e["unit"], e["what"]] for name, e in entries.items()]
        fits = dict.fromkeys(entry["on"] for entry in entries.values())
        notes = [f"{fit}: {', '.join(n for n, e in entries.items() if e['on'] == fit)}" for fit in fits]
        print_table(table, _HEADERS_OF_CONSTANTS, cells, [*_fit_notes(notes), ""], words=("what",))


_HEADERS_OF_CONSTANTS = ("", "value", "unit", "what")


def _fit_notes(notes: list[str]) -> list[str]:
    return [note if note.startswith("none") else f"Fitted on {note}" for note in notes]


def _print(found: Validation, groups: bool, unused: bool) -> None:

    for name in dict.fromkeys(row.case.group for row in found.rows if not groups):
        rows = [row for row in found.rows if row.case.group == name]
        print_table(f"{name}, {rows[0].case.unit}", _COLUMNS, [_cells(row) for row in rows], [""], left=3)
    print_table("By group", _HEADERS, group_cells(found), [*_NOTES, ""])
    if unused:
        for reason in dict.fromkeys(reason for _, reason in found.unused):
            ids = [id for id, why in found.unused if why == reason]
            say_wrapped(f"{len(ids)} rows are not used, {reason}: {' '.join(ids)}")
    else:
        say_wrapped(f"{len(found.unused)} rows are not used (--unused lists them with the reason)")


_COLUMNS = ("row", "system", "model", "published", "predicted", "error", "−row", "−source")


def _cells(row: ValidationRow) -> list[str]:
    c = row.case
    model = "" if c.model == "-" else f"{c.model} {c.form}"
    shape = [c.id, f"{c.system.removesuffix('-nvl72')} ×{c.chips}", model, f"{c.value:.4g}"]
    predicted = "no room" if row.predicted is None else f"{row.predicted:.4g}"
    return [*shape, predicted, _part(row.error), _part(row.held_out), _part(row.without_source)]


_HEADERS = ("group", "rows", "median", "worst", "−row", "−source", "target", "")
_NOTES = (
    "median, worst: with the constants as they are; −row, −source: the median with",
    "constants fitted without the row, or without all rows of its source.",
)


def group_cells(found: Validation) -> list[list[str]]:
    """One line a group of errors."""
    return [
        [g.name, str(g.rows), f"{g.median:.1%}", f"{g.worst:.1%}", _share(g.held_out_median),
         _share(g.without_source_median), g.target, {True: "ok", False: "no", None: ""}[g.reached]]
        for g in found.groups
    ]  # fmt: skip


def _part(value: float | None) -> str:
    return "" if value is None else f"{value:+.0%}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
