"""How many requests a second of processor does the simulation of a fleet take?

    python bench/fleet_simulation.py [--requests 10000000] [--runs 3]

One core. `queue`: a station of 32 servers, 80 % busy, without batches; arrays in, arrays out.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numba
import numpy as np

from openwafer.fleet.simulation import simulate_queue

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over the runs, with the least and the most."""

    what: str
    requests: int
    seconds: float
    fastest_s: float
    slowest_s: float
    requests_per_s: float


def measure(what: str, requests: int, runs: int, run: Callable[[], object]) -> Row:
    run()
    seconds: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    median = statistics.median(seconds)
    return Row(what, requests, median, min(seconds), max(seconds), requests / median)


def queue(requests: int, runs: int) -> Row:
    rng = np.random.default_rng(1)
    arrival, service = np.cumsum(rng.exponential(1 / 25.6, requests)), rng.exponential(1.0, requests)
    return measure("queue", requests, runs, lambda: simulate_queue(arrival, service, 32))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    rows = [queue(args.requests, args.runs)]
    for row in rows:
        spread = f"{row.seconds:.2f} s ({row.fastest_s:.2f} to {row.slowest_s:.2f})"
        print(f"{row.what:12} {row.requests:>12,} requests in {spread}: {row.requests_per_s / 1e6:.2f} M/s")
    host = {"processor": platform.processor(), "numpy": np.__version__, "numba": numba.__version__}
    text = json.dumps({"host": host, "rows": [asdict(row) for row in rows]}, indent=1)
    out = HERE / "results" / "fleet_simulation.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
