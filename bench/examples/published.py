"""Cycles of the vendor's example programs on wse3, against the facts under `[published]`.

Where a program tells its own cycles, those are compared; else the cycles in which the wafer works
(`windows.py`): what the published timers enclose is not known.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from openwafer.cli._examples import Example, copy_example, find_examples
from openwafer.cli._run_example import make_commands
from openwafer.machine import load_machine

HERE = Path(__file__).parent
ARCH = "wse3"
OWN_CYCLES = re.compile(r"(?:cycles_send = |Max cycles [^:]*: +)(\d+)")


@dataclass(frozen=True)
class Row:
    """An example, its fact, and what is changed in its script (before, after)."""

    example: str
    fact: str
    edit: tuple[str, str] = ("", "")


ROWS = (
    Row("residual", "residual_cycles"),
    Row("game-of-life", "game_of_life_cycles"),
    Row("wide-multiplication", "wide_multiplication_cycles"),
    Row("gemv-checkerboard-pattern", "gemv_checkerboard_cycles"),
    Row("mandelbrot", "mandelbrot_cycles"),
    Row("single-tile-matvec", "single_tile_matvec_cycles"),
    Row("cholesky", "cholesky_cycles"),
    Row("7pt-stencil-spmv", "stencil_spmv_7pt_z5_cycles"),
    Row("power-method", "power_method_cycles", ("--max-ite=1", "--max-ite=10")),
    Row("conjugate-gradient", "conjugate_gradient_cycles"),
    Row("preconditioned-conjugate-gradient", "preconditioned_conjugate_gradient_cycles"),
    Row("bicgstab", "bicgstab_cycles", ("--max-ite=2", "--max-ite=20")),
)


def cycles(example: Example, row: Row) -> tuple[float, str] | str:
    """Cycles and whose they are; or why there are none."""
    with tempfile.TemporaryDirectory(prefix="openwafer-published-") as scratch:
        commands, windows = Path(scratch, "bin"), Path(scratch, "windows")
        commands.mkdir()
        Path(scratch, "work").mkdir()
        make_commands(commands)
        run = shlex.join([sys.executable, "-P", str(HERE / "windows.py")])
        (commands / "cs_python").write_text(f'#!/bin/sh\nexec {run} "$@"\n')
        folder = copy_example(example.folder, Path(scratch, "work"))
        script = folder / example.script
        script.write_text(script.read_text().replace(*row.edit) if row.edit[0] else script.read_text())
        environment = os.environ | {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path))),
            "OPENWAFER_WINDOWS": str(windows),
        }
        done = subprocess.run(
            ["bash", example.script], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            return next((line for line in said if line.startswith("error")), said[-1] if said else "failed")
        own = OWN_CYCLES.findall(done.stdout)
        if own:
            return float(own[-1]), "its own timer"
        return float(windows.read_text().split()[-1]), "the wafer works"


def compare(directory: Path, results_directory: Path) -> None:
    """Prints the table and writes it as JSON."""
    machine = load_machine(ARCH)
    results: list[dict[str, object]] = []
    print(f"{'example':<36}{'ours':>10}{'published':>11}{'error':>9}  measured")
    for row in ROWS:
        (example,) = find_examples(directory, ARCH, row.example)
        found = cycles(example, row)
        published = float(machine.fact(f"published.{row.fact}").value)  # type: ignore[arg-type]
        if isinstance(found, str):
            print(f"{row.example:<36}{'-':>10}{published:>11.0f}{'':>9}  {found}")
            continue
        ours, how = found
        error = ours / published - 1
        results.append(
            {"example": row.example, "ours": ours, "published": published, "error": error, "measured": how}
        )
        print(f"{row.example:<36}{ours:>10.0f}{published:>11.0f}{error:>+9.1%}  {how}")
    (results_directory / "published_examples.json").write_text(json.dumps(results, indent=2) + "\n")
