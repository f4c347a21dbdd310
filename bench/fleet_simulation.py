"""How many requests a second of processor does the simulation of a fleet take?

    python bench/fleet_simulation.py [--requests 10000000] [--runs 3]

One core. `queue`: a station of 32 servers, 80 % busy, without batches; arrays in, arrays out. `batches`: 50
replicas of a server with continuous batching, lengths of the Azure conversations, half and nearly full;
`split`: prompts on replicas of their own, caches handed over; `failing`: a replica is lost every minute.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numba
import numpy as np

from openwafer.fleet.simulation import (
    Change,
    Fleet,
    Group,
    Pool,
    Requests,
    StepTable,
    length_tables,
    simulate_batches,
    simulate_queue,
)

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


MOST, REPLICAS = 256, 50


def steps() -> StepTable:
    """Of a server with eight GPUs and a model of some 70 billion parameters, about."""
    batch = np.arange(MOST + 1)
    return StepTable(
        seconds=0.012 + 3e-5 * batch, context_s=np.full(MOST + 1, 3e-8), watts=4000 + 10.0 * batch
    )


def requests(count: int, rate: float) -> Requests:
    rng = np.random.default_rng(2)
    prompt, output = length_tables("azure2023-conversation")
    arrival = np.cumsum(rng.exponential(1 / rate, count))
    zero = np.zeros(count, np.int64)
    return Requests(
        arrival_s=arrival, prompt=prompt.draw(count, rng), output=output.draw(count, rng), group=zero
    )


def batches(what: str, count: int, runs: int, rate: float) -> Row:
    pool = Pool(name="a", replicas=REPLICAS, steps=steps(), prompt_token_s=1e-5, room_tokens=400_000)
    pools, changes = (pool,), tuple[Change, ...]()
    if what == "split":
        prompts = replace(
            pool, name="p", replicas=REPLICAS // 3, role="prefill", decode_pool="a", transfer_token_s=1e-6
        )
        pools = (prompts, pool)
    if what == "failing":
        changes = tuple(
            Change(60.0 * k + after, kind, "a", k % REPLICAS)
            for k in range(1, int(count / rate / 60))
            for after, kind in ((0.0, "down"), (300.0, "up"))
        )
    fleet = Fleet(pools=pools, groups=(Group(name="g", routes=((pools[0].name, 1.0),)),), changes=changes)
    given = requests(count, rate)
    name = f"{what}, {rate:g}/s"
    return measure(name, count, runs, lambda: simulate_batches(fleet, given, periods=24))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    few = args.requests // 10
    rows = [queue(args.requests, args.runs)]
    rows += [batches("batches", few, args.runs, rate) for rate in (500.0, 1500.0, 2800.0)]
    rows += [batches(what, few, args.runs, 1500.0) for what in ("split", "failing")]
    for row in rows:
        spread = f"{row.seconds:.2f} s ({row.fastest_s:.2f} to {row.slowest_s:.2f})"
        print(f"{row.what:18} {row.requests:>12,} requests in {spread}: {row.requests_per_s / 1e6:.2f} M/s")
    host = {"processor": platform.processor(), "numpy": np.__version__, "numba": numba.__version__}
    text = json.dumps({"host": host, "rows": [asdict(row) for row in rows]}, indent=1)
    out = HERE / "results" / "fleet_simulation.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
