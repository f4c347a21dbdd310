"""One piece of fixed work for `bench/compare.py`: `compare_jobs.py NAME` prints its processor seconds.

It runs against whichever `openwafer` is on the path, so it uses only what all versions have. What a job gives
besides its time (cycles, points) is printed too: work that changed is not compared as speed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENWAFER_THREADS", "1")
PROGRAMS = Path(__file__).parent / "programs"
SIZES = {"dense": (64, 64, 1000), "exchange": (32, 32, 10), "stream": (300, 300, 40)}
"""Width, height and repeats."""

Job = Callable[[], tuple[float, Any]]
JOBS: dict[str, Job] = {}


def job(function: Job) -> Job:
    JOBS[function.__name__] = function
    return function


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of the work, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def compiled(file: str, arch: str = "wse2", **params: int) -> Any:
    from openwafer.csl import CompileOptions, compile_layout
    from openwafer.image import build

    options = CompileOptions(arch=arch, params={n: str(v) for n, v in params.items()}, memcpy=True)
    return build(compile_layout(str(PROGRAMS / file), options), arch)


def engine_of(image: Any, kind: str = "fast") -> Any:
    from openwafer.machine import load_machine
    from openwafer.sim import make_engine

    return make_engine(image, load_machine(image.layout.arch), engine=kind)


def program(kind: str, size: tuple[int, int, int]) -> Any:
    width, height, repeats = size
    number = list(SIZES).index(kind)
    return compiled("layout.csl", width=width, height=height, kind=number, repeats=repeats)


def run(engine: Any) -> int:
    from openwafer.sim import Launch

    engine.submit(Launch("run"))
    engine.run(None)
    return engine.now


def ran(kind: str) -> tuple[float, Any]:
    engine = engine_of(program(kind, SIZES[kind]))
    return timed(lambda: run(engine))


@job
def start() -> tuple[float, Any]:
    command = "from openwafer.cli._start import openwafer; openwafer()"
    before = os.times()
    for _ in range(10):
        subprocess.run([sys.executable, "-c", command, "--help"], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4]), None


@job
def compile_csl() -> tuple[float, Any]:
    compiled("nine.csl", width=12, height=12)
    seconds, image = timed(lambda: compiled("nine.csl", width=300, height=300))
    return seconds, len(image.layout.programs)


@job
def write_and_read() -> tuple[float, Any]:
    from openwafer.image import read, write

    image = compiled("nine.csl", width=300, height=300)

    def there_and_back() -> int:
        with tempfile.TemporaryDirectory() as folder:
            write(image, Path(folder, "out"))
            return sum(len(read(Path(folder, "out")).layout.programs) for _ in range(20))

    return timed(there_and_back)


@job
def load() -> tuple[float, Any]:
    image = compiled("nine.csl", width=300, height=300)
    engine_of(compiled("nine.csl", width=3, height=3))
    return timed(lambda: run(engine_of(image)))


@job
def run_dense() -> tuple[float, Any]:
    return ran("dense")


@job
def run_exchange() -> tuple[float, Any]:
    return ran("exchange")


@job
def run_stream() -> tuple[float, Any]:
    return ran("stream")


@job
def run_reference() -> tuple[float, Any]:
    engine = engine_of(program("exchange", (6, 6, 1)), "reference")
    return timed(lambda: run(engine))


@job
def estimate() -> tuple[float, Any]:
    from openwafer.estimate import estimate

    def points() -> int:
        return sum(len(estimate("llama-3.1-70b", ["cs3", "b200", "gb200"], users=n)) for n in range(1, 40))

    points()
    return timed(points)


@job
def torch_model() -> tuple[float, Any]:
    """Compiles a small network and runs it; in `seconds` without PyTorch's own export the first time."""
    import torch

    import openwafer

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.GELU(), torch.nn.Linear(64, 16))
    x = torch.randn(8, 32)
    shape = openwafer.Wafer("wse3", shape=(4, 4))
    openwafer.compile(model, (x,), wafer=shape)(x)

    def again() -> int:
        fresh = openwafer.compile(model, (x,), wafer=shape)
        for _ in range(100):
            fresh(x)
        return fresh.cycles

    return timed(again)


if __name__ == "__main__":
    seconds, result = JOBS[sys.argv[1]]()
    print(json.dumps({"seconds": seconds, "result": result}))
