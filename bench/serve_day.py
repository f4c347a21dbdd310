"""How long does a day of requests through estimated backends take?

    python bench/serve_day.py [--requests 1000000] [--repeat 3] [--json out.json]

The day has clients whose requests come in bursts (gamma gaps), hours that differ, lengths from log-normal
distributions, three classes and conversations that go on. The backends are sized for its busiest hour.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import time
from pathlib import Path

import numpy as np

from openwafer.serve import EstimatedSpec, Trace, load_policy, run_trace, summary

DAY_S = 86_400.0
SPECS = [
    EstimatedSpec("wafers", "llama-3.1-8b", "cs3", systems=4, slots=64, grams_per_kwh=300.0),
    EstimatedSpec("gpus", "llama-3.1-8b", "h100", systems=2, slots=64, grams_per_kwh=300.0),
]


def day(count: int, clients: int = 160, seed: int = 0) -> Trace:
    """Of `count` requests; a client's share follows Zipf's law, its gaps are gamma of shape 0.7."""
    random = np.random.default_rng(seed)
    shares = 1 / np.arange(1, clients + 1)
    client = np.sort(random.choice(clients, count, p=shares / shares.sum()))
    at = np.empty(count)
    for one in range(clients):
        mine = client == one
        gaps = np.cumsum(random.gamma(0.7, 1.0, int(mine.sum()) + 1))
        at[mine] = gaps[:-1] / gaps[-1]
    hours = 1 + 0.4 * np.sin(2 * np.pi * (np.arange(24) - 9) / 24)
    edges = np.concatenate([[0], np.cumsum(hours) / hours.sum()])
    at = np.interp(at, edges, np.linspace(0, DAY_S, 25))
    order = np.argsort(at, kind="stable")
    tiers = np.array(["ultrafast", "default", "flex"])[random.choice(3, count, p=(0.1, 0.6, 0.3))]
    return Trace(
        at[order],
        random.lognormal(6.4, 1.0, count).clip(1, 16_000).astype(np.int64),
        random.lognormal(4.8, 0.9, count).clip(1, 4000).astype(np.int64),
        tiers=tiers.tolist(), keys=[str(c) for c in client[order]],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    trace, wall, cpu = day(args.requests), list[float](), list[float]()
    for _ in range(args.repeat):
        begun = time.process_time()
        found = run_trace(trace, SPECS, load_policy())
        cpu.append(time.process_time() - begun)
        wall.append(found.wall_s)
    told = summary(found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    middle, each_us = statistics.median(wall), statistics.median(cpu) / args.requests * 1e6
    print(f"{args.requests:,} requests: {middle:.1f} s ({min(wall):.1f}–{max(wall):.1f}), ", end="")
    print(f"{each_us:.1f} µs of processor a request, {peak:,.0f} MiB at most")
    for name, level in told["tiers"].items():
        first, token = level["first_token_s"]["p99"], level["token_s"]["p99"] * 1e3
        print(f"  {name}: {level['requests']:,}, refused {level['refused']:,}, ", end="")
        print(f"first token p99 {first:.3f} s, token p99 {token:.2f} ms")
    if args.json is not None:
        host = {"host": platform.node(), "python": platform.python_version(), "cpus": os.cpu_count()}
        args.json.write_text(json.dumps({"wall_s": wall, "cpu_s": cpu, "summary": told} | host, indent=2))


if __name__ == "__main__":
    main()
