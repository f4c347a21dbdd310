"""`openwafer run`: profiles, limits and reports of a program that a host script drives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_samples import SOURCE

from openwafer.csl import CompileOptions, compile_layout
from openwafer.image import build, write
from patience import PATIENCE_S

LAYOUT = """const memcpy = @import_module("<memcpy/get_params>", .{ .width = 1, .height = 1 });
layout {
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(0) });
  @export_name("y", [*]f32, true);
  @export_name("go", fn()void);
  @export_name("spin", fn()void);
}
"""
PE = """param memcpy_params: comptime_struct;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
var y = @zeros([8]f32);
const y_ptr: [*]f32 = &y;
const ys = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{8} -> y[i] });
fn go() void {
  @fadds(ys, ys, 1.0);
  sys.unblock_cmd_stream();
}
fn spin() void {
  y[0] = 2.0;
}
comptime { @export_symbol(y_ptr, "y"); @export_symbol(go); @export_symbol(spin); }
"""
SCRIPT = """import sys
import numpy as np
from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime, MemcpyDataType, MemcpyOrder
runner = SdkRuntime("out")
runner.load()
runner.run()
y = np.zeros(8, np.float32)
runner.launch(sys.argv[1], nonblock=False)
runner.memcpy_d2h(y, runner.get_id("y"), 0, 0, 1, 1, 8, streaming=False, order=MemcpyOrder.ROW_MAJOR,
                  data_type=MemcpyDataType.MEMCPY_32BIT, nonblock=False)
runner.stop()
print("y", y[0])
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Compiled in its directory, as a user does."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"layout.csl": LAYOUT, "pe.csl": PE, "run.py": SCRIPT}.items():
        (tmp_path / name).write_text(text)
    layout = compile_layout("layout.csl", CompileOptions(arch="wse3", memcpy=True))
    write(build(layout, "wse3"), str(tmp_path / "out"))
    return tmp_path


def run(directory: Path, *args: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from openwafer.cli import main; main()"
    env = os.environ | {"PYTHONPATH": SOURCE, "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-c", code, "run", *args], cwd=directory, env=env, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ("fast", "reference"))
def test_a_profile(program: Path, engine: str) -> None:
    done = run(program, "--profile", "--profile-json=p.json", f"--engine={engine}", "run.py", "go")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("y 1.0\n") and "pe.csl:7" in done.stdout
    assert "@fadds(ys, ys, 1.0);" in done.stdout and "<copy>" in done.stdout
    (profile,) = json.loads((program / "p.json").read_text())
    (line,) = (v for v in profile["lines"] if v["line"] == 7)
    assert (line["runs"], line["operations"], line["elements"]) == (1, 1, 8)
    assert {task["name"] for task in profile["tasks"]} == {"go", "<copy>"}
    (pe,) = profile["pes"]
    assert pe["idle_cycles"] + pe["task_cycles"] == profile["cycles"]


def test_without_a_profile_the_script_is_all(program: Path) -> None:
    assert run(program, "run.py", "go").stdout == "y 1.0\n"


def test_a_hang_is_drawn(program: Path) -> None:
    done = run(program, "--hang-report=hang", "run.py", "spin")
    assert done.returncode == 1 and "error[deadlock]" in done.stderr
    assert "hang.svg" in done.stderr and (program / "hang" / "hang.svg").exists()
    assert json.loads((program / "hang" / "hang.json").read_text())["chain"]


def test_the_limit_of_cycles(program: Path) -> None:
    done = run(program, "--max-cycles=3", "--hang-report=hang", "run.py", "go")
    assert done.returncode == 1 and "error[cycle-limit]" in done.stderr
    assert (program / "hang" / "hang.json").exists()


def test_wrong_calls(program: Path) -> None:
    assert run(program, "--max-cycles=0", "run.py", "go").returncode == 2
    assert run(program, "no.py").returncode == 2
    empty = run(program, "--profile", "-")
    assert empty.returncode == 0 and "no profile" in empty.stderr


SLOW_HOST = """base = "wse3"
name = "slow-host"
[host]
launch_cycles = { value = 9000, unit = "cycles", source = "what if", status = "assumed" }
"""


def test_another_machine_is_asked_for_and_told(program: Path) -> None:
    def cycles(*options: str) -> int:
        done = run(program, "--profile", "--format", "json", *options, "run.py", "go")
        return json.loads(done.stdout.splitlines()[-1])[0]["cycles"]

    (program / "slow.toml").write_text(SLOW_HOST)
    own = cycles()
    assert cycles("--machine", "slow.toml") > own + 8000
    told = run(program, "--machine", "slow.toml", "run.py", "go")
    assert told.returncode == 0
    assert (
        "warning[other-machine]: the program was compiled for `wse3` and runs on `slow-host`" in told.stderr
    )
    (program / "slow.toml").write_text('base = "wse2"\n')
    refused = run(program, "--machine", "slow.toml", "run.py", "go")
    assert refused.returncode == 1
    assert "image-does-not-fit" in refused.stderr


def test_a_program_compiled_for_a_file_runs_without_it(program: Path) -> None:
    (program / "slow.toml").write_text(SLOW_HOST)
    layout = compile_layout("layout.csl", CompileOptions(arch="wse3", memcpy=True, machine="slow.toml"))
    write(build(layout, "slow.toml"), str(program / "out"))
    first = run(program, "--profile", "--format", "json", "run.py", "go").stdout
    (program / "slow.toml").write_text(SLOW_HOST.replace("9000", "7"))
    assert run(program, "--profile", "--format", "json", "run.py", "go").stdout == first
    (program / "slow.toml").unlink()
    assert run(program, "--profile", "--format", "json", "run.py", "go").stdout == first
