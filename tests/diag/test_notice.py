"""What takes long is said on a terminal, and nowhere else."""

from __future__ import annotations

import sys

import pytest

from openwafer.diag import notice


@pytest.mark.parametrize(
    ("is_terminal", "after_s", "said"), [(True, 0.0, "wait\n"), (True, 60.0, ""), (False, 0.0, "")]
)
def test_notice(
    is_terminal: bool, after_s: float, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    error = ""
    with notice("wait", after_s):
        while said and not error:
            error = capsys.readouterr().err
    assert error + capsys.readouterr().err == said
