"""Tries the wheel as a user has it: in a fresh environment outside the checkout, beside other people's pins.

    make wheel       or    python tests/try_wheel.py [--numpy 2.3 …] [--python PATH …]

For each Python and each version of NumPy an environment is made in a temporary folder, with the extra
`torch` and the newest of all else that the wheel's ranges allow. There `cslc`, `cs_python`, `estimate` and a
short `demo` run, and must give the results and the cycles that this checkout gives. The exit code is 1 if any
does not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NUMPYS = ("2.3", "2.4")
DEMO = ("demo", "--steps", "2", "--format", "json")
ESTIMATE = ("estimate", "llama-3.1-8b", "--on", "cs3,b200", "--format", "json")
LAYOUT = """\
const memcpy = @import_module("<memcpy/get_params>", .{ .width = 3, .height = 2 });
layout {
  @set_rectangle(3, 2);
  for (@range(u16, 3)) |x| {
    for (@range(u16, 2)) |y| {
      @set_tile_code(x, y, "pe.csl", .{ .memcpy_params = memcpy.get_params(x), .first = 3 * y + x });
    }
  }
  @export_name("values", [*]f32, true);
  @export_name("work", fn()void);
}
"""
PE = """\
param memcpy_params: comptime_struct;
param first: u16;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const math = @import_module("<math>");
var values = @zeros([24]f32);
const pointer: [*]f32 = &values;
fn work() void {
  const all = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{24} -> values[i] });
  for (@range(i16, 24)) |i| {
    values[i] = math.sqrt(@as(f32, i + 1) * @as(f32, first + 1));
  }
  @fmuls(all, all, all);
  @fadds(all, all, 0.1);
  sys_mod.unblock_cmd_stream();
}
comptime {
  @export_symbol(pointer, "values");
  @export_symbol(work);
}
"""
HOST = """\
import numpy as np
from cerebras.sdk.runtime.sdkruntimepybind import MemcpyDataType, MemcpyOrder, SdkRuntime

runner = SdkRuntime("out", suppress_simfab_trace=True)
values = runner.get_id("values")
runner.load()
runner.run()
runner.launch("work", nonblock=False)
result = np.zeros(3 * 2 * 24, np.float32)
runner.memcpy_d2h(result, values, 0, 0, 3, 2, 24, streaming=False, order=MemcpyOrder.ROW_MAJOR,
                  data_type=MemcpyDataType.MEMCPY_32BIT, nonblock=False)
runner.stop()
print(result.tobytes().hex())
"""


@dataclass(frozen=True, slots=True)
class Place:
    """An interpreter, and the environment variables with which it finds OpenWafer."""

    python: Path
    variables: dict[str, str]

    def run(self, command: str, *args: str, folder: Path, **variables: str) -> str:
        """The standard output of `openwafer`, `cslc` or `cs_python`. SystemExit with what it said if it
        fails."""
        code = f"from openwafer.cli._start import {command}; {command}()"
        done = subprocess.run(
            [self.python, "-P", "-c", code, *args],
            cwd=folder, env=_clean() | self.variables | variables,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{command} {' '.join(args)}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--numpy", action="append", default=[], help=f"default: {', '.join(NUMPYS)}")
    parser.add_argument("--python", action="append", default=[], help="default: the one that runs this")
    options = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="openwafer-wheel-") as name:
        folder = Path(name)
        wheel = build(folder)
        ours = everything(Place(Path(sys.executable), {"PYTHONPATH": str(ROOT / "src")}), folder / "ours")
        for python in options.python or [sys.executable]:
            for numpy in options.numpy or NUMPYS:
                with environment(python, wheel, numpy, folder) as (place, title):
                    wrong += report(title, ours, everything(place, folder / "theirs"))
    return int(wrong > 0)


def build(folder: Path) -> Path:
    """The wheel of this checkout."""
    _pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


@contextmanager
def environment(python: str, wheel: Path, numpy: str, folder: Path) -> Iterator[tuple[Place, str]]:
    """A fresh environment with the wheel and a version of NumPy, and what it is; removed afterwards."""
    home = folder / "environment"
    subprocess.run([python, "-m", "venv", home], check=True, env=_clean())
    own = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    try:
        _pip(own, "install", f"{wheel}[torch]", f"numpy=={numpy}.*")
        caches = {"OPENWAFER_CACHE": str(home / "cache"), "NUMBA_CACHE_DIR": str(home / "cache")}
        yield Place(own, caches), _title(own)
    finally:
        shutil.rmtree(home)


def _title(python: Path) -> str:
    code = "import platform as p, numpy, numba as n; "
    code += "print(f'Python {p.python_version()}, NumPy {numpy.__version__}, numba {n.__version__}')"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _pip(python: Path, *args: str) -> None:
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", args[0], *quiet, *args[1:]], check=True, env=_clean())


def _clean() -> dict[str, str]:
    """The environment without what could make Python find this checkout, or change what OpenWafer does."""
    ours = ("OPENWAFER_", "PYTHONPATH", "VIRTUAL_ENV", "NUMBA_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def everything(place: Place, folder: Path) -> dict[str, Any]:
    """What every command gives in a place. `folder` is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return {name: run(place, folder) for name, run in COMMANDS.items()}


def _program(place: Place, folder: Path) -> Any:
    """Results and cycles of a program in CSL."""
    for name, text in {"layout.csl": LAYOUT, "pe.csl": PE, "run.py": HOST}.items():
        (folder / name).write_text(text, "utf-8")
    place.run("cslc", "layout.csl", "--fabric-dims=10,4", "--fabric-offsets=4,1", "--memcpy", "--channels=1",
              "-o", "out", folder=folder)  # fmt: skip
    printed = place.run("cs_python", "run.py", folder=folder, OPENWAFER_STATS=str(folder / "stats"))
    return {"printed": printed.split()[-1], "run": json.loads((folder / "stats").read_text("utf-8"))}


def _estimate(place: Place, folder: Path) -> Any:
    return json.loads(place.run("openwafer", *ESTIMATE, folder=folder))


def _demo(place: Place, folder: Path) -> Any:
    report = json.loads(place.run("openwafer", *DEMO, folder=folder))
    return {name: report[name] for name in ("losses", "text", "training", "generation", "phases")}


COMMANDS: dict[str, Callable[[Place, Path], Any]] = {
    "cslc, cs_python": _program,
    "estimate": _estimate,
    "demo": _demo,
}


def report(title: str, ours: dict[str, Any], theirs: dict[str, Any]) -> int:
    """Prints whether an environment gives what the checkout gives; how many commands do not."""
    wrong = [name for name in COMMANDS if ours[name] != theirs[name]]
    print(f"{title}: {', '.join(wrong) + ': not' if wrong else 'all'} as in the checkout", flush=True)
    for name in wrong:
        print(f"  {name}: {json.dumps(theirs[name])[:2000]}\n  checkout: {json.dumps(ours[name])[:2000]}")
    cycles = theirs["cslc, cs_python"]["run"]["cycles"], theirs["demo"]["training"]["cycles"]
    print(f"  cycles: program {cycles[0]:,}, demo {cycles[1]:,}", flush=True)
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
