"""What came of a trace: service levels by class, energy and cost by backend."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.files import writing
from openwafer.serve.core._job import TIERS
from openwafer.serve.traces._run import Outcome


def summary(outcome: Outcome) -> dict[str, Any]:
    """For tools: counts, quantiles of simulated seconds, joules, dollars, grams."""
    ended = ~np.isnan(outcome.columns["first_s"])
    whole = sum(pool.joules for pool in outcome.pools)
    usd = [pool.usd for pool in outcome.pools if pool.usd is not None]
    tokens = int(outcome.generated.sum())
    return {
        "requests": len(ended),
        "answered": int(ended.sum()),
        "ends": {name: int((outcome.finish == i).sum()) for i, name in enumerate(outcome.reasons)},
        "completion_tokens": tokens,
        "cached_tokens": int(outcome.cached.sum()),
        "simulated_s": outcome.span_s,
        "wall_s": outcome.wall_s,
        "joules": whole,
        "joules_per_token": whole / tokens if tokens else None,
        "usd": sum(usd) if usd else None,
        "usd_per_million_tokens": sum(usd) / tokens * 1e6 if usd and tokens else None,
        "grams": float(np.nansum(outcome.columns["grams"])),
        "tiers": {TIERS[i]: _levels(outcome, (outcome.tier == i)) for i in np.unique(outcome.tier)},
        "backends": [
            {
                "name": pool.name, "system": pool.system, "systems": pool.systems, "answers": pool.answers,
                "joules": pool.joules, "idle_joules": pool.idle_joules, "usd": pool.usd,
            }
            for pool in outcome.pools
        ],
    }  # fmt: skip


def _levels(outcome: Outcome, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    """Of a class: how many, how many were refused, and quantiles."""
    column = outcome.columns
    ended = chosen & ~np.isnan(column["first_s"])
    first = (column["first_s"] - column["arrived_s"])[ended]
    several = ended & (outcome.generated > 1)
    token = ((column["ended_s"] - column["first_s"]) / np.maximum(outcome.generated - 1, 1))[several]
    return {
        "requests": int(chosen.sum()), "refused": int(chosen.sum() - ended.sum()),
        "first_token_s": _quantiles(first), "token_s": _quantiles(token),
        "waited_s": _quantiles((column["started_s"] - column["arrived_s"])[ended]),
    }  # fmt: skip


def _quantiles(values: NDArray[np.float64]) -> dict[str, float] | None:
    if not values.size:
        return None
    found = np.quantile(values, (0.5, 0.95, 0.99))
    return {"p50": float(found[0]), "p95": float(found[1]), "p99": float(found[2])}


HEADER = (
    "request", "tier", "backend", "finish", "arrived_s", "started_s", "first_s", "ended_s", "tokens",
    "cached", "joules", "usd", "grams",
)  # fmt: skip


def write_results(outcome: Outcome, path: str | Path) -> None:
    """A CSV file. Diagnostics: results-cannot-write."""
    to = Path(path)
    with writing(to, "results-cannot-write"), to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(_rows(outcome))


def _rows(outcome: Outcome) -> Iterator[tuple[Any, ...]]:
    """A line a request, in the order of the trace."""
    names = [pool.name for pool in outcome.pools] + [""]
    column = {name: values.tolist() for name, values in outcome.columns.items()}
    for at in range(len(outcome.tier)):
        yield (
            at, TIERS[outcome.tier[at]], names[outcome.backend[at]], outcome.reasons[outcome.finish[at]],
            column["arrived_s"][at], column["started_s"][at], column["first_s"][at], column["ended_s"][at],
            int(outcome.generated[at]), int(outcome.cached[at]), column["joules"][at], column["usd"][at],
            column["grams"][at],
        )  # fmt: skip
