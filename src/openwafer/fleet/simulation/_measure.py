"""Distributions of first tokens and of the time of a token, by weight."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.simulation.loop import _state as st


class Spread(msgspec.Struct, frozen=True):
    """Seconds: mean and quantiles; zero where there is nothing."""

    mean: float
    p50: float
    p90: float
    p99: float


def spread(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Spread:
    """A quantile is the least value that at least this part of the weight does not exceed."""
    if not len(values):
        return Spread(0.0, 0.0, 0.0, 0.0)
    order = np.argsort(values, kind="stable")
    ranked, part = values[order], np.cumsum(weights[order])
    at = np.asarray(np.searchsorted(part, np.array([0.5, 0.9, 0.99]) * part[-1]), np.intp)
    p50, p90, p99 = (float(value) for value in ranked[np.minimum(at, len(ranked) - 1)])
    return Spread(float(np.average(values, weights=weights)), p50, p90, p99)


class Outcome(msgspec.Struct, frozen=True):
    """Of the requests of one class in a day, scaled to all of its replicas: tokens of answers that were asked
    for and given; parts of the requests by what became of them; `moved`: those that began again elsewhere."""

    requests: int
    asked_tokens: float
    served_tokens: float
    refused: float
    shed: float
    unfinished: float
    moved: float
    first: Spread
    token: Spread


def outcome(
    table: NDArray[Any], weights: NDArray[np.float64], scale: float, since: str = "arrival_s"
) -> Outcome:
    """`table`: records of requests; `weights`: requests that each stands for; `scale`: parts of an hour to
    hours; `since`: from when on a first token is awaited."""
    status, total = table["status"], max(float(weights.sum()), 1e-300)
    served = status == st.SERVED
    tokens = table["output"] * weights * scale
    longer = served & (table["output"] > 1)

    def part(*kinds: int) -> float:
        return float(weights[np.isin(status, kinds)].sum()) / total

    each = (table["end_s"] - table["first_s"])[longer] / (table["output"][longer] - 1)
    return Outcome(
        requests=len(table),
        asked_tokens=float(tokens.sum()),
        served_tokens=float(tokens[served].sum()),
        refused=part(st.REFUSED, st.TOO_LONG),
        shed=part(st.SHED),
        unfinished=part(st.UNDER_WAY, st.HELD, st.NOT_COME),
        moved=float(weights[table["moves"] > 0].sum()) / total,
        first=spread((table["first_s"] - table[since])[served], weights[served]),
        token=spread(each, weights[longer]),
    )
