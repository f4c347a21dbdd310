"""`openwafer estimate` and `validate`."""

import csv
import io
import json

import pytest

from openwafer.cli import _output
from openwafer.cli._errors import run_command
from openwafer.cli.estimate import command as estimate
from openwafer.cli.validate import command as validate


def out(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    assert run_command(estimate, "openwafer estimate", list(args)) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "llama-3.1-70b", "--on", "cs3,b200", "--users", "64")
    assert "cs3, f16" in text and "b200, f16" in text and "J/token, IT" in text and "assumed" in text


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(out(capsys, "llama-3.1-8b", "--on", "h100", "--input", "8k", "--format", "json"))
    assert [row["system"] for row in rows] == ["h100"]
    assert rows[0]["tokens_per_s_low"] < rows[0]["tokens_per_s"] < rows[0]["tokens_per_s_high"]


def test_csv(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "llama-3.1-8b", "--on", "h100,cs3", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["system"] for row in rows] == ["h100", "cs3"] and float(rows[0]["joules_per_token"]) > 0


def test_training(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "llama-3.1-8b", "--on", "cs3,b200", "--train-tokens", "2T")
    assert "days" in text and "2e+12 tokens" in text


def test_frontier(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "llama-3.1-70b", "--on", "cs3,b200", "--frontier")
    assert "256 users" in text and "Least cost, tokens/s a user: GPUs from 5 (b200), wafers from" in text
    found = json.loads(out(capsys, "llama-3.1-70b", "--on", "cs3,b200", "--frontier", "--format", "json"))
    assert {c["what"] for c in found["crossings"]} == {"cost", "energy"}
    assert {row["system"] for row in found["rows"]} == {"cs3", "b200"}


def test_speculation(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("llama-3.1-70b", "--on", "cs3", "--format", "json")
    plain = json.loads(out(capsys, *args))[0]
    drafted = json.loads(out(capsys, *args, "--speculate", "4:0.8"))[0]
    assert drafted["tokens_per_s_per_user"] > plain["tokens_per_s_per_user"]


@pytest.mark.parametrize(
    ("args", "code", "part"),
    [
        (("llama-3.1-7b",), 1, "model-not-found"),
        (("llama-3.1-8b", "--on", "cs33"), 1, "did you mean `cs3`"),
        (("llama-3.1-8b", "--precision", "fp8", "--on", "cs3"), 1, "precision-not-there"),
        (("llama-3.1-8b", "--tokens-per-second-per-user", "100k"), 1, "the best is"),
        (("llama-3.1-8b", "--users", "many"), 2, "'many' is not a number"),
        (("llama-3.1-8b", "--speculate", "4"), 2, "4:0.8"),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: int, part: str) -> None:
    assert part in " ".join(out(capsys, *args, code=code).split())


def test_validate_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(validate, "openwafer validate", ["--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["id"] for row in found["rows"]} >= {"A028", "A029", "C014"}
    assert all(group["reached"] is not False for group in found["groups"])


def test_validate_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(validate, "openwafer validate", ["--unused"]) == 0
    text = capsys.readouterr().out
    assert "By group" in text and "for its arrival rate is not told: C190" in text


def test_validate_shows_the_constants(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(validate, "openwafer validate", ["--constants"]) == 0
    text = capsys.readouterr().out
    assert "slowdown" in text and "Fitted on wafer speed, A028 and A029: slowdown" in text


def test_more_systems_than_fit_side_by_side(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_output, "width", lambda: 80)
    text = out(capsys, "llama-3.1-8b", "--on", "cs2,cs3,cs4,h100,h200,b200,mi355x", "--users", "100")
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    assert text.count("tokens/s a user") >= 2 and "mi355x, f16" in text


def test_a_target_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("llama-3.1-70b", "--on", "cs3,b200", "--tokens-per-second-per-user", "300")
    line = next(line for line in out(capsys, *args).splitlines() if line.startswith("at least 300"))
    assert line.split()[-2:] == ["yes", "no"]
