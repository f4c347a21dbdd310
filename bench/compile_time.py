"""How long does a model take to compile? The model of `openwafer demo`, each time in a process of its own.

    python bench/compile_time.py [--machine wse3] [--side 8] [--side 64] [--format table|json]

Cold: the cache of machine code is empty; warm: a second process after it. The seconds are, in their order:
PyTorch's import and that of its export (both PyTorch's own); capture to placed instructions; emission of CSL;
its compilation; the engine's start (compiled once, then from the cache, which stays); machine code and
loading. `ours` is their sum without the imports. All are wall seconds; `cpu` is processor time of `ours`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STEPS = ("decode", "training")
IMPORTS = ("torch", "export")
STAGES = ("capture", "emit", "csl", "engine", "load")
CONTEXT, VOCABULARY = 32, 60
"""Of the demo: its recipe's tokens a step; about what its text has of characters."""


@dataclass(frozen=True, slots=True)
class Row:
    """One process: wall seconds by stage, and processor seconds of the stages that are ours."""

    step: str
    side: int
    cache: str
    seconds: dict[str, float]
    cpu_s: float

    @property
    def ours_s(self) -> float:
        return sum(self.seconds[stage] for stage in STAGES)


class Clock:
    """Wall and processor seconds of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def time(self, stage: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.seconds[stage] = time.perf_counter() - wall
        self.cpu[stage] = time.process_time() - cpu
        return result


def child(step: str, machine: str, side: int) -> dict[str, Any]:
    """Compiles and loads in this process."""
    clock = Clock()
    clock.time("torch", lambda: import_module("torch"))
    clock.time("export", lambda: [import_module(name) for name in ("torch._dynamo", "torch.export._trace")])
    session = clock.time("capture", maker(step, machine, side)).session
    clock.time("emit", lambda: session.emitted)
    clock.time("csl", lambda: session.image)
    clock.time("engine", _start_engine)
    clock.time("load", lambda: session.device)
    return {"seconds": clock.seconds, "cpu_s": sum(clock.cpu[stage] for stage in STAGES)}


def _start_engine() -> None:
    from openwafer.sim.fast._entry import entry_point
    from openwafer.sim.fast.memory._entry import compiled_memory_op

    compiled_memory_op()
    entry_point()


def maker(step: str, machine: str, side: int) -> Callable[[], Any]:
    """What compiles the step; model and optimizer are the user's, and made before."""
    import torch

    from openwafer.cli.demo import SIZES
    from openwafer.cli.train import make_config
    from openwafer.nn import Wafer, compile_generation, compile_training
    from openwafer.nn.text._trainer import new_model, next_token_loss

    model = new_model(make_config(VOCABULARY, context=CONTEXT, **SIZES), 0)
    wafer = Wafer(machine, (side, side))
    if step == "decode":
        return lambda: compile_generation(model, CONTEXT, wafer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    ids = torch.zeros(1, CONTEXT, dtype=torch.long)
    return lambda: compile_training(model, next_token_loss, optimizer, (ids, ids), wafer)


def measure(machine: str, sides: list[int]) -> list[Row]:
    rows: list[Row] = []
    for step in STEPS:
        for side in sides:
            with tempfile.TemporaryDirectory() as directory:
                keep_engine(directory)
                for cache in ("cold", "warm"):
                    found = run_child(step, machine, side, directory)
                    rows.append(Row(step, side, cache, found["seconds"], found["cpu_s"]))
    return rows


def keep_engine(directory: str) -> None:
    """Puts the compiled engine into a cache that is empty otherwise."""
    from openwafer.codegen._folder import cache_folders

    _start_engine()
    shutil.copytree(cache_folders("engine")[-1], Path(directory) / "engine")


def run_child(step: str, machine: str, side: int, cache: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", step, "--machine", machine, "--side", str(side)]
    environment = {**os.environ, "OPENWAFER_CACHE": cache}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def table(rows: list[Row]) -> str:
    names = (*IMPORTS, *STAGES)
    lines = ["step      PEs    cache" + "".join(f"{n:>9}" for n in (*names, "ours", "cpu"))]
    for r in rows:
        cells = "".join(f"{s:>9.2f}" for s in (*(r.seconds[n] for n in names), r.ours_s, r.cpu_s))
        lines.append(f"{r.step:<10}{f'{r.side}×{r.side}':<7}{r.cache:<5}{cells}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machine", default="wse3")
    parser.add_argument("--side", type=int, action="append", help="by default 8, 16, 32 and 64")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--child", choices=STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    sides = args.side or [8, 16, 32, 64]
    if args.child:
        sys.stdout.write(json.dumps(child(args.child, args.machine, sides[0])))
        return
    _start_engine()  # compiled once an installation
    rows = measure(args.machine, sides)
    host = {"machine": platform.machine(), "python": platform.python_version(), "cores": os.cpu_count()}
    record = {"host": host, "machine": args.machine, "rows": [asdict(r) for r in rows]}
    text = json.dumps(record, indent=2)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "compile_time.json").write_text(text + "\n")
    print(text if args.format == "json" else table(rows))


if __name__ == "__main__":
    main()
