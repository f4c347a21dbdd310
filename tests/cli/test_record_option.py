"""`--record DIR` keeps what a command was asked and what it found."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from openwafer import versions
from openwafer.cli.cslc import command as cslc
from openwafer.cli.estimate import command as estimate
from openwafer.cli.machine import command as machine
from openwafer.cli.run import command as run
from openwafer.machine import load_machine
from openwafer.record import read

LAYOUT = """
layout { @set_rectangle(1, 1); @set_tile_code(0, 0, "pe.csl", .{}); }
"""


def invoke(command: object, *args: str) -> None:
    result = CliRunner().invoke(command, args, catch_exceptions=False)  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output


def test_estimate(tmp_path: Path) -> None:
    invoke(estimate, "llama-3.1-8b", "--on", "cs3,h100", "--record", str(tmp_path / "r"))
    record = read(tmp_path / "r")
    assert record.kind == "estimate" and record.outcome == "done"
    assert record.options["tokens_in"] > 0 and record.options["on"] == "cs3,h100"
    assert record.result is not None
    assert [row["system"] for row in record.result["estimates"]] == ["cs3", "h100"]
    assert record.versions["numpy"] == versions()["numpy"]


def test_compile_and_machine(tmp_path: Path) -> None:
    (tmp_path / "layout.csl").write_text(LAYOUT)
    (tmp_path / "pe.csl").write_text("var x: i32 = 1;\n")
    invoke(cslc, str(tmp_path / "layout.csl"), "--arch", "wse3", "--fabric-dims=1,1", "--fabric-offsets=0,0",
           "-o", str(tmp_path / "out"), "--record", str(tmp_path / "r"))  # fmt: skip
    record = read(tmp_path / "r")
    wse3 = load_machine("wse3")
    assert record.machine is not None and record.machine.hash == wse3.hash()
    assert record.result is not None and len(record.result["programs"]) == 1
    invoke(machine, "wse3", "--record", str(tmp_path / "m"))
    mark = read(tmp_path / "m").machine
    assert mark == record.machine


def test_run_keeps_exit_code(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text("print('nothing')\n")
    invoke(run, "--record", str(tmp_path / "r"), str(script))
    assert read(tmp_path / "r").result == {"exit_code": 0, "runs": [], "profiles": []}


@pytest.mark.parametrize("name", ["conform", "demo", "generate", "serve", "sweep", "train", "validate"])
def test_every_command_has_the_option(name: str) -> None:
    module = __import__(f"openwafer.cli.{name}", fromlist=["command"])
    assert any("--record" in parameter.opts for parameter in module.command.params)


def test_a_folder_is_not_written_twice(tmp_path: Path) -> None:
    folder = str(tmp_path / "r")
    invoke(machine, "wse2", "--record", folder)
    failure = CliRunner().invoke(machine, ["wse2", "--record", folder]).exception
    assert failure is not None and "record-exists" in str(failure)


@pytest.mark.parametrize("name", ["plan", "compare", "simulate"])
def test_every_command_of_fleets_has_the_option(name: str) -> None:
    group = __import__("openwafer.cli.fleet", fromlist=["command"]).command
    command = group.get_command(click.Context(group), name)
    assert any("--record" in parameter.opts for parameter in command.params)
