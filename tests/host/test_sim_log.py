"""`sim.log`: what programs print, unable to change the terminal that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from openwafer.host._sim_log import SimLog
from openwafer.sim._print import Line


class Engine:
    """Has printed these lines."""

    def __init__(self, *texts: str) -> None:
        self._lines = [Line(7, 0, 0, text) for text in texts]

    def printed(self) -> list[Line]:
        return self._lines


def test_control_characters_of_a_program_are_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = SimLog()
    log.update(cast(Any, Engine("a\tb [bold]µ")))
    log.update(cast(Any, Engine("a\tb [bold]µ", "\x1b[2J\r\x07\u202e", "")))
    assert (tmp_path / "sim.log").read_text("utf-8").split("\n") == [
        "@7 a\tb [bold]µ", r"@7 \x1b[2J\r\x07\u202e", "@7 ", "",
    ]  # fmt: skip
