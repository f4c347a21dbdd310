from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from host_samples import FakeEngine, host_layout

from openwafer.host import SdkRuntime, _runtime
from openwafer.image import Image, build, write


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An image directory of `host_layout`."""
    write(build(host_layout(), "wse3"), tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """The fake engines that runtimes have started."""
    started: list[FakeEngine] = []

    def start(image: Image, threads: int) -> FakeEngine:
        started.append(FakeEngine(image, threads))
        return started[-1]

    monkeypatch.setattr(_runtime, "start_engine", start)
    return started


@pytest.fixture
def runtime(out: Path, engines: list[FakeEngine]) -> SdkRuntime:
    """A running runtime on a fake engine."""
    runner = SdkRuntime(out)
    runner.load()
    runner.run()
    return runner


@pytest.fixture
def fails() -> Callable[..., str]:
    """Calls a function that must raise one diagnostic of an id; gives its text."""
    from openwafer.diag import DiagnosticError, render

    def check(id: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        with pytest.raises(DiagnosticError) as caught:
            function(*args, **kwargs)
        (found,) = caught.value.diagnostics
        assert found.id == id
        return render(found)

    return check
