"""What `docs/hangs.md` shows is what the programs in it give."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import hung_programs
import hung_streams
import hung_waits

PAGE = (Path(__file__).parents[2] / "docs" / "hangs.md").read_text("utf-8")
FILES = dict(re.findall(r"```\w+ file=(\S+)\n(.*?)```", PAGE, re.DOTALL))
(REPORT,) = re.findall(r"```text report\n(.*?)```", PAGE, re.DOTALL)
(COMMANDS,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
CAUSES = set(re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE))


def test_the_report_is_what_the_program_gives(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    said = ""
    for line in COMMANDS.splitlines():
        command, *arguments = shlex.split(line)
        run = [sys.executable, "-P", "-m", f"openwafer.cli.{command}", *arguments]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "160"}
        done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        said += done.stdout + done.stderr
    assert [line.rstrip() for line in said.strip().splitlines()] == [
        line.rstrip() for line in REPORT.strip().splitlines()
    ]


def test_every_cause_is_explained() -> None:
    """Those of all hung programs in the tests."""
    hung = (*hung_programs.HUNG, *hung_streams.HUNG, *hung_waits.HUNG)
    explained = {name for cell in CAUSES for name in re.findall(r"`([a-z-]+)`", cell)}
    assert {program.cause for program in hung} <= explained
