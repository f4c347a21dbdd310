"""`openwafer fleet simulate`: days of a plan, request by request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openwafer.cli._output import say, say_json
from openwafer.cli._record import record, recorded
from openwafer.cli._table import print_table
from openwafer.cli.fleet._progress import Telling
from openwafer.diag import DiagnosticError, error, showable

if TYPE_CHECKING:
    from openwafer.fleet.simulation import (
        ClassDay,
        Curtailment,
        Darkness,
        Report,
        Requests,
        SiteDay,
        Study,
        UnitResult,
        Year,
    )

_CUT = re.compile(r"(.+)=(\d{1,2})-(\d{1,2}):(0|1|0?\.\d+)")
_BAND = "In brackets: where four of five sampled days put the energy of whole days (bench/fleet_scaling.py)."
_DARK = re.compile(r"(.+)=(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)")


@click.command()
@recorded("simulation")
@click.argument("file")
@click.option("--days", type=click.IntRange(1), default=4, show_default=True, help="Days that are sampled.")
@click.option("--trace", metavar="FILE", help="Replay requests: CSV or JSON lines with times and lengths.")
@click.option(
    "--draws", type=click.IntRange(0, 100_000), default=1000, show_default=True, help="As of `fleet plan`."
)
@click.option("--seed", type=click.IntRange(0, 2**32), default=0, show_default=True)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--requests",
    "budget",
    type=click.FloatRange(1, 1e9),
    default=1e6,
    show_default=True,
    help="Of a class and day, about.",
)
@click.option("--demand", type=float, default=1.0, show_default=True, help="Factor on what the plan expects.")
@click.option("--late", type=float, default=0.0, metavar="WEEKS", help="All systems come so much later.")
@click.option(
    "--curtail",
    multiple=True,
    metavar="SITE=FROM-TO:PART",
    help="Power of a site from hour to hour of a day.",
)
@click.option(
    "--dark", multiple=True, metavar="SITE=HOUR:HOURS", help="A site fails at an hour, for so long."
)
@click.option("--out", "-o", type=click.Path(path_type=Path), help="Result as JSON; a stopped run goes on.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(
    file: str, days: int, trace: str | None, draws: int, seed: int, processes: int, budget: float,
    demand: float, late: float, curtail: tuple[str, ...], dark: tuple[str, ...], out: Path | None, form: str,
    quiet: bool,
) -> None:  # fmt: skip
    """Simulate days of the plan in FILE: every iteration of a sample of its servers.

    Prints what the plan promises beside what the simulation gives. A plan that does not keep its promises is
    refused: exit code 1.
    """
    from openwafer.fleet import load_fleet
    from openwafer.fleet.answers import answer
    from openwafer.fleet.simulation import Study, refusal, report

    with Telling(quiet) as telling:
        plan = answer(load_fleet(file), count=draws, told=telling.told, is_whole=False).plan
    study = Study(
        plan=plan, days=days, seed=seed, budget=budget, demand=demand,
        late_quarters=late / (365.25 / 4 / 7), curtailed=tuple(map(_curtailment, curtail)),
        darkness=tuple(map(_darkness, dark)),
        trace=_traced(trace, plan.problem.workloads) if trace else {},
    )  # fmt: skip
    found = report(study, _run(study, processes, out, quiet))
    if out is not None:
        _write(out, found)
    record().result(report=_plain(found))
    if form == "json":
        say_json(_plain(found))
    else:
        _print(found)
    refused = refusal(study, found)
    if refused is not None:
        raise DiagnosticError([refused])


def _curtailment(text: str) -> Curtailment:
    from openwafer.fleet.simulation import Curtailment

    match = _CUT.fullmatch(text)
    if match is None or int(match[2]) > 23 or int(match[3]) > 24:
        raise click.BadParameter(f"{text!r} is not such as regina=17-20:0.5", param_hint="--curtail")
    return Curtailment(site=match[1], start=int(match[2]), end=int(match[3]), part=float(match[4]))


def _darkness(text: str) -> Darkness:
    from openwafer.fleet.simulation import Darkness

    match = _DARK.fullmatch(text)
    if match is None or float(match[2]) >= 24:
        raise click.BadParameter(f"{text!r} is not such as regina=12:4", param_hint="--dark")
    return Darkness(site=match[1], start=float(match[2]), hours=float(match[3]))


def _traced(path: str, workloads: tuple[str, ...]) -> dict[str, Requests]:
    """The requests of each class; a trace without classes is that of the first."""
    from openwafer.fleet.simulation import load_trace, split_by_group

    return split_by_group(load_trace(path, workloads), workloads)


def _run(study: Study, processes: int, out: Path | None, quiet: bool) -> list[UnitResult]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from openwafer.fleet.simulation import run_study

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("class days"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console,
        disable=quiet or not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("class days", total=None)
        return run_study(
            study, processes=processes, parts=_parts(out),
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip


def _parts(out: Path | None) -> Path | None:
    if out is None:
        return None
    if not out.parent.is_dir() or out.is_dir():
        raise error("simulation-cannot-write", f"cannot write `{out}`")
    return out.with_name(f"{out.name}.parts")


def _plain(found: Report) -> object:
    import msgspec

    return msgspec.to_builtins(found)


def _write(out: Path, found: Report) -> None:
    import msgspec

    from openwafer.files import write_bytes
    from openwafer.fleet.simulation import remove_parts

    data = msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
    write_bytes(out, data, "simulation-cannot-write")
    parts = _parts(out)
    if parts is not None:
        remove_parts(parts)


def _print(found: Report) -> None:
    cells = [row for day in found.days for row in _rows(day)]
    head = ["", "", "promised", "the plan’s", "simulated", ""]
    requests = sum(day.result.outcome.requests for day in found.days)
    notes = [
        f"{requests:,} requests, {sum(d.result.steps for d in found.days):,} steps of servers simulated",
        *_samples(found),
        _errors(),
    ]
    print_table(f"{found.plan}: what it promises, and what its simulation gives", head, cells, notes)
    rows = [_site(site) for site in found.sites]
    names = ["", "", "plan, MWh", "simulated, MWh", "highest hour, MW", "the site has, MW"]
    print_table("Energy of a day beyond idling, IT; power as the plan counts it", names, rows, [])
    cells = [_year(year) for year in found.years]
    names = ["", "tokens, plan", "simulated", "GWh IT, plan", "simulated"]
    print_table("Years, scaled from the sampled days", names, cells, [_BAND])
    if not found.failures:
        say("The plan keeps its promises in this simulation.")


def _rows(day: ClassDay) -> list[list[str]]:
    from openwafer.cli._results import number

    found: list[list[str]] = []
    for p in day.promises:
        values = [p.promised, p.planned, p.simulated]
        shown = [f"{v:.1%}" if p.unit == "1" else f"{number(v)} {p.unit}" for v in values]
        name = f"{day.quarter} {day.workload}" if p is day.promises[0] else ""
        found.append([showable(name), p.what, *shown, "" if p.is_kept else "not kept"])
    out = day.result.outcome
    found.append(
        [
            "",
            "first token, p50; a token, p99",
            "",
            "",
            f"{number(out.first.p50)} s; {number(out.token.p99)} s",
            "",
        ]
    )
    return found


def _year(year: Year) -> list[str]:
    from openwafer.cli._results import number

    band = f"{number(year.mwh / 1e3)} ({number(year.low_mwh / 1e3)}–{number(year.high_mwh / 1e3)})"
    tokens = [f"{year.planned_tokens:.3g}", f"{year.tokens:.3g}"]
    return [str(year.year), *tokens, number(year.planned_mwh / 1e3), band]


def _site(site: SiteDay) -> list[str]:
    from openwafer.cli._results import number

    values = [site.planned_mwh, site.simulated_mwh, site.peak_mw, site.most_mw]
    return [site.quarter, showable(site.site), *map(number, values)]


def _errors() -> str:
    """How far a sampled day may be from a whole one."""
    from openwafer.fleet.simulation import error_band

    names = ("served", "first token, p99", "token, mean")
    bands = ((name, *error_band(name)) for name in names)
    parts = [f"{name} × {low:.2f} to {high:.2f}" for name, low, high in bands]
    return f"Whole days, four of five: {'; '.join(parts)} (bench/fleet_scaling.py)."


def _samples(found: Report) -> list[str]:
    """What was simulated of each class, once."""
    lines = dict[str, str]()
    for day in found.days:
        r = day.result
        if r.outcome.requests:
            shape = "a trace" if r.lengths == "trace" else f"the shape of {r.lengths}"
            text = (
                f"{r.workload}: {r.hour_s:g} s of each hour, {r.part:.2%} of its requests, lengths of {shape}"
            )
            lines.setdefault(r.workload, showable(text))
    return list(lines.values())
