"""How far is a sampled day from the whole week that it stands for?

    python bench/fleet_scaling.py [--days 7] [--samples 12] [--processes 1] [--write]

Two questions, on the example of 1 MW. `hours`: with a part of its traffic and a small model, days of full
hours on all replicas are simulated; a sampled day has a part of each hour. `replicas`: with all of its
traffic, a sample of replicas is compared with all of them. An error is the sampled value over the whole one,
less one. `--write` puts the table where `openwafer fleet simulate` reads it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from openwafer.diag import Source
from openwafer.fleet import Plan, prepare, read_fleet, size
from openwafer.fleet.simulation import Study, UnitResult, run_study

HERE = Path(__file__).parent
DATA = HERE.parent / "src" / "openwafer" / "fleet" / "simulation" / "data" / "scaling.json"
VALUES: dict[str, Callable[[UnitResult], float]] = {
    "served": lambda r: r.outcome.served_tokens / r.outcome.asked_tokens,
    "tokens": lambda r: r.outcome.served_tokens,
    "energy": lambda r: sum(sum(e.joules) for e in r.energy),
    "first token, p50": lambda r: r.outcome.first.p50,
    "first token, p99": lambda r: r.outcome.first.p99,
    "token, mean": lambda r: r.outcome.token.mean,
    "token, p99": lambda r: r.outcome.token.p99,
}


def plan_of(*changes: tuple[str, str]) -> Plan:
    text = (HERE.parent / "examples" / "fleet" / "1mw.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return size(prepare(read_fleet(Source("fleet.toml", text))))


def run(plan: Plan, budget: float, seeds: range, processes: int) -> list[UnitResult]:
    return [
        result
        for seed in seeds
        for result in run_study(Study(plan=plan, days=1, budget=budget, seed=seed), processes=processes)
    ]


def errors(whole: list[UnitResult], samples: list[UnitResult]) -> dict[str, list[float]]:
    """By value, of all samples of all classes."""
    found: dict[str, list[float]] = {name: [] for name in VALUES}
    for workload in dict.fromkeys(result.workload for result in whole):
        for name, value in VALUES.items():
            mean = statistics.fmean(value(r) for r in whole if r.workload == workload)
            found[name] += [value(r) / mean - 1 for r in samples if r.workload == workload]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    started, table = time.perf_counter(), dict[str, Any]()
    small = plan_of(
        ("= 50_000", "= 8_000"), ("= 10_000", "= 2_000"), ("value = 28,", "value = 280,"),
        ("gpt-oss-120b", "llama-3.1-8b"),
    )  # fmt: skip
    week = run(small, 1e12, range(1000, 1000 + args.days), args.processes)
    parts = run(small, 2e5, range(args.samples), args.processes)
    table["hours"] = _told("hours", errors(week, parts))
    large = plan_of()
    whole = run(large, 2e6, range(1000, 1003), args.processes)
    some = run(large, 3e5, range(args.samples), args.processes)
    table["replicas"] = _told("replicas", errors(whole, some))
    counts = {"week": sum(r.outcome.requests for r in week), "sampled day": parts[0].outcome.requests}
    print(f"{time.perf_counter() - started:.0f} s", counts)
    if args.write:
        source = (
            f"bench/fleet_scaling.py: examples/fleet/1mw.toml, {args.days} whole days against sampled ones"
        )
        text = json.dumps({"source": source, "samples": args.samples, "requests": counts, **table}, indent=1)
        DATA.write_text(text + "\n", "utf-8")


def _told(what: str, found: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Prints the tenth, fiftieth and ninetieth percentile of the errors."""
    rows: dict[str, dict[str, float]] = {}
    for name, values in found.items():
        p10, p50, p90 = (round(float(v), 4) for v in np.quantile(values, [0.1, 0.5, 0.9]))
        rows[name] = {"p10": p10, "p50": p50, "p90": p90}
        print(f"{what:9} {name:18} {p10:+8.2%} {p50:+8.2%} {p90:+8.2%}")
    return rows


if __name__ == "__main__":
    main()
