"""`openwafer sweep`: estimates over ranges of models, systems and traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from openwafer.cli._output import say
from openwafer.cli._record import record, recorded
from openwafer.diag import Source, showable

if TYPE_CHECKING:
    from openwafer.estimate.sweep import Value


@click.command()
@recorded("sweep")
@click.argument("file", required=False)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="AXIS=VALUES",
    help="Such as users=1:1024:*2, on=cs3,b200, system.chip.memory_gb=96,192; over those of FILE.",
)
@click.option("--out", "-o", required=True, help="Results: a .parquet or a .csv file.")
@click.option("--ray", metavar="ADDRESS", help="Use the Ray cluster there.")
@click.option("--workers", type=click.IntRange(1), help="Processes; default: the cores of this machine.")
@click.option("--overwrite", is_flag=True, help="Replace results and parts that are there.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(
    file: str | None, settings: tuple[str, ...], out: str, ray: str | None, workers: int | None,
    overwrite: bool, quiet: bool,
) -> None:  # fmt: skip
    """Estimates at every combination of the values of FILE (TOML) and --set.

    Axes: model, on, input, output, users, tokens_per_second_per_user, precision, engine, drafted, accepted,
    config.FIELD, system.TABLE.FACT. A sweep that was stopped goes on when the command is given again.
    """
    from openwafer.estimate.sweep import parse_values, sweep

    axes = _read(file) if file else {}
    for setting in settings:
        name, equals, values = setting.partition("=")
        if not equals:
            raise click.BadParameter(f"{setting!r} is not such as users=1,8,64", param_hint="--set")
        axes[name] = parse_values(name, values)
    with _Bar(quiet) as bar:
        path = sweep(axes, out, ray=ray, workers=workers, overwrite=overwrite, progress=bar.show)
    record().result(points=bar.total, results=path)
    say(f"{bar.total:,} points in {showable(str(path))}")


def _read(file: str) -> dict[str, list[Value]]:
    """Diagnostics: sweep-unreadable, sweep-syntax, and those of its axes."""
    from openwafer.estimate.sweep import from_document
    from openwafer.files import MIB, parse_toml, read_text

    text = read_text(file, "sweep file", "sweep-unreadable", MIB)
    return from_document(parse_toml(Source(file, text), "sweep-syntax"))


class _Bar:
    """Points done, on standard error where that is a terminal."""

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        console = Console(stderr=True)
        self.total = 0
        self._bar = Progress(
            BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console,
            disable=quiet or not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("points", total=None)

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, done: int, total: int) -> None:
        self.total = total
        self._bar.update(self._task, completed=done, total=total)
