"""`openwafer conform`: which CSL examples of a collection pass."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openwafer.cli._output import say
from openwafer.cli._record import record, recorded
from openwafer.cli._table import print_table
from openwafer.diag import environment, json_text, showable, write_report

if TYPE_CHECKING:
    from openwafer.cli._examples import Example
    from openwafer.cli._run_example import Outcome

_STYLES = {"pass": "green", "fail": "bold red", "not yet supported": "yellow"}


@click.command()
@recorded("conform")
@click.argument("root", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--arch", default=None, help="Only scripts of this architecture.")
@click.option("--only", metavar="GLOB", default=None, help="Only folders whose name or path matches.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write results here."
)
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Scripts at once; as many as cores.")
@click.option(
    "--engine",
    type=click.Choice(["fast", "reference", "both"]),
    help="Engine of the simulator; `both`: fast with one and two threads and reference, which must agree.",
)
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds for one script.")
@click.option("--verbose", is_flag=True, help="Show the output of what failed.")
def command(
    root: Path,
    arch: str | None,
    only: str | None,
    json_path: Path | None,
    jobs: int | None,
    engine: str | None,
    timeout: float,
    verbose: bool,
) -> int:
    """Run the `commands*.sh` of every folder below DIR, each in a copy, and say which pass.

    Exit code 1 if any fails; what is not yet supported is counted apart.
    """
    from openwafer.cli._examples import find_examples
    from openwafer.cli._system import require_posix
    from openwafer.diag import error

    require_posix("`conform` runs scripts with `bash`, in process groups")
    examples = find_examples(root, arch, only)
    if not examples:
        raise error("no-examples", f"no `commands*.sh` below `{root}` fits")
    if json_path is not None:
        write_report(json_path, "", "a")  # before a long run, not behind it
    outcomes = _run_all(examples, jobs or os.cpu_count() or 1, engine, timeout)
    record().result(**_as_json(outcomes, engine))
    _print_outcomes(outcomes)
    if verbose:
        _print_output(outcomes)
    if json_path is not None:
        write_report(json_path, json_text(_as_json(outcomes, engine), indent=2) + "\n")
    return 1 if any(o.result == "fail" for o in outcomes) else 0


def _run_all(examples: list[Example], jobs: int, engine: str | None, timeout_s: float) -> list[Outcome]:
    """The outcomes, in the order of the examples."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from openwafer.cli._agree import run_on_all
    from openwafer.cli._run_example import Setting, make_commands, run_example
    from openwafer.cli._running import Running

    def run_one(example: Example, commands: Path) -> Outcome:
        if engine == "both":
            return run_on_all(example, commands, timeout_s, running)
        return run_example(example, commands, Setting(engine), timeout_s, running)

    title = TextColumn("{task.description}", markup=False)
    columns = (title, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    outcomes: dict[Example, Outcome] = {}
    running = Running()
    with (
        tempfile.TemporaryDirectory(prefix="openwafer-bin-") as commands,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
        ThreadPoolExecutor(jobs) as pool,
    ):
        make_commands(Path(commands))
        bar = progress.add_task("examples", total=len(examples))
        futures = [pool.submit(run_one, e, Path(commands)) for e in examples]
        try:
            for future in as_completed(futures):
                outcome = future.result()
                outcomes[outcome.example] = outcome
                progress.update(bar, advance=1, description=showable(outcome.example.title))
        except BaseException:
            running.end_all()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [outcomes[example] for example in examples]


def _print_outcomes(outcomes: list[Outcome]) -> None:
    rows = [
        (o.example.name, o.example.arch, (o.result, _STYLES[o.result]), f"{o.wall_s:.1f}",
         "" if o.cycles is None else f"{o.cycles:,}", o.reason)
        for o in outcomes
    ]  # fmt: skip
    headers = ("example", "arch", "result", "wall s", "cycles", "reason")
    counts = ", ".join(f"{count} {result}" for result, count in _counts(outcomes).items() if count)
    print_table("", headers, rows, [counts], left=3, words=("reason",))


def _print_output(outcomes: list[Outcome]) -> None:
    for o in outcomes:
        if o.result == "fail":
            say(f"\n--- {showable(o.example.title)}")
            say(o.output)


def _counts(outcomes: list[Outcome]) -> dict[str, int]:
    counts = Counter[str](o.result for o in outcomes)
    return {result: counts[result] for result in _STYLES}


def _as_json(outcomes: list[Outcome], engine: str | None) -> dict[str, object]:
    from openwafer._versions import own_version

    host = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    return {
        "openwafer": own_version(),
        "engine": engine or environment.ENGINE.get() or "fast",
        "host": host | {"system": sys.platform},
        "counts": _counts(outcomes),
        "results": [o.as_json() for o in outcomes],
    }
