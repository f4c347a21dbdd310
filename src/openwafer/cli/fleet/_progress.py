"""What is being done, on standard error where that is a terminal."""

from __future__ import annotations

from types import TracebackType


class Telling:
    """A context; `told` replaces the line that is shown."""

    def __init__(self, is_quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(),
            console=console, transient=True, disable=is_quiet or not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Telling:
        self._progress.start()
        return self

    def told(self, text: str) -> None:
        self._progress.update(self._task, description=text)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
