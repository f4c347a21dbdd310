"""What happens to the replicas of a pool: failures, planned stops, sites that go dark, hours without power.

A replica is made of `systems` systems, or a system of several replicas. Where a system fails, a spare one
takes its place after the weights are loaded; without a spare the replica waits for the repair.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.simulation._inputs import Change, Kind
from openwafer.fleet.simulation._reliability import Reliability

_MEMORY = 8
"""Repair times before the start from which on failures are drawn: the pool begins in its steady state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """`systems` of one replica (a part below 1: a system has several), `spares` beside those in use."""

    pool: str
    replicas: int
    systems: float
    spares: int
    availability: float

    @property
    def together(self) -> int:
        """Replicas that go down with one system."""
        return max(int(1 / self.systems + 1e-9), 1) if self.systems < 1 else 1

    @property
    def bases(self) -> int:
        """What fails as one: replicas of one system or more, or systems with several replicas."""
        return -(-self.replicas // self.together)


def outages(stock: Stock, until_s: float, facts: Reliability, rng: np.random.Generator) -> list[Change]:
    """Failures and planned stops from second 0 on; what is broken then goes down at 0."""
    fails, stops = facts.rates(stock.availability)
    begin = -_MEMORY * max(facts.repair_s, facts.maintenance_s)
    in_use = stock.bases * max(stock.systems, 1.0)
    stream = list(_events(in_use * (fails + stops), fails / max(fails + stops, 1e-300), begin, until_s, rng))
    life = _Life(stock, facts, rng)
    for at, is_failure in stream:
        life.advance(at)
        life.lose(at, is_failure)
    life.advance(until_s)
    return life.changes(until_s)


def _events(
    rate: float, failures: float, begin: float, until: float, rng: np.random.Generator
) -> Iterator[tuple[float, bool]]:
    """Poisson: time, and whether it is a failure or a planned stop."""
    if rate <= 0:
        return
    at = begin + float(rng.exponential(1 / rate))
    while at < until:
        yield at, bool(rng.random() < failures)
        at += float(rng.exponential(1 / rate))


class _Life:
    """The systems of a pool: spares, those in repair, and bases (what fails as one) that wait for one."""

    def __init__(self, stock: Stock, facts: Reliability, rng: np.random.Generator) -> None:
        self.stock, self.facts, self.rng = stock, facts, rng
        self.spares = stock.spares
        self.repairs: list[tuple[float, int]] = []
        self.waiting: list[int] = []
        self.up_at = np.full(stock.bases, -np.inf)
        self.spans: list[tuple[int, float, float, bool]] = []
        self.open: dict[int, tuple[float, bool]] = {}

    def lose(self, at: float, is_failure: bool) -> None:
        """A system of a base that serves is lost; a loss while all are down loses nothing."""
        up = np.flatnonzero(self.up_at <= at)
        if not len(up):
            return
        base = int(self.rng.choice(up))
        repair = self.facts.repair_s if is_failure else self.facts.maintenance_s
        span = float(self.rng.exponential(repair)) if is_failure else repair
        heapq.heappush(self.repairs, (at + span, base))
        self.open[base] = (at, not is_failure)
        self.up_at[base] = np.inf
        self.waiting.append(base)
        self._fill(at)

    def advance(self, at: float) -> None:
        """Repairs that are done until `at`."""
        while self.repairs and self.repairs[0][0] <= at:
            done, _ = heapq.heappop(self.repairs)
            self.spares += 1
            self._fill(done)

    def _fill(self, at: float) -> None:
        while self.waiting and self.spares > 0:
            self.spares -= 1
            self._return(self.waiting.pop(0), at + self.facts.swap_s)

    def _return(self, base: int, at: float) -> None:
        start, is_planned = self.open.pop(base)
        self.up_at[base] = at
        self.spans.append((base, start, at, is_planned))

    def changes(self, until_s: float) -> list[Change]:
        spans = [*self.spans, *((b, start, np.inf, planned) for b, (start, planned) in self.open.items())]
        found: list[Change] = []
        for base, start, end, is_planned in spans:
            if end <= 0 or start >= until_s:
                continue
            for replica in self._replicas(base):
                found += list(self._of(replica, start, end, is_planned, until_s))
        return found

    def _replicas(self, base: int) -> range:
        first = base * self.stock.together
        return range(first, min(first + self.stock.together, self.stock.replicas))

    def _of(self, replica: int, start: float, end: float, planned: bool, until: float) -> Iterator[Change]:
        pool = self.stock.pool
        if planned:
            yield Change(max(start - self.facts.drain_s, 0.0), "drain", pool, replica)
        yield Change(max(start, 0.0), "down", pool, replica)
        if end < until:
            yield Change(end, "up", pool, replica)
            if planned:
                yield Change(end, "open", pool, replica)


def site_outages(until_s: float, facts: Reliability, rng: np.random.Generator) -> list[tuple[float, float]]:
    """From, to: a site without power or links; one that is dark at second 0 included."""
    found: list[tuple[float, float]] = []
    for at, _ in _events(facts.site_rate, 1.0, -_MEMORY * facts.site_repair_s, until_s, rng):
        end = at + float(rng.exponential(facts.site_repair_s))
        if end > 0:
            found.append((max(at, 0.0), end))
    return found


def dark(pool: str, replicas: int, spans: Sequence[tuple[float, float]]) -> list[Change]:
    """All replicas of a pool are down in these spans."""
    return [
        Change(at, kind, pool, replica)
        for start, end in spans
        for replica in range(replicas)
        for at, kind in _down_and_up(start, end)
    ]


def _down_and_up(start: float, end: float) -> tuple[tuple[float, Kind], tuple[float, Kind]]:
    return (start, "down"), (end, "up")


def limited(pool: str, counts: NDArray[np.int64], replicas: int, hour_s: float) -> list[Change]:
    """In each hour only `counts` of the replicas take requests: power caps, and systems that other classes
    have. The others finish what they have."""
    found: list[Change] = []
    before = replicas
    for hour, count in enumerate(counts.tolist()):
        at = hour * hour_s
        found += [Change(at, "drain", pool, k) for k in range(count, before)]
        found += [Change(at, "open", pool, k) for k in range(before, count)]
        before = count
    return found
