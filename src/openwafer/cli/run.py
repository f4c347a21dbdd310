"""`openwafer run`: a host script on the simulated wafer, with limits and reports that `cs_python` has not."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from openwafer.cli._output import say, say_json
from openwafer.cli._record import record, recorded
from openwafer.cli._table import print_table, say_wrapped
from openwafer.diag import environment, json_text, write_report


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@recorded("run")
@click.argument("script", type=click.Path(dir_okay=False))
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("--profile", is_flag=True, help="Say where the cycles went, by source line and task.")
@click.option("--profile-json", type=click.Path(dir_okay=False), help="Write the profile here, PE by PE too.")
@click.option(
    "--top", type=click.IntRange(min=1), default=20, show_default=True, help="Lines of the profile shown."
)
@click.option("--max-cycles", type=click.IntRange(min=1), help="End the simulation at this cycle.")
@click.option("--hang-report", type=click.Path(file_okay=False), metavar="DIR",
              help="Where hang.json and hang.svg go if the program hangs.")  # fmt: skip
@click.option(
    "--machine", help="Run on this machine (a name or a file), not on that of the compiled program."
)
@click.option("--engine", type=click.Choice(["fast", "reference"]), help="Engine of the simulator.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the simulator.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(
    script: str, args: tuple[str, ...], profile: bool, profile_json: str | None, top: int,
    max_cycles: int | None, hang_report: str | None, machine: str | None, engine: str | None,
    threads: int | None, form: str,
) -> int:  # fmt: skip
    """Run SCRIPT, a host script written for SdkRuntime, as `cs_python` does; ARGS are its own."""
    from openwafer.cli import cs_python

    wanted = profile or profile_json is not None
    if profile_json is not None:
        write_report(profile_json, "", "a")  # before a long run, not behind it
    with tempfile.TemporaryDirectory() as directory:
        path, stats = Path(directory) / "profile", Path(directory) / "stats"
        settings: dict[str, object] = {
            "OPENWAFER_PROFILE": path if wanted else None, "OPENWAFER_MAX_CYCLES": max_cycles,
            "OPENWAFER_HANG_REPORT": hang_report, "OPENWAFER_ENGINE": engine, "OPENWAFER_THREADS": threads,
            "OPENWAFER_MACHINE": _place(machine),
            "OPENWAFER_STATS": stats if record().is_kept and not environment.STATS.get() else None,
        }  # fmt: skip
        with _environment(settings):
            code = _exit_code(cs_python.run, [script, *args])
        runs, counted = _lines(path), _lines(stats)
    record().result(exit_code=code, runs=counted, profiles=runs)
    if profile_json is not None:
        write_report(profile_json, json_text(runs))
    if profile:
        _show(runs, top, form)
    return code


@contextmanager
def _environment(settings: dict[str, object]) -> Generator[None]:
    """Variables for the script, and what was there before behind it."""
    before = os.environ.copy()
    os.environ.update({name: str(value) for name, value in settings.items() if value is not None})
    try:
        yield
    finally:
        for name in settings:
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


def _exit_code(run: Callable[[list[str]], int], args: list[str]) -> int:
    try:
        return run(args)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


def _lines(path: Path) -> list[dict[str, Any]]:
    """A JSON document a line."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _place(machine: str | None) -> str | None:
    """A machine's name, or the path of its file wherever the script goes."""
    from openwafer.machine import BUILT_IN

    return machine if machine is None or machine in BUILT_IN else os.path.abspath(machine)


def _show(runs: list[dict[str, Any]], top: int, form: str) -> None:
    if form == "json":
        say_json(runs, indent=None)
        return
    if not runs:
        say("no profile: no program ran to `stop()`", err=True)
    for run in runs:
        _show_run(run, top)


def _show_run(run: dict[str, Any], top: int) -> None:
    pes = len(run["pes"])
    say_wrapped(f"{run['cycles']:,} cycles on {pes} PEs with code; cycles below are sums over the PEs")
    _print_lines(run, top)
    _print_tasks(run)
    busiest = max(run["pes"], key=lambda pe: pe["task_cycles"] - pe["waiting_cycles"])
    idle = sum(pe["idle_cycles"] for pe in run["pes"]) / max(run["cycles"] * pes, 1)
    say_wrapped(
        f"PEs without a task: {idle:.0%} of the time; busiest is PE ({busiest['x']}, {busiest['y']}): "
        f"{busiest['task_cycles']:,} cycles with a task, {busiest['waiting_cycles']:,} of them waiting"
    )


_COLUMNS = {
    "runs": "runs", "scalar_cycles": "scalar", "elements": "elements", "busy_cycles": "DSD",
    "bank_cycles": "banks", "wavelet_cycles": "wavelets", "space_cycles": "space", "other_cycles": "other",
}  # fmt: skip
"""Columns of the table: counter and header. Those that are zero everywhere are left out."""


def _print_lines(run: dict[str, Any], top: int) -> None:
    shown = run["lines"][:top]
    columns = {name: text for name, text in _COLUMNS.items() if any(line[name] for line in shown)}
    rows = [
        [
            f"{_file_name(line['file'])}:{line['line']}",
            *(f"{line[name]:,}" for name in columns),
            line["source"],
        ]
        for line in shown
    ]
    title = "By source line: cycles of scalar code and DSD operations, and what they waited for"
    print_table(title, ["line", *columns.values(), "source"], rows, [""], words=("source",))


def _file_name(file: str) -> str:
    """Without its directories; a library is called as it is imported."""
    return file if file.startswith("<") else Path(file).name


def _print_tasks(run: dict[str, Any]) -> None:
    rows = [
        [task["name"], f"{task['runs']:,}", f"{task['cycles']:,}", f"{task['waiting_cycles']:,}"]
        for task in run["tasks"]
    ]
    print_table("By task", ["task", "runs", "cycles", "of these waiting"], rows, [""])
