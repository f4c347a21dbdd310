"""`openwafer serve`, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openwafer.cli._errors import run_command
from openwafer.cli._main import _group

BACKENDS = """
[[backend]]
name = "wafers"
kind = "estimated"
model = "llama-3.1-8b"
system = "cs3"
"""
TRACE = "arrived_s,prompt_tokens,completion_tokens,tier\n" + "".join(
    f"{i / 10},{100 + i},{10 + i},{('default', 'flex')[i % 2]}\n" for i in range(20)
)


def call(*args: object) -> int:
    return run_command(_group, "openwafer", [str(a) for a in args])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "backends.toml").write_text(BACKENDS, "utf-8")
    (tmp_path / "trace.csv").write_text(TRACE, "utf-8")
    return tmp_path / "backends.toml", tmp_path / "trace.csv"


def test_a_trace(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backends, trace = files
    results = tmp_path / "results.csv"
    arguments = ("serve", "--backends", backends, "--results", results, "--format=json")
    assert call(*arguments, "--offline", trace) == 0
    offline = json.loads(capsys.readouterr().out)
    assert offline["answered"] == 20 and set(offline["tiers"]) == {"default", "flex"}
    kept = results.read_text("utf-8")
    assert call(*arguments, "--paced", trace, "--pace=0.01") == 0
    paced = json.loads(capsys.readouterr().out)
    assert offline | {"wall_s": 0} == paced | {"wall_s": 0} and results.read_text("utf-8") == kept
    assert call("serve", "--backends", backends, "--offline", trace) == 0
    said = capsys.readouterr().out
    assert "20 requests" in said and "wafers" in said and "J a token" in said


def test_the_policy_is_shown_and_can_be_given_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from openwafer.serve import load_policy

    assert call("serve", "--show-policy") == 0
    (tmp_path / "router.toml").write_text(capsys.readouterr().out, "utf-8")
    assert load_policy(tmp_path / "router.toml") == load_policy()


def test_wrong_calls(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backends, trace = files
    assert call("serve") == 2
    assert call("serve", "--offline", trace) == 2
    assert call("serve", "--backends", backends, "--offline", trace, "--paced", trace) == 2
    assert call("serve", "--backends", tmp_path / "none.toml") == 1
    assert "backends-invalid" in capsys.readouterr().err
    pytest.importorskip("starlette", reason="needs the extra `serve`")
    pytest.importorskip("uvicorn", reason="needs the extra `serve`")
    assert call("serve", "--backends", backends, "--host=0.0.0.0") == 1
    assert "open-to-all" in capsys.readouterr().err
    assert call("serve", "--backends", backends, "--keys", trace) == 1
    assert "keys-invalid" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, words",
    [("", "backend"), (BACKENDS + BACKENDS, "two backends are named"), ('[[backend]]\nname = "a"\n', "kind"),
     (BACKENDS + "colour = 1\n", "colour"), ('[[backend]]\nname = "a b"\nkind = "wafer"\n', "name")],
)  # fmt: skip
def test_backends_that_are_wrong(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "backends.toml"
    path.write_text(text, "utf-8")
    assert call("serve", "--backends", path, "--offline", path) == 1
    said = capsys.readouterr().err
    assert "backends-invalid" in said and words in said


def test_a_system_that_is_not_there(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    backends, trace = files
    backends.write_text(BACKENDS.replace("cs3", "cs9"), "utf-8")
    assert call("serve", "--backends", backends, "--offline", trace) == 1
    assert "system-not-found" in capsys.readouterr().err
