"""The progress bar of a training: loss, tokens a second, time left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from openwafer.nn.text import Trainer

SHOWN_STEPS = 20
"""Over how many steps the loss that is shown is averaged."""
WIDE = 160
"""Characters of a line that has room for all."""


class TrainProgress:
    """A context; `show` after each step. Quiet, it shows nothing."""

    def __init__(self, trainer: Trainer, is_quiet: bool) -> None:
        self._trainer = trainer
        self._progress = _progress(is_quiet)
        self._task = self._progress.add_task("", total=trainer.recipe.steps, completed=trainer.steps)

    def __enter__(self) -> TrainProgress:
        self._progress.start()
        self._start, self._first = time.perf_counter(), self._trainer.steps
        return self

    def show(self) -> None:
        trainer = self._trainer
        tokens = (trainer.steps - self._first) * trainer.recipe.step_tokens
        last = trainer.losses[-SHOWN_STEPS:]
        real = tokens / (time.perf_counter() - self._start)
        simulated = tokens / trainer.usage.seconds
        text = f"loss {sum(last) / len(last):.3f}, tokens/s {simulated:,.0f} on the wafer, {real:,.0f} here"
        self._progress.update(self._task, completed=trainer.steps, description=text)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


def _progress(is_quiet: bool) -> Progress:
    """Numbers are never cut: a narrow terminal has no bar and several lines, a file has long lines."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    if not console.is_terminal:
        console.width = WIDE
    bar = [BarColumn()] if console.width >= WIDE else []
    return Progress(
        TextColumn("train"), *bar, MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold")),
        TimeRemainingColumn(), console=console, disable=is_quiet,
    )  # fmt: skip
