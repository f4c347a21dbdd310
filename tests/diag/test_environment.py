"""Environment variables: declared in one place, refused when they make no sense, told when unknown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from openwafer.diag import DiagnosticError, _warn, environment
from openwafer.diag._environment import MOST_THREADS, VARIABLES

ROOT = Path(__file__).parents[2]
NAMES = {variable.name for variable in VARIABLES}


@pytest.fixture(autouse=True)
def untold() -> None:
    environment.check_names.cache_clear()
    _warn.warn_once.cache_clear()


def test_every_variable_in_the_sources_is_declared() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]
    used = {name for path in files for name in re.findall(r"OPENWAFER_[A-Z_]*[A-Z]", path.read_text("utf-8"))}
    assert used - {"OPENWAFER_THREDS", "OPENWAFER_UNHEARD_OF"} == NAMES


def test_the_page_lists_every_variable_with_its_meaning() -> None:
    page = (ROOT / "docs" / "variables.md").read_text("utf-8")
    for variable in VARIABLES:
        assert f"| `{variable.name}` | {variable.meaning} |" in page


@pytest.mark.parametrize(
    "text", ["abc", "-1", "0", "1.5", "1e3", "٣", "0x10", str(MOST_THREADS + 1), "9" * 5000, " 2"]
)
def test_a_number_of_threads_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENWAFER_THREADS", text)
    with pytest.raises(DiagnosticError) as caught:
        environment.THREADS.get()
    (found,) = caught.value.diagnostics
    assert found.id == "bad-variable"
    assert found.message.startswith(f"OPENWAFER_THREADS is `{text[:400]}")
    assert found.message.endswith(f"{text[-400:]}`, expected a number of threads from 1 to 1,024")


def test_values_that_make_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, text, value in (
        (environment.THREADS, str(MOST_THREADS), MOST_THREADS), (environment.THREADS, "", None),
        (environment.WATCHDOG_CYCLES, "0", 0), (environment.ENGINE, "reference", "reference"),
        (environment.CACHE, "/x/y", Path("/x/y")), (environment.SEED, "7", 7),
    ):  # fmt: skip
        monkeypatch.setenv(variable.name, text)
        assert variable.get() == value


@pytest.mark.parametrize(
    ("name", "text", "id", "hint"),
    [
        ("ENGINE", "fsat", "unknown-engine", "expected one of fast, reference; did you mean `fast`?"),
        ("MAX_CYCLES", "-5", "bad-variable", "expected a number of cycles"),
        ("WATCHDOG_CYCLES", "soon", "bad-variable", "expected a number of cycles"),
        ("SEED", "x", "bad-variable", "expected a number from 0"),
        ("CACHE_TRUST", "yes", "bad-variable", "expected one of 0, 1"),
    ],
)
def test_other_values_are_refused(
    name: str, text: str, id: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"OPENWAFER_{name}", text)
    with pytest.raises(DiagnosticError) as caught:
        getattr(environment, name).get()
    (found,) = caught.value.diagnostics
    assert found.id == id and hint in found.message


def test_an_unknown_variable_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENWAFER_THREDS", "2")
    monkeypatch.setenv("OPENWAFER_UNHEARD_OF", "2")
    for _ in range(2):
        environment.THREADS.get()
    told = capsys.readouterr().err
    assert (
        told.count("OPENWAFER_THREDS has no effect") == told.count("OPENWAFER_UNHEARD_OF has no effect") == 1
    )
    assert "did you mean `OPENWAFER_THREADS`?" in told and "unknown-variable" in told


def test_a_closed_standard_error_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed = (tmp_path / "closed").open("w")
    closed.close()
    monkeypatch.setattr("sys.stderr", closed)
    monkeypatch.setenv("OPENWAFER_UNHEARD_OF", "1")
    environment.check_names()
