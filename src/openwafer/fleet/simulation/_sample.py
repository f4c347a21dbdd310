"""A sample of a class: some replicas of each slot, for a part of each hour, with their traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.simulation._allot import Slot

HOUR_PARTS_S = (3600.0, 1200.0, 600.0, 300.0, 120.0, 60.0, 30.0)
"""Of each hour, the longest that is affordable is simulated."""
LEAST_REPLICAS = 4
MOST_REPLICAS = 1024
"""Of a slot."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sampled:
    """`decode`, `prefill`: replicas by hour in the sample, of those of `slot`."""

    slot: Slot
    decode: NDArray[np.int64]
    prefill: NDArray[np.int64]

    @property
    def replicas(self) -> int:
        return int(self.decode.max())

    @property
    def is_whole(self) -> bool:
        return self.replicas == self.slot.most

    @property
    def part(self) -> NDArray[np.float64]:
        """By hour, of the slot's replicas; of an hour without any, that of all hours."""
        whole = self.slot.decode
        return np.where(whole > 0, self.decode / np.maximum(whole, 1), self.replicas / self.slot.most)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """`hour_s`: seconds of each hour that are simulated; `is_even`: whether requests of an hour may be served
    in another, so that all hours have the same part."""

    slots: tuple[Sampled, ...]
    hour_s: float
    is_even: bool = False

    @property
    def part(self) -> NDArray[np.float64]:
        """By hour, of the class's requests."""
        share = np.stack([one.slot.share for one in self.slots])
        tokens = np.stack([one.slot.tokens for one in self.slots])
        parts = np.stack([one.part for one in self.slots])
        mean = float((tokens * parts).sum() / max(float(tokens.sum()), 1e-300))
        total = share.sum(axis=0)
        each = np.where(total > 0, (share * parts).sum(axis=0) / np.maximum(total, 1e-300), mean)
        return np.full_like(each, mean) if self.is_even else each


def sample(slots: Sequence[Slot], requests_per_s: float, budget: float, is_even: bool = False) -> Sample:
    """The longest hours, then the most replicas, with about `budget` requests in a day of this rate."""
    least = [_of(slot, _round_number(slot, LEAST_REPLICAS)) for slot in slots]
    part = float(Sample(slots=tuple(least), hour_s=1.0, is_even=is_even).part.mean())
    affordable = budget / max(requests_per_s * part * 24, 1e-300)
    hour_s = next((s for s in HOUR_PARTS_S if s <= affordable), HOUR_PARTS_S[-1])
    more = max(affordable / hour_s, 1.0)
    most = min(int(LEAST_REPLICAS * more), MOST_REPLICAS)
    found = [_of(slot, _round_number(slot, most)) for slot in slots]
    return Sample(slots=tuple(found), hour_s=hour_s, is_even=is_even)


def _round_number(slot: Slot, least: int) -> int:
    """As many replicas, up to three times as many, of which the groups for prompts are nearly a whole
    number."""
    if not slot.prefill.any() or slot.most <= least:
        return least
    each = float(slot.prefill.max()) / slot.most

    def off(count: int) -> float:
        return round(abs(count * each - max(round(count * each), 1)) / count, 3)

    return min(range(least, 3 * least + 1), key=lambda count: (off(count), count))


def _of(slot: Slot, most: int) -> Sampled:
    """`most` replicas of a slot's busiest hour, and in proportion in the others, one where it has any."""
    if slot.most <= most:
        return Sampled(slot=slot, decode=slot.decode, prefill=slot.prefill)
    decode = np.rint(slot.decode * most / slot.most).astype(np.int64)
    decode = np.where(slot.decode > 0, np.maximum(decode, 1), 0)
    scaled = slot.prefill * decode / np.maximum(slot.decode, 1)
    prefill = np.where(slot.prefill > 0, np.maximum(np.rint(scaled), 1), 0).astype(np.int64)
    return Sampled(slot=slot, decode=decode, prefill=prefill)
