"""`cslc` that is interrupted or killed at any moment leaves the old image directory or the new one, whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_samples import SOURCE, tiny_layout

from openwafer.image import build, read, write

LAYOUT = """
param width: u16;
layout {
  @set_rectangle(width, 8);
  for (@range(u16, width)) |x| {
    for (@range(u16, 8)) |y| { @set_tile_code(x, y, "pe.csl", .{ .x = x }); }
  }
}
"""
START = "from openwafer.cli._start import cslc; cslc()"


def started(folder: Path, width: int) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, (SOURCE, os.environ.get("PYTHONPATH", ""))))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", START, "layout.csl", f"--params=width:{width}", "-o", "out"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
def test_an_ended_compiler_leaves_a_whole_directory(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "layout.csl").write_text(LAYOUT)
    (tmp_path / "pe.csl").write_text("param x: u16;\nvar a: u16 = x;\ncomptime { _ = a; }\n")
    start = time.perf_counter()
    with started(tmp_path, 5) as first:
        assert first.wait() == 0
    whole_s = time.perf_counter() - start
    write(build(tiny_layout(), "wse2"), tmp_path / "out")
    (tmp_path / "out" / "mine.csv").write_text("1,2")
    rng = random.Random(number)
    for width in range(100, 105):
        with started(tmp_path, width) as process:
            time.sleep(rng.uniform(0.1, 1.3) * whole_s)
            process.send_signal(number)
            output, _ = process.communicate()
        assert "Traceback" not in output
        assert process.returncode in (0, 130, -number)
        found = read(tmp_path / "out").layout.width
        assert found == width if process.returncode == 0 else found in (1, *range(100, width + 1))
        assert (tmp_path / "out" / "mine.csv").read_text() == "1,2"
