"""The progress of a training: its numbers are whole on a terminal of any width, and in a file."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest

from openwafer.cli._train_progress import TrainProgress


@pytest.mark.parametrize("width", [40, 80, 120, 200, None])
def test_numbers_are_whole(width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr("sys.stderr", file)
    if width is not None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(width))
    trainer = SimpleNamespace(
        steps=98_765, losses=[1234.5678] * 3, usage=SimpleNamespace(seconds=1.0),
        recipe=SimpleNamespace(steps=100_000, step_tokens=1_234_567),
    )  # fmt: skip
    with TrainProgress(cast(Any, trainer), False) as progress:
        trainer.steps += 8
        progress.show()
    shown = file.getvalue()
    assert "1234.568" in shown and "98773/100000" in shown and "9,876,536" in shown
    assert "…" not in shown
