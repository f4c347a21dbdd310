"""`openwafer fleet plan`: which systems, where and when, at what cost and carbon."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from openwafer.cli._output import say, say_json
from openwafer.cli._record import record, recorded
from openwafer.cli.fleet._progress import Telling
from openwafer.diag import DiagnosticError, showable

if TYPE_CHECKING:
    from openwafer.fleet import Fleet
    from openwafer.fleet.answers import Answer


@click.command()
@recorded("plan")
@click.argument("file")
@click.option("--objective", type=click.Choice(["cost", "carbon", "speed"]), help="Instead of the file’s.")
@click.option(
    "--power", type=click.Choice(["it", "facility"]), help="What megawatts count, instead of the file’s."
)
@click.option("--draws", type=click.IntRange(0, 100_000), default=1000, show_default=True,
              help="Draws of what may turn out otherwise; 0: none, and no confidence.")  # fmt: skip
@click.option(
    "--explain",
    multiple=True,
    metavar="NUMBER",
    help="What a number is made of: its name, a pattern such as 'usd.*', or the number itself.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
@click.option("--out", "-o", metavar="FILE", help="All numbers, as .json, .csv or .parquet.")
@click.option("--pictures", metavar="FOLDER", help="Writes power, sites, trade-off and tornado as SVG.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    file: str, objective: str | None, power: str | None, draws: int, explain: tuple[str, ...], form: str,
    out: str | None, pictures: str | None, quiet: bool,
) -> None:  # fmt: skip
    """The plan of FILE: systems by site and quarter, what they serve, cost, power, carbon, and how sure that
    is."""
    from openwafer.fleet import load_fleet

    fleet = _changed(load_fleet(file), objective, power)
    if out is not None:
        from openwafer.cli.fleet._files import check_form

        check_form(out)
    with Telling(quiet) as telling:
        if explain:
            return _explain(fleet, explain, draws, telling)
        found = _answer(fleet, draws, telling)
    _record(found)
    if out is not None:
        from openwafer.cli.fleet._files import write_numbers

        write_numbers(out, found)
    if pictures is not None:
        from openwafer.cli.fleet._pictures import write_pictures

        for path in write_pictures(pictures, found):
            say(showable(str(path)), err=True)
    _show(found, form)


def _record(found: Answer) -> None:
    if record().is_kept:
        from openwafer.cli.fleet._files import as_document

        record().result(**as_document(found))


def _changed(fleet: Fleet, objective: str | None, power: str | None) -> Fleet:
    policies = fleet.policies
    if objective is not None:
        policies = dataclasses.replace(policies, objective=objective)
    if power is not None:
        policies = dataclasses.replace(policies, power=power)
    return dataclasses.replace(fleet, policies=policies)


def _answer(fleet: Fleet, draws: int, telling: Telling, *, is_whole: bool = True) -> Answer:
    from openwafer.fleet.answers import answer

    return answer(fleet, count=draws, told=telling.told, is_whole=is_whole)


def _show(found: Answer, form: str) -> None:
    if form == "json":
        from openwafer.cli.fleet._files import as_document

        say_json(as_document(found))
    elif form == "csv":
        from openwafer.cli._results import print_csv
        from openwafer.cli.fleet._files import rows_of

        print_csv(rows_of(found))
    else:
        from openwafer.cli.fleet._tables import print_answer

        print_answer(found)


def _forms(value: float) -> set[str]:
    """As the tables print a number: with suffixes, in millions, in percent."""
    from openwafer.cli._results import number
    from openwafer.fleet.answers import printed

    if value < 0:
        return printed(value)
    return printed(value) | {number(value), number(value / 1e6), f"{value:.0%}", f"{value:.1%}"}


def _explain(fleet: Fleet, wanted: tuple[str, ...], draws: int, telling: Telling) -> None:
    """Numbers of the plan itself need no comparison; others do."""
    found = _answer(fleet, draws, telling, is_whole=False)
    try:
        figures = [figure for text in wanted for figure in found.figures.find(text, _forms)]
    except DiagnosticError:
        found = _answer(fleet, draws, telling)
        figures = [figure for text in wanted for figure in found.figures.find(text, _forms)]
    for figure in figures:
        for line in found.figures.explain(figure):
            say("  " * line.depth + line.text)
