"""Failures, planned stops and power: the availability that was asked for comes out."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from openwafer.fleet.simulation import Change, Stock, limited, outages, reliability, site_outages

DAY_S = 86_400.0


def down_part(changes: list[Change], replicas: int, until_s: float) -> float:
    """Part of the replicas' time that they are down."""
    total = 0.0
    by_replica: dict[int, list[Change]] = defaultdict(list)
    for change in changes:
        by_replica[change.replica].append(change)
    for found in by_replica.values():
        depth, since = 0, 0.0
        for change in sorted(found, key=lambda c: c.at_s):
            if change.kind == "down":
                since = change.at_s if depth == 0 else since
                depth += 1
            elif change.kind == "up":
                depth -= 1
                total += change.at_s - since if depth == 0 else 0.0
        total += until_s - since if depth else 0.0
    return total / replicas / until_s


def test_without_spares_the_time_down_is_that_of_the_systems() -> None:
    """A loss every up / λ, then the repair and the loading: λ (T + swap) / (1 + λ (T + swap))."""
    facts = reliability()
    stock = Stock(pool="a", replicas=400, systems=1.0, spares=0, availability=0.97)
    found = down_part(outages(stock, 30 * DAY_S, facts, np.random.default_rng(1)), 400, 30 * DAY_S)
    fails, stops = facts.rates(0.97)
    each = fails * (facts.repair_s + facts.swap_s) + stops * (facts.maintenance_s + facts.swap_s)
    assert found == pytest.approx(each / (1 + each), rel=0.05)
    assert found == pytest.approx(0.03, rel=0.1)


def test_spares_leave_only_the_time_to_load() -> None:
    stock = Stock(pool="a", replicas=50, systems=8.0, spares=40, availability=0.97)
    facts = reliability()
    found = down_part(outages(stock, 30 * DAY_S, facts, np.random.default_rng(2)), 50, 30 * DAY_S)
    assert found == pytest.approx(8 * sum(facts.rates(0.97)) * facts.swap_s, rel=0.1)


def test_replicas_of_one_system_go_down_together() -> None:
    stock = Stock(pool="a", replicas=10, systems=0.25, spares=0, availability=0.9)
    assert stock.together == 4 and stock.bases == 3
    changes = outages(stock, 10 * DAY_S, reliability(), np.random.default_rng(3))
    times = defaultdict[float, set[int]](set)
    for change in changes:
        if change.kind == "down":
            times[change.at_s].add(change.replica)
    assert set(map(frozenset, times.values())) <= {
        frozenset({0, 1, 2, 3}), frozenset({4, 5, 6, 7}), frozenset({8, 9}), frozenset(range(8)),
        frozenset({*range(4), 8, 9}), frozenset({*range(4, 10)}), frozenset(range(10)),
    }  # fmt: skip


def test_planned_stops_drain_first() -> None:
    stock = Stock(pool="a", replicas=100, systems=1.0, spares=5, availability=0.95)
    changes = outages(stock, 5 * DAY_S, reliability(), np.random.default_rng(4))
    kinds = {kind: sum(c.kind == kind for c in changes) for kind in ("down", "up", "drain", "open")}
    assert 0 < kinds["open"] <= kinds["drain"] < kinds["down"] and kinds["up"] <= kinds["down"]


def test_sites_go_dark_as_often_as_stated() -> None:
    facts, year = reliability(), 365.25 * DAY_S
    spans = [s for k in range(300) for s in site_outages(year, facts, np.random.default_rng(k))]
    assert len(spans) / 300 == pytest.approx(facts.site_rate * year, rel=0.15)


def test_hours_with_fewer_replicas() -> None:
    changes = limited("a", np.array([3, 1, 1, 4]), 4, 100.0)
    assert [(c.at_s, c.kind, c.replica) for c in changes] == [
        (0.0, "drain", 3), (100.0, "drain", 1), (100.0, "drain", 2),
        (300.0, "open", 1), (300.0, "open", 2), (300.0, "open", 3),
    ]  # fmt: skip
