"""Iterations of inference servers against simpy, which takes every step, and against closed forms."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from batch_reference import Reference

from openwafer.diag import DiagnosticError
from openwafer.fleet.simulation import Change, Fleet, Group, Pool, Requests, StepTable, simulate_batches

SERVED = 2


def table(most: int, base: float = 0.008, each: float = 3e-5, context: float = 4e-8) -> StepTable:
    batch = np.arange(most + 1)
    seconds = np.where(batch > 0, base + each * batch, 0.003)
    return StepTable(
        seconds=seconds, context_s=np.where(batch > 0, context, 0.0), watts=3000.0 + 10.0 * batch
    )


def pool(name: str = "a", **changes: Any) -> Pool:
    base = Pool(
        name=name, replicas=3, steps=table(32), prompt_token_s=4e-5, prompt_pair_s=1e-9,
        room_tokens=20_000, step_tokens=512, rule="round-robin", delay_s=0.02,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def traffic(count: int, rate: float, seed: int, groups: int = 1) -> Requests:
    rng = np.random.default_rng(seed)
    return Requests(
        arrival_s=np.cumsum(rng.exponential(1 / rate, count)),
        prompt=rng.integers(1, 1500, count),
        output=rng.integers(1, 200, count),
        group=rng.integers(0, groups, count),
    )


def one(pool: Pool, *pools: Pool, changes: tuple[Change, ...] = ()) -> Fleet:
    group = Group(name="g", routes=((pool.name, 1.0),))
    return Fleet(pools=(pool, *pools), groups=(group,), changes=changes)


OUTAGES = tuple(
    Change(at, kind, name, replica)
    for name, replica, start, end in [("a", 0, 5.0, 9.0), ("a", 1, 7.3, 8.1), ("a", 0, 7.0, 12.0)]
    for at, kind in ((start, "down"), (end, "up"))
)
DRAINED = (Change(3.0, "drain", "a", 2), Change(11.0, "open", "a", 2))
SPLIT = pool("a", role="prefill", decode_pool="d", transfer_s=0.001, transfer_token_s=2e-6)
CASES = {
    "usual": (one(pool()), traffic(1500, 25.0, 1)),
    "cache that is too small": (one(pool(room_tokens=3000)), traffic(1200, 30.0, 2)),
    "room for the answer": (one(pool(room_tokens=4000, reserves=True)), traffic(1200, 30.0, 3)),
    "small steps": (one(pool(step_tokens=40)), traffic(800, 12.0, 4)),
    "prefill and decode apart": (one(SPLIT, pool("d", replicas=2)), traffic(1500, 25.0, 5)),
    "decode with little room": (one(SPLIT, pool("d", room_tokens=2500)), traffic(1000, 25.0, 6)),
    "outages": (one(pool(), changes=OUTAGES), traffic(800, 25.0, 7)),
    "drained": (one(pool(), changes=DRAINED), traffic(800, 25.0, 8)),
    "outages of a prefill pool": (one(SPLIT, pool("d"), changes=OUTAGES), traffic(800, 25.0, 9)),
    "levels": (
        Fleet(
            pools=(pool(room_tokens=5000),),
            groups=tuple(Group(name=str(k), routes=(("a", 1.0),), level=k) for k in range(3)),
        ),
        traffic(1200, 28.0, 10, groups=3),
    ),
}


def conversations(count: int, turns: int, rate: float, seed: int) -> Requests:
    """Each turn repeats the prompt and the answer of the one before and adds some tokens."""
    rng = np.random.default_rng(seed)
    total = count * turns
    output, added = rng.integers(1, 100, total), rng.integers(1, 200, total)
    first = np.arange(total) % turns == 0
    prompt, cached = np.empty(total, np.int64), np.zeros(total, np.int64)
    for i in range(total):
        cached[i] = 0 if first[i] else prompt[i - 1] + output[i - 1]
        prompt[i] = cached[i] + added[i]
    arrival = np.full(total, np.nan)
    arrival[first] = np.cumsum(rng.exponential(1 / rate, count))
    then = np.where(np.arange(total) % turns == turns - 1, -1, np.arange(total) + 1)
    return Requests(
        arrival_s=arrival, prompt=prompt, output=output, group=np.zeros(total, np.int64),
        think_s=rng.exponential(2.0, total), cached=cached, session=np.arange(total) // turns, then=then,
    )  # fmt: skip


CASES["conversations"] = one(pool(keep_s=4.0)), conversations(250, 4, 5.0, 11)
CASES["conversations that move"] = (
    one(pool(keep_s=4.0, affinity_waiting=1), changes=OUTAGES),
    conversations(250, 4, 8.0, 12),
)


@pytest.mark.parametrize("case", CASES)
def test_every_request_as_simpy_has_it(case: str) -> None:
    fleet, requests = CASES[case]
    run, reference = simulate_batches(fleet, requests), Reference(fleet, requests)
    reference.run()
    assert (run.requests["status"] == SERVED).all()
    for name in ("arrival_s", "first_s", "end_s"):
        expected = np.array([getattr(q, name) for q in reference.asked])
        np.testing.assert_allclose(run.requests[name], expected, rtol=0, atol=1e-7, err_msg=name)
    np.testing.assert_array_equal(run.requests["moves"], [q.moves for q in reference.asked])


def test_cases_reach_what_they_are_for() -> None:
    moves = {name: simulate_batches(*CASES[name]).requests["moves"].sum() for name in CASES}
    assert moves["usual"] == 0 < min(moves["cache that is too small"], moves["outages"])
    reused = {name: simulate_batches(*CASES[name]).meter[0, 0, 4] for name in CASES}
    assert reused["usual"] == 0 < reused["conversations that move"] < reused["conversations"]


def test_tokens_and_energy_are_metered() -> None:
    fleet, requests = CASES["usual"]
    run = simulate_batches(fleet, requests, period_s=1.0, periods=500)
    busy, energy, output, prompt, reused = run.meter[0].sum(axis=0)
    assert output == requests.output.sum()
    assert prompt == requests.prompt.sum()
    assert reused == 0
    assert run.meter[0, :, 0].max() <= 3.0 + 1e-9
    assert 0 < busy < 3 * run.end_s
    assert energy < busy * fleet.pools[0].steps.watts.max()


def test_one_request_alone() -> None:
    """First token: prompt + delay; each further one: base + context · tokens seen."""
    p = pool(step_tokens=4096)
    requests = Requests(
        arrival_s=np.array([1.0]), prompt=np.array([1000]), output=np.array([11]), group=np.array([0])
    )
    run = simulate_batches(one(p), requests)
    first = 1.0 + 0.003 + 1000 * (4e-5 + 1e-9 * 500) + 0.02
    assert run.requests["first_s"][0] == pytest.approx(first, rel=1e-12)
    steps = 10 * (0.008 + 3e-5) + 4e-8 * sum(range(1000, 1010))
    assert run.requests["end_s"][0] == pytest.approx(first + steps, rel=1e-12)


def test_a_batch_of_one_is_m_d_1() -> None:
    """With one sequence at a time and answers of one token, a replica is an M/D/1 queue."""
    count, service, busy = 1_000_000, 0.003 + 100 * 4e-5, 0.6
    p = pool(replicas=1, steps=table(1), prompt_pair_s=0.0, delay_s=0.0)
    rng = np.random.default_rng(1)
    arrival = np.cumsum(rng.exponential(service / busy, count))
    ones = np.ones(count, np.int64)
    # step_tokens = 100 keeps a step to one prompt.
    p = dataclasses.replace(p, step_tokens=100)
    requests = Requests(arrival_s=arrival, prompt=100 * ones, output=ones, group=0 * ones)
    wait = (simulate_batches(one(p), requests).requests["first_s"] - arrival).mean() - service
    assert wait == pytest.approx(busy * service / 2 / (1 - busy), rel=0.01)


def test_what_cannot_fit_is_told_apart() -> None:
    requests = Requests(
        arrival_s=np.zeros(2), prompt=np.array([10, 900]), output=np.array([5, 200]), group=np.zeros(2, int)
    )
    assert simulate_batches(one(pool(room_tokens=1000)), requests).requests["status"].tolist() == [2, 4]


def test_refused_where_all_are_down_or_full() -> None:
    down = tuple(Change(0.0, "down", "a", k) for k in range(3))
    requests = dataclasses.replace(traffic(20, 5.0, 1), arrival_s=np.arange(1.0, 21.0))
    assert (simulate_batches(one(pool(), changes=down), requests).requests["status"] == 3).all()
    crowd = Fleet(
        pools=(pool(room_tokens=2000),), groups=(Group(name="g", routes=(("a", 1),), most_waiting=2),)
    )
    status = simulate_batches(crowd, traffic(500, 400.0, 1)).requests["status"]
    assert 0 < (status == 3).sum() < 500 and ((status == 2) | (status == 3)).all()


def test_held_until_there_is_room_and_shed_after_their_time() -> None:
    changes = tuple(
        Change(at, kind, "a", k) for k in range(3) for at, kind in ((0.0, "drain"), (50.0, "open"))
    )
    group = Group(name="flex", routes=(("a", 1.0),), level=2, most_waiting=1, most_held_s=30.0)
    fleet = Fleet(pools=(pool(),), groups=(group,), changes=changes)
    requests = dataclasses.replace(traffic(100, 5.0, 1), arrival_s=0.25 + np.arange(100) * 0.5)
    found = simulate_batches(fleet, requests).requests
    late = found["arrival_s"] >= 20.0
    assert (found["status"][late] == 2).all() and (found["first_s"][late] > 50.0).all()
    assert (found["status"][~late] == 6).all()


def test_shares_of_routes_by_period() -> None:
    pools = (pool("a"), pool("b"))
    shares = np.array([[0.25, 0.75], [1.0, 0.0]])
    group = Group(name="g", routes=(("a", 0.25), ("b", 0.75)), shares=shares)
    requests = traffic(8000, 40.0, 1)
    run = simulate_batches(Fleet(pools=pools, groups=(group,)), requests, period_s=100.0, periods=2)
    early = requests.arrival_s < 100.0
    assert run.requests["pool"][early].mean() == pytest.approx(0.75, abs=0.03)
    assert (run.requests["pool"][~early] == 0).all()


def test_the_least_loaded_replica_shortens_the_tail() -> None:
    requests, slow = traffic(20_000, 130.0, 3), dict[str, float]()
    rules: tuple[Any, ...] = ("round-robin", "two-choices", "least")
    for rule in rules:
        found = simulate_batches(one(pool(replicas=12, rule=rule)), requests).requests
        slow[rule] = float(np.quantile(found["first_s"] - found["arrival_s"], 0.99))
        counts = np.bincount(found["replica"], minlength=12)
        assert counts == pytest.approx(np.full(12, 20_000 / 12), rel=0.15)
    assert slow["least"] < 0.9 * min(slow["round-robin"], slow["two-choices"])


def test_the_same_seed_gives_the_same_run() -> None:
    fleet, requests = one(pool(rule="two-choices", replicas=5)), traffic(3000, 40.0, 4)
    first, again, other = (simulate_batches(fleet, requests, seed=seed).requests for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize(
    ("fleet", "text"),
    [
        (one(pool(room_tokens=0)), "room for tokens"),
        (one(pool(decode_pool="d")), "a prefill pool, and no other"),
        (one(pool(role="prefill", decode_pool="x")), "no pool `x`"),
        (Fleet(pools=(pool(),), groups=(Group(name="g", routes=(("b", 1.0),)),)), "no pool `b`"),
        (Fleet(pools=(pool(),), groups=(Group(name="g", routes=(("a", 0.0),)),)), "shares are all zero"),
        (one(pool(), changes=(Change(1.0, "down", "a", 3),)), "no replica 3"),
    ],
)
def test_bad_fleets(fleet: Fleet, text: str) -> None:
    with pytest.raises(DiagnosticError, match=text):
        simulate_batches(fleet, traffic(3, 1.0, 1))


def test_what_all_prompts_share_is_not_read_again() -> None:
    requests = traffic(300, 5.0, 1)
    shared = dataclasses.replace(requests, shared=np.minimum(requests.prompt - 1, 400))
    plain, less = (simulate_batches(one(pool()), given) for given in (requests, shared))
    assert less.meter[0, 0, 3] == (requests.prompt - np.minimum(requests.prompt - 1, 400)).sum()
    assert less.meter[0, 0, 3] + less.meter[0, 0, 4] == plain.meter[0, 0, 3] == requests.prompt.sum()
    assert less.requests["first_s"].sum() < plain.requests["first_s"].sum()
