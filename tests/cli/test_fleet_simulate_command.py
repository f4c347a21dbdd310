"""`openwafer fleet simulate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openwafer.cli._errors import run_command
from openwafer.cli.fleet import command

TEXT = (Path(__file__).parents[2] / "examples" / "fleet" / "1mw.toml").read_text("utf-8")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """The example of 1 MW with a tenth of its traffic and a small model."""
    path = tmp_path / "small.toml"
    text = TEXT.replace("50_000", "5_000").replace("10_000", "1_000").replace("gpt-oss-120b", "llama-3.1-8b")
    path.write_text(text, "utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = run_command(command, "openwafer fleet", ["simulate", *args, "--quiet", "--draws", "0"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_promises_beside_what_is_simulated(capsys: pytest.CaptureFixture[str], plan: Path) -> None:
    out = plan.with_name("r.json")
    code, text, _ = run(capsys, str(plan), "--days", "1", "--requests", "1e4", "--out", str(out))
    found = json.loads(out.read_text("utf-8"))
    assert code == (1 if found["failures"] else 0)
    assert "2028-Q4 chat" in text and "the plan’s" in text and "oklahoma-city" in text
    assert {day["workload"] for day in found["days"]} == {"chat", "code"}
    assert not out.with_name("r.json.parts").exists()
    again = plan.with_name("again.json")
    run(capsys, str(plan), "--days", "1", "--requests", "1e4", "--out", str(again))
    assert again.read_bytes() == out.read_bytes()


def test_a_plan_that_fails_is_refused(capsys: pytest.CaptureFixture[str], plan: Path) -> None:
    args = ("--days", "1", "--requests", "1e4", "--dark", "oklahoma-city=2:12", "--format", "json")
    code, text, err = run(capsys, str(plan), *args)
    assert code == 1 and "fleet-fails-simulation" in err and "refused" in err
    assert any("served" in failure for failure in json.loads(text)["failures"])


@pytest.mark.parametrize(
    ("args", "code", "part"),
    [
        (("--dark", "here"), 2, "is not such as regina=12:4"),
        (("--curtail", "x=17-30:0.5"), 2, "is not such as regina=17-20:0.5"),
        (("--dark", "oklahoma=1:2"), 1, "no site `oklahoma`"),
        (("--demand", "0"), 1, "must be positive"),
        (("--trace", "nowhere.csv"), 1, "trace-unreadable"),
        (("--out", "nowhere/r.json"), 1, "simulation-cannot-write"),
    ],
)
def test_bad_options(
    capsys: pytest.CaptureFixture[str], plan: Path, args: tuple[str, ...], code: int, part: str
) -> None:
    found, _, err = run(capsys, str(plan), "--days", "1", *args)
    assert found == code and part in err


def test_help_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(command, "openwafer fleet", ["--help"]) == 0
    assert "simulate" in capsys.readouterr().out
