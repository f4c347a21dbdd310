"""docs/estimate.md shows what the commands print. `OPENWAFER_WRITE_DOCS=1` writes it anew."""

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

import pytest

from openwafer.cli import _output
from openwafer.cli._errors import run_command
from openwafer.cli._main import _group

PAGE = Path(__file__).parents[2] / "docs" / "estimate.md"
BLOCK = re.compile(r"```console\n\$ openwafer ([^\n]*)\n(.*?)```", re.DOTALL)


def printed(words: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run_command(_group, "openwafer", shlex.split(words)) == 0
    return "".join(line.rstrip() + "\n" for line in out.getvalue().rstrip().splitlines())


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_output, "width", lambda: 80)
    monkeypatch.chdir(tmp_path)


def test_the_page_shows_what_is_printed() -> None:
    text = PAGE.read_text("utf-8")
    shown = BLOCK.sub(lambda m: f"```console\n$ openwafer {m[1]}\n{printed(m[1])}```", text)
    if os.environ.get("OPENWAFER_WRITE_DOCS"):
        PAGE.write_text(shown, "utf-8")
    assert len(BLOCK.findall(text)) >= 5
    assert shown == PAGE.read_text("utf-8")


def test_tables_fit_into_80_columns() -> None:
    for block in BLOCK.finditer(PAGE.read_text("utf-8")):
        assert all(len(line) <= 80 for line in block[2].splitlines()), block[1]


def test_the_python_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert code
    exec(compile(code[1], str(PAGE), "exec"), {})
    assert "wafers are cheaper in" in capsys.readouterr().out


def test_the_files_of_the_page_are_right(tmp_path: Path) -> None:
    sweep, system = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "sweep.toml").write_text(sweep, "utf-8")
    (tmp_path / "hot.toml").write_text(system, "utf-8")
    assert printed("sweep sweep.toml -o r.csv --workers 1").startswith("352 points")
    assert "hot, f16" in printed("estimate llama-3.1-8b --on b200,hot.toml")
