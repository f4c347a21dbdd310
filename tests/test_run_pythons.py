"""Which Pythons the suite is run on."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import run_pythons

PROJECT = tomllib.loads((run_pythons.ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_supported_ones_are_those_that_the_project_names() -> None:
    versions = run_pythons.supported(PROJECT)
    assert PROJECT["requires-python"] == f">={versions[0]}" and {"3.11", "3.12", "3.13"} <= set(versions)
    needs = run_pythons.requirements(PROJECT)
    assert {Requirement(n).name for n in needs} >= {"numpy", "numba", "pytest", "hypothesis"}
    assert not any(n.startswith(("torch", "pyright")) for n in needs)


def test_an_interpreter_is_asked_for_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the right name that is no Python of that version does not count."""
    assert run_pythons.find(run_pythons.OURS) == sys.executable
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    liar = tmp_path / "python3.99"
    liar.write_text("#!/bin/sh\necho 3.98\n")
    liar.chmod(0o755)
    assert run_pythons.find("3.99") is None
    liar.write_text("#!/bin/sh\necho 3.99\n")
    assert run_pythons.find("3.99") == str(liar)


def test_what_is_not_installed_is_said_and_what_fails_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_pythons, "supported", lambda project: [run_pythons.OURS, "3.98", "3.99"])
    assert run_pythons.main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "Python 3.98: not installed",
        "Python 3.99: not installed",
    ]
    monkeypatch.setattr(
        run_pythons, "_run", lambda version, needs: "failed" if version == "3.99" else "passed"
    )
    assert run_pythons.main() == 1
