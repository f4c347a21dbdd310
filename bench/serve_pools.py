"""Wafers only, GPUs only, or both with the router: what do they cost and take at the same service levels?

    python bench/serve_pools.py [--requests 50000] [--minutes 5] [--wafers cs3] [--gpus h100]

For each mixture of classes the fewest systems are sought that refuse at most one request in a thousand; with
both, as few wafers as the fast class needs, and GPUs for the rest. Dollars and kilowatts are of the whole
time, idle or not. The traffic is the day of `bench/serve_day.py`, squeezed into minutes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from openwafer.diag import DiagnosticError
from openwafer.serve import EstimatedSpec, Trace, load_policy, run_trace, summary
from serve_day import DAY_S, day

MOST = 64
MIXTURES = {
    "no fast class": (0.0, 0.7, 0.3),
    "5 % ultrafast": (0.05, 0.65, 0.3),
    "50 % ultrafast": (0.5, 0.3, 0.2),
}
TIERS = np.array(["ultrafast", "default", "flex"])


def squeezed(count: int, minutes: float, shares: tuple[float, float, float]) -> Trace:
    """A day in so many minutes."""
    trace = day(count)
    tiers = TIERS[np.random.default_rng(1).choice(3, count, p=shares)]
    return replace(trace, arrived_s=trace.arrived_s / DAY_S * minutes * 60, tiers=tiers.tolist())


def outcome(trace: Trace, specs: list[EstimatedSpec]) -> tuple[float, float, float]:
    """Part refused, dollars and kWh; all are refused where the model does not fit."""
    try:
        found = summary(run_trace(trace, specs, load_policy()))
    except DiagnosticError:
        return 1.0, 0.0, 0.0
    per_hour = 3600 / found["simulated_s"]
    refused = 1 - found["answered"] / found["requests"]
    return refused, found["usd"] * per_hour, found["joules"] / 3.6e6 * per_hour


def fewest(trace: Trace, base: list[EstimatedSpec], grown: EstimatedSpec) -> list[EstimatedSpec] | None:
    """With the fewest systems of `grown` beside `base`, by doubling and halving; None if no number will
    do."""
    low, high = 0, 1
    while outcome(trace, [*base, replace_count(grown, high)])[0] > 1e-3:
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if outcome(trace, [*base, replace_count(grown, middle)])[0] > 1e-3:
            low = middle
        else:
            high = middle
    return [*base, replace_count(grown, high)]


def replace_count(spec: EstimatedSpec, systems: int) -> EstimatedSpec:
    return EstimatedSpec(spec.name, spec.model, spec.system, systems=systems, slots=spec.slots)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--model", default="gpt-oss-120b")
    parser.add_argument("--wafers", default="cs3")
    parser.add_argument("--gpus", default="h100")
    args = parser.parse_args()
    wafer = EstimatedSpec("wafers", args.model, args.wafers, slots=64)
    gpu = EstimatedSpec("gpus", args.model, args.gpus, slots=64)
    print(f"{'mixture':16} {'pool':10} {'systems':24} {'$/h':>8} {'kW':>8}")
    for name, shares in MIXTURES.items():
        trace = squeezed(args.requests, args.minutes, shares)
        fast = [i for i, tier in enumerate(trace.tiers or []) if tier == "ultrafast"]
        few = Trace(trace.arrived_s[fast], trace.prompt_tokens[fast], trace.completion_tokens[fast],
                    tiers=["ultrafast"] * len(fast))  # fmt: skip
        wafers_needed = fewest(few, [], wafer) if fast else []
        both = None if wafers_needed is None or not fast else fewest(trace, wafers_needed, gpu)
        for pool, specs in (
            ("wafers", fewest(trace, [], wafer)),
            ("GPUs", fewest(trace, [], gpu)),
            ("both", both),
        ):
            if specs is None:
                print(f"{name:16} {pool:10} {'cannot, or no need':24}")
                continue
            _, usd, kwh = outcome(trace, specs)
            shown = " + ".join(f"{s.systems} × {s.system}" for s in specs)
            print(f"{name:16} {pool:10} {shown:24} {usd:8.2f} {kwh:8.1f}")


if __name__ == "__main__":
    main()
