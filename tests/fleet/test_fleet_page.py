"""docs/fleet.md shows what the commands print. `OPENWAFER_WRITE_DOCS=1` writes it anew."""

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
from openwafer.fleet.document import FACT_STATUSES
from openwafer.fleet.document._schema import SINGLE, TABLES
from openwafer.fleet.document._spec import fields_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "fleet.md"
BLOCK = re.compile(r"```console\n\$ openwafer ([^\n]*)\n(.*?)```", re.DOTALL)


def printed(words: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run_command(_group, "openwafer", shlex.split(words)) == 0
    return "".join(line.rstrip() + "\n" for line in out.getvalue().rstrip().splitlines())


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_output, "width", lambda: 80)
    monkeypatch.chdir(ROOT)


def test_the_page_shows_what_is_printed() -> None:
    text = PAGE.read_text("utf-8")
    shown = BLOCK.sub(lambda m: f"```console\n$ openwafer {m[1]}\n{printed(m[1])}```", text)
    if os.environ.get("OPENWAFER_WRITE_DOCS"):
        PAGE.write_text(shown, "utf-8")
    assert len(BLOCK.findall(text)) >= 2
    assert shown == PAGE.read_text("utf-8")


def test_the_page_names_every_table_fact_and_status() -> None:
    text = PAGE.read_text("utf-8")
    for table, kind in (TABLES | SINGLE).items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{table}`"))
        for key in fields_of(kind):
            stem = re.sub(r"^(price|carbon)(_by_hour|_by_season|_growth)$", r"\1", key)
            assert f"`{key}`" in row or f"`{stem}`" in row, (table, key)
    assert all(f"`{status}`" in text for status in FACT_STATUSES)


def test_the_python_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert code
    exec(compile(code[1], str(PAGE), "exec"), {})
    assert "systems at the end" in capsys.readouterr().out
