"""How many points a minute does a sweep give on the cores of this machine?

    python bench/sweep.py [--points 100000] [--workers 2] [--format csv|parquet]

Models, systems, users, lengths and target speeds; start of the processes and writing included.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy

from openwafer.estimate.sweep import sweep

HERE = Path(__file__).parent
RUNS = 3


def axes(points: int) -> dict[str, list[Any]]:
    """About so many points."""
    found: dict[str, list[Any]] = {
        "model": ["llama-3.1-8b", "llama-3.1-70b", "qwen3-235b-a22b", "gpt-oss-120b", "deepseek-v3"],
        "on": ["cs3", "h100", "b200", "gb200-nvl72", "mi355x"],
        "input": [128, 512, 2048, 8192],
        "output": [64, 256, 1024],
        "tokens_per_second_per_user": [0, 30, 100],
    }
    others = 5 * 5 * 4 * 3 * 3
    return found | {"users": list(range(1, max(points // others, 1) + 1))}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    args = parser.parse_args()
    asked, seconds, points = axes(args.points), list[float](), 0

    def count(done: int, total: int) -> None:
        nonlocal points
        points = total

    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as directory:
            start = time.perf_counter()
            sweep(asked, Path(directory) / f"out.{args.format}", workers=args.workers, progress=count)
            seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    spread = f"{median:.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"
    rate = f"{points / median * 60:,.0f} points a minute"
    print(f"{points:,} points, {args.workers} processes, {args.format}: {spread}, {rate}")
    result = {"points": points, "workers": args.workers, "format": args.format, "seconds": seconds}
    host = {"python": platform.python_version(), "machine": platform.processor(), "numpy": numpy.__version__}
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "sweep.json").write_text(json.dumps(result | host, indent=2) + "\n")


if __name__ == "__main__":
    main()
