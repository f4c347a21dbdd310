"""Statistics of public traces: quantiles of lengths, shares of clients, hours of a day."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error, suggest

_NORMAL = NormalDist()
_TAIL = 1e-4
"""Probability of each end of a table: lengths are bounded by what the quantiles give there."""


@cache
def statistics() -> dict[str, Any]:
    """The file as it is, with sources."""
    return json.loads(
        resources.files("openwafer.fleet.simulation").joinpath("data/traffic.json").read_text("utf-8")
    )


@dataclass(frozen=True, slots=True, eq=False)
class LengthTable:
    """A distribution of lengths by its quantiles, in tokens, scaled by `factor`.

    Between quantiles the logarithm is linear in the normal score; beyond the first and the last it goes on
    with the slope next to them, to one request in 10,000."""

    probabilities: NDArray[np.float64]
    tokens: NDArray[np.float64]
    factor: float = 1.0

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """`count` lengths of at least one token."""
        score = rng.standard_normal(count)
        return np.maximum(np.rint(self.factor * self._at(score)), 1).astype(np.int64)

    def _at(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        known, logs = np.array([_NORMAL.inv_cdf(float(p)) for p in self.probabilities]), np.log(self.tokens)
        least, most = _NORMAL.inv_cdf(_TAIL), _NORMAL.inv_cdf(1 - _TAIL)
        low = logs[0] + (least - known[0]) * (logs[1] - logs[0]) / (known[1] - known[0])
        high = logs[-1] + (most - known[-1]) * (logs[-1] - logs[-2]) / (known[-1] - known[-2])
        return np.exp(np.interp(score, [least, *known, most], [low, *logs, high]))

    @property
    def mean(self) -> float:
        """By the midpoints of 10,000 equal parts."""
        parts = (np.arange(10_000) + 0.5) / 10_000
        scores = np.array([_NORMAL.inv_cdf(float(p)) for p in parts])
        return float(np.maximum(self.factor * self._at(scores), 1.0).mean())

    def with_mean(self, mean: float) -> LengthTable:
        """The same shape, stretched."""
        return LengthTable(self.probabilities, self.tokens, self.factor * mean / self.mean)


def length_tables(name: str) -> tuple[LengthTable, LengthTable]:
    """Lengths of prompts and of answers of a trace. Diagnostics: traffic-unknown."""
    known = statistics()["lengths"]
    if name not in known:
        hint = suggest(name, known) or f"one of {', '.join(known)}"
        raise error("traffic-unknown", f"no lengths of `{name}`", help=hint)
    at = np.array(statistics()["quantiles"])
    first, second = (_table(at, known[name], what) for what in ("prompt", "output"))
    return first, second


def _table(at: NDArray[np.float64], entry: dict[str, Any], what: str) -> LengthTable:
    table = LengthTable(at, np.array(entry[what], dtype=np.float64))
    mean = entry[f"mean_{what}"]
    return table if mean is None else table.with_mean(float(mean))


@cache
def nearest_lengths(prompt: float, output: float) -> str:
    """The trace whose mean lengths are nearest, by the ratio."""

    def distance(name: str) -> float:
        means = [table.mean for table in length_tables(name)]
        return sum(abs(math.log(mean / wanted)) for mean, wanted in zip(means, (prompt, output), strict=True))

    return min(statistics()["lengths"], key=distance)
