"""`openwafer machine`: what a machine file says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from openwafer.machine import Fact, Machine, Value

_STYLES = {"documented": "green", "measured": "cyan", "inferred": "yellow", "assumed": "red"}


@click.command()
@click.argument("name", default="wse3")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--status", multiple=True, help="Only facts of this status; may be given more than once.")
def command(name: str, form: str, status: tuple[str, ...]) -> None:
    """Show the facts of machine NAME (wse2, wse3 or a file), each with unit, source and status."""
    from openwafer.machine import STATUSES, load_machine

    if unknown := next((s for s in status if s not in STATUSES), None):
        raise click.BadParameter(f"{unknown!r} is not one of {', '.join(STATUSES)}", param_hint="--status")
    machine = load_machine(name)
    facts = [fact for fact in machine.facts() if not status or fact.status in status]
    if form == "json":
        click.echo(json.dumps(_as_json(machine, facts), indent=2))
    else:
        _print_table(machine, facts)


def _as_json(machine: Machine, facts: list[Fact]) -> dict[str, object]:
    rows = [
        {name: getattr(f, name) for name in ("name", "value", "unit", "source", "status", "note")}
        for f in facts
    ]
    return {"machine": machine.name, "arch": machine.arch, "hash": machine.hash(), "facts": rows}


def _print_table(machine: Machine, facts: list[Fact]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{machine.name} ({machine.arch})", title_justify="left", title_style="bold")
    for header in ("fact", "value", "unit", "status", "source"):
        table.add_column(header, justify="right" if header == "value" else "left", overflow="fold")
    for fact in facts:
        status = Text(fact.status, style=_STYLES[fact.status])
        unit = "" if fact.unit == "1" else fact.unit
        table.add_row(Text(fact.name), Text(_shown(fact.value)), Text(unit), status, Text(fact.source))
    console = Console()
    console.print(table)
    assumed = sum(fact.status == "assumed" for fact in facts)
    if assumed:
        console.print(
            f"{assumed} of {len(facts)} facts are assumed: not published, nor derived from what is."
        )


def _shown(value: Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"
