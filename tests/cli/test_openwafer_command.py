from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_samples import run_module

from openwafer.cli._errors import run_command
from openwafer.cli._main import _group
from openwafer.cli.machine import command as machine


def test_help_lists_the_commands_and_imports_little(tmp_path: Path) -> None:
    code = (
        "import sys, openwafer.cli as c\n"
        "sys.argv = ['openwafer', '--help']\n"
        "try: c.main()\n"
        "except SystemExit as e: assert not e.code\n"
        "heavy = {'numpy', 'numba', 'llvmlite', 'rich', 'msgspec', 'openwafer.csl', 'openwafer.sim'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    import os

    from cli_samples import SOURCE

    env = os.environ | {"PYTHONPATH": SOURCE}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "conform" in result.stdout and "machine" in result.stdout


def test_an_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(_group, "openwafer", ["machin"]) == 2
    assert "did you mean `machine`?" in capsys.readouterr().err


def test_sub_commands_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(_group, "openwafer", ["machine", "wse2", "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["machine"] == "wse2"
    assert run_command(_group, "openwafer", ["--version"]) == 0


def test_machine_as_json_has_every_fact_with_unit_source_and_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(machine, "machine", ["wse3", "--format", "json"]) == 0
    facts = {f["name"]: f for f in json.loads(capsys.readouterr().out)["facts"]}
    fact = facts["memory.bytes_per_pe"]
    assert (fact["value"], fact["unit"]) == (49152, "B")
    assert all(f["unit"] and f["source"] and f["status"] for f in facts.values())


def test_machine_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(machine, "machine", ["wse2", "--status=assumed"]) == 0
    text = capsys.readouterr().out
    assert "wse2" in text and "assumed" in text and "documented" not in text


def test_wrong_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(machine, "machine", ["wse4"]) == 1
    assert "error[machine-not-found]" in capsys.readouterr().err
    assert run_command(machine, "machine", ["wse3", "--status=guessed"]) == 2
    assert run_command(machine, "machine", ["wse3", "--format=xml"]) == 2


def test_module_form(tmp_path: Path) -> None:
    assert run_module("openwafer.cli.cslc", cwd=tmp_path).returncode == 2
