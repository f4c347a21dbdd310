"""How fast is the simulator? Tile-cycles a second of three programs, and what loading costs.

    python bench/engine.py [--arch wse2] [--threads 1] [--runs 3] [--size small|full]

A tile-cycle is one PE for one cycle. `dense` computes on every PE, `exchange` moves a wavelet a cycle
between every pair
of neighbors, `stream` carries one stream across a wafer that is otherwise idle.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from openwafer.csl import CompileOptions, compile_layout
from openwafer.image import build
from openwafer.machine import load_machine
from openwafer.sim import Launch, make_engine

HERE = Path(__file__).parent
SIZES = {
    "small": {"dense": (16, 16, 50), "exchange": (16, 16, 4), "stream": (64, 64, 1)},
    "full": {"dense": (128, 128, 100), "exchange": (128, 128, 4), "stream": (750, 994, 1)},
}
KINDS = ("dense", "exchange", "stream")


@dataclass(frozen=True, slots=True)
class Row:
    """One program: medians over the runs, with the spread."""

    program: str
    width: int
    height: int
    cycles: int
    compile_s: float
    load_s: float
    run_s: float
    spread_s: float
    tile_cycles_per_s: float


def measure(kind: str, arch: str, threads: int, runs: int, size: str) -> Row:
    width, height, repeats = SIZES[size][kind]
    params = {"width": width, "height": height, "kind": KINDS.index(kind), "repeats": repeats}
    options = CompileOptions(arch=arch, params={n: str(v) for n, v in params.items()}, memcpy=True)
    start = time.perf_counter()
    image = build(compile_layout(str(HERE / "programs" / "layout.csl"), options), arch)
    compiled = time.perf_counter()
    loads, times, cycles = [], [], 0
    for _ in range(runs):
        begin = time.perf_counter()
        engine = make_engine(image, load_machine(arch), threads=threads)
        loads.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        engine.submit(Launch("run"))
        engine.run(None)
        times.append(time.perf_counter() - begin)
        cycles = engine.now
    run_s = statistics.median(times)
    rate = width * height * cycles / run_s
    spread = max(times) - min(times)
    return Row(kind, width, height, cycles, compiled - start, statistics.median(loads), run_s, spread, rate)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="wse2", choices=["wse2", "wse3"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", default="full", choices=list(SIZES))
    args = parser.parse_args()
    rows = [measure(kind, args.arch, args.threads, args.runs, args.size) for kind in KINDS]
    heads = f"{'program':<10}{'PEs':>12}{'cycles':>10}{'compile s':>11}{'load s':>8}"
    print(f"{heads}{'run s':>9}{'± s':>8}{'M tile-cycles/s':>17}")
    for r in rows:
        pes = f"{r.width}×{r.height}"
        print(
            f"{r.program:<10}{pes:>12}{r.cycles:>10,}{r.compile_s:>11.2f}{r.load_s:>8.2f}{r.run_s:>9.3f}"
            f"{r.spread_s:>8.3f}{r.tile_cycles_per_s / 1e6:>17,.1f}"
        )
    host = {"machine": platform.machine(), "python": platform.python_version(), "cores": os.cpu_count()}
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    record = {"host": host, "arch": args.arch, "threads": args.threads, "rows": [asdict(r) for r in rows]}
    (results / "engine.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
