"""`openwafer machine`: what a machine file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from openwafer.cli._output import say_json
from openwafer.cli._record import record, record_machine, recorded
from openwafer.cli._table import print_table

if TYPE_CHECKING:
    from openwafer.machine import Fact, Machine, Value

_STYLES = {"documented": "green", "measured": "cyan", "inferred": "yellow", "assumed": "red"}


@click.command()
@recorded("machine")
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
    record_machine(machine)
    record().result(**_as_json(machine, facts))
    if form == "json":
        say_json(_as_json(machine, facts))
    else:
        _print_table(machine, facts)


def _as_json(machine: Machine, facts: list[Fact]) -> dict[str, object]:
    rows = [
        {name: getattr(f, name) for name in ("name", "value", "unit", "source", "status", "note")}
        for f in facts
    ]
    return {"machine": machine.name, "arch": machine.arch, "hash": machine.hash(), "facts": rows}


def _print_table(machine: Machine, facts: list[Fact]) -> None:
    rows = [
        (fact.name, _shown(fact.value), "" if fact.unit == "1" else fact.unit,
         (fact.status, _STYLES[fact.status]), fact.source)
        for fact in facts
    ]  # fmt: skip
    assumed = sum(fact.status == "assumed" for fact in facts)
    note = f"{assumed} of {len(facts)} facts are assumed: not published, nor derived from what is."
    print_table(
        f"{machine.name} ({machine.arch})", ("fact", "value", "unit", "status", "source"), rows,
        [note] if assumed else [], words=("value", "source"), left=5,
    )  # fmt: skip


def _shown(value: Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"
