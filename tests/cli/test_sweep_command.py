"""`openwafer sweep`."""

import csv
from pathlib import Path

import pytest

from openwafer.cli._errors import run_command
from openwafer.cli.sweep import command

FILE = """
model = ["llama-3.1-8b", "llama-3.1-70b"]
on = ["cs3", "b200"]
users = { from = 1, to = 64, times = 4 }

[system.power]
"""


def run(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    assert run_command(command, "openwafer sweep", [*args, "--workers", "1"]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_a_file_and_settings_over_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, out = tmp_path / "s.toml", tmp_path / "r.csv"
    path.write_text(FILE, "utf-8")
    text = run(capsys, str(path), "--set", "input=1k,2k", "--set", "on=h100", "-o", str(out))
    assert text.startswith("16 points in")
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["on"] for row in rows} == {"h100"} and {row["input"] for row in rows} == {"1000.0", "2000.0"}
    assert {float(row["users"]) for row in rows} == {1, 4, 16, 64}


@pytest.mark.parametrize(
    ("text", "args", "part"),
    [
        ("model = [", (), "sweep-syntax"),
        ("modle = 'x'", (), "did you mean `model`"),
        (None, (), "sweep-unreadable"),
        (FILE, ("--set", "users=1:b"), "sweep-bad-range"),
        (FILE, ("--set", "on=cs33"), "did you mean `cs3`"),
        (
            "model = 'llama-3.1-8b'\nusers = { from = 1, to = 2, tims = 2 }",
            (),
            "did you mean `times`",
        ),
        ("model = 'llama-3.1-8b'\non = 'cs3'\nusers = 1979-05-27", (), "sweep-bad-value"),
    ],
)
def test_wrong_files(
    text: str | None, args: tuple[str, ...], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.toml"
    if text is not None:
        path.write_text(text, "utf-8")
    found = run(capsys, str(path), *args, "-o", str(tmp_path / "r.csv"), code=1)
    assert part in " ".join(found.split())


def test_wrong_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "users=1,8,64" in run(capsys, "--set", "users", "-o", str(tmp_path / "r.csv"), code=2)
