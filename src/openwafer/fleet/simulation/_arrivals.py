"""Arrivals of many clients: gaps of each by gamma or Weibull, at rates that follow hours and bursts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Family = Literal["gamma", "weibull"]
BURST_PARTS = 6
"""Of an hour, each with a rate of its own: ten minutes, as bursts are published."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrivals:
    """`rate`: requests/s in the mean of a day; `by_hour`: 24 factors; `burst`: the highest ten minutes over
    their hour; `gap_cv`: deviation of a client's gaps over their mean, at a steady rate;
    `top_ten_share`: of the requests, by the ten largest of `clients`."""

    rate: float
    by_hour: tuple[float, ...] = (1.0,) * 24
    burst: float = 1.0
    gap_cv: float = 1.0
    family: Family = "gamma"
    clients: int = 1
    top_ten_share: float = 0.63

    def draw(self, hours: NDArray[np.int64], hour_s: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """Times of arrivals in order. Each of `hours` (of the day) is `hour_s` seconds long: less than 3600
        where a part stands for the hour."""
        edges, work = self._work(hours, hour_s, rng)
        shares = client_shares(self.clients, self.top_ten_share)
        found = [self._client(share * work, rng) / share for share in shares]
        times = np.interp(np.concatenate(found), work, edges)
        times.sort()
        return times

    def _work(
        self, hours: NDArray[np.int64], hour_s: float, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Edges of ten minutes, and the requests that are expected until each."""
        factors = np.array(self.by_hour, np.float64)[hours] / float(np.mean(self.by_hour))
        rates = self.rate * factors[:, None] * burst_factors(len(hours), self.burst, rng)
        part_s = hour_s / BURST_PARTS
        work = np.concatenate([[0.0], np.cumsum(rates.ravel() * part_s)])
        return np.arange(len(work), dtype=np.float64) * part_s, np.asarray(work, np.float64)

    def _client(self, work: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """A renewal process of rate one up to the end of `work`, which begins at a random place of a gap."""
        total = float(work[-1])
        count = int(total + 6 * self.gap_cv * math.sqrt(total) + 20 * (1 + self.gap_cv**2))
        times = np.cumsum(self._gaps(count, rng)) - rng.random() * min(1.0, total)
        while times[-1] < total:
            times = np.concatenate([times, times[-1] + np.cumsum(self._gaps(count, rng))])
        return times[(times >= 0) & (times < total)]

    def _gaps(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        if self.gap_cv == 0:
            return np.ones(count)
        if self.family == "gamma":
            shape = 1 / self.gap_cv**2
            return rng.gamma(shape, 1 / shape, count)
        shape = weibull_shape(self.gap_cv)
        return rng.weibull(shape, count) / math.gamma(1 + 1 / shape)


def weibull_shape(cv: float) -> float:
    """The shape of the Weibull distribution with this deviation over the mean."""

    def square(shape: float) -> float:
        return math.exp(math.lgamma(1 + 2 / shape) - 2 * math.lgamma(1 + 1 / shape)) - 1

    low, high = 0.05, 200.0
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if square(middle) > cv**2 else (low, middle)
    return math.sqrt(low * high)


def client_shares(count: int, top_ten_share: float) -> NDArray[np.float64]:
    """Shares by Zipf's law, with the exponent that gives the ten largest their share."""
    if count <= 10:
        return np.full(count, 1 / count)
    ranks, low, high = np.arange(1, count + 1), 0.0, 8.0
    for _ in range(60):
        middle = (low + high) / 2
        shares = ranks**-middle / (ranks**-middle).sum()
        low, high = (middle, high) if shares[:10].sum() < top_ten_share else (low, middle)
    return np.asarray(ranks**-low / (ranks**-low).sum(), np.float64)


def burst_factors(hours: int, burst: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(hours, 6) factors: one part of each hour, at random, has `burst`, the others what is left."""
    most = min(max(burst, 1.0), float(BURST_PARTS))
    found = np.full((hours, BURST_PARTS), (BURST_PARTS - most) / (BURST_PARTS - 1))
    found[np.arange(hours), rng.integers(0, BURST_PARTS, hours)] = most
    return found
