"""What the tests of the commands share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import openwafer
from openwafer.csl import ExportName, Layout
from openwafer.tir import CONFIG_COLUMNS, Export, Program, Symbol
from patience import PATIENCE_S

SOURCE = str(Path(openwafer.__file__).parents[1])


def run_module(
    module: str, *args: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs `python -P -m module args`."""
    path = os.pathsep.join(filter(None, (SOURCE, os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [sys.executable, "-P", "-m", module, *args],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path} | dict(env or {}),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def tiny_layout(width: int = 1, height: int = 1, size: int = 4) -> Layout:
    """PEs with one exported array of `size` bytes and no code."""
    symbols = (Symbol("A", size, 4, b"", f"[{size // 4}]f32"), Symbol("A_ptr", 2, 2, b"", "[*]f32"))
    exports = (Export("A", "ptr", 1, "[*]f32", ()),)
    program = Program(
        "pe.csl", "wse2", (), symbols, (), exports, (), (), None, (), (), (), (), ()
    )  # fmt: skip
    return Layout(
        "wse2", width, height, (width + 7, height + 2), (4, 1), {"M": "4"}, (program,),
        (ExportName("A", "data", "[*]f32", True),), np.zeros((height, width), np.int32),
        np.zeros((height, width, 0), np.uint32), np.zeros((0, len(CONFIG_COLUMNS)), np.int32),
        np.full((height, width, 24), -1, np.int16),
    )  # fmt: skip
