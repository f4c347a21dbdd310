"""Waiting for a free slot: Erlang C, and Allen and Cunneen's correction for arrivals and lengths that vary
more or
less than exponentially."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MOST_SLOTS = 20_000
"""Larger pools are computed as this one, which waits longer."""
MOST_BUSY = 0.98
"""No pool is planned fuller, whatever the formula says."""
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Pool:
    """`slots` requests are served at once, each `service_s` in the mean; `gap_cv`, `length_cv`: deviation
    over
    mean of the gaps between arrivals and of the service times."""

    slots: float
    service_s: float
    gap_cv: float = 1.0
    length_cv: float = 1.0

    @property
    def variation(self) -> float:
        """1 for Poisson arrivals and exponential service."""
        return (self.gap_cv**2 + self.length_cv**2) / 2


def waits(slots: float, busy: float) -> float:
    """Erlang C: the probability that an arriving request waits, with `busy` of the slots in use."""
    count = max(int(min(slots, MOST_SLOTS)), 1)
    if busy >= 1:
        return 1.0
    if busy <= 0:
        return 0.0
    load = busy * count
    ratios = np.log(np.arange(count, 0, -1) / load)
    blocked = 1 / (1 + float(np.exp(np.minimum(np.cumsum(ratios), 600.0)).sum()))
    return blocked / (1 - busy + busy * blocked)


def mean_wait_s(pool: Pool, busy: float) -> float:
    """Seconds until a slot is free, in the mean."""
    if busy >= 1:
        return math.inf
    count = max(int(min(pool.slots, MOST_SLOTS)), 1)
    return waits(pool.slots, busy) * pool.service_s / (count * (1 - busy)) * pool.variation


def tail_wait_s(pool: Pool, busy: float, part: float = 0.01) -> float:
    """What `part` of the requests wait longer than; the tail is exponential."""
    if busy >= 1:
        return math.inf
    chance = waits(pool.slots, busy)
    if chance <= part:
        return 0.0
    count = max(int(min(pool.slots, MOST_SLOTS)), 1)
    return math.log(chance / part) * pool.service_s / (count * (1 - busy)) * pool.variation


def most_busy(pool: Pool, most_wait_s: float) -> float:
    """The part of the slots that may be in use so that 99 % wait at most so long; 0 if nothing helps."""
    if most_wait_s < 0:
        return 0.0
    low, high = 0.0, MOST_BUSY
    if tail_wait_s(pool, high) <= most_wait_s:
        return high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if tail_wait_s(pool, middle) <= most_wait_s else (low, middle)
    return low
