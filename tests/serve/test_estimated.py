"""Estimated backends against closed forms, and against energy that is neither lost nor made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_kit import Bench, deployed

from openwafer.serve.backends._prefixes import Prefixes
from openwafer.serve.core._job import Limit, blocks_of


def test_a_request_alone_takes_its_prompt_and_its_steps() -> None:
    bench = Bench({"w": "cs3"})
    job = bench.add(1.0, prompt=500, known_tokens=101)
    bench.run()
    found = deployed("llama-3.1-8b", "cs3", 1)
    replica = bench.backends["w"].replicas[0]
    table = replica._rates.table  # pyright: ignore[reportPrivateUsage]
    whole, _ = table.prompt(500)
    step, watts = table.step(1, 500 + 101 / 2)
    assert job.first_s == pytest.approx(1.0 + whole + found.first_s, rel=1e-12)
    assert job.ended_s - job.first_s == pytest.approx(100 * step, rel=1e-9)
    assert job.joules == pytest.approx(
        table.prompt(500)[1] * found.prompt_watts + 100 * step * watts, rel=1e-9
    )


def test_two_that_write_together_share_the_energy_of_their_steps() -> None:
    bench = Bench({"w": "cs3"})
    one, two = (bench.add(0.0, f"{i}", prompt=64, known_tokens=1001) for i in range(2))
    bench.run()
    alone = Bench({"w": "cs3"})
    job = alone.add(0.0, prompt=64, known_tokens=1001)
    alone.run()
    assert one.joules == pytest.approx(two.joules, rel=0.02) and one.joules < 0.6 * job.joules


@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.integers(1, 4000), st.integers(1, 400), st.sampled_from(("default",
        "flex"))), min_size=1, max_size=40,
    )
)  # fmt: skip
def test_energy_is_somebodys_or_idle(traffic: list[tuple[float, int, int, str]]) -> None:
    bench = Bench({"w": "cs3", "g": "h100"})
    jobs = [
        bench.add(at, f"{i}", prompt=p, known_tokens=n, tier=t, limit=Limit())
        for i, (at, p, n, t) in enumerate(traffic)
    ]
    bench.run()
    replicas = [r for b in bench.backends.values() for r in b.replicas]
    for replica in replicas:
        replica._advance()  # pyright: ignore[reportPrivateUsage]
        assert not replica.runs and replica.reserved == pytest.approx(0, abs=1e-6)
    whole = sum(r.joules for r in replicas)
    assert sum(j.joules for j in jobs) + sum(r.idle_joules for r in replicas) == pytest.approx(
        whole, rel=1e-9
    )
    assert all(j.finish == "length" and j.generated == j.known_tokens for j in jobs)
    assert all(j.arrived_s <= j.started_s < j.first_s <= j.ended_s for j in jobs)


def test_a_prefix_is_read_once() -> None:
    bench = Bench({"g": "h100"})
    blocks = tuple(range(20))
    first = bench.add(0.0, prompt=20 * 128 + 10, blocks=blocks)
    second = bench.add(10.0, prompt=20 * 128 + 10, blocks=blocks)
    other = bench.add(20.0, prompt=20 * 128 + 10, blocks=tuple(range(100, 120)))
    bench.run()
    assert (first.cached, second.cached, other.cached) == (0, 20 * 128, 0)
    assert second.first_s - second.arrived_s < first.first_s - first.arrived_s
    assert other.first_s - other.arrived_s == pytest.approx(first.first_s - first.arrived_s)


def test_blocks_of_others_have_other_names() -> None:
    ids = list(range(300))
    mine = blocks_of(ids, "a")
    assert len(mine) == 2 and not set(mine) & set(blocks_of(ids, "b"))
    assert blocks_of([*ids[:200], 7, *ids[201:]], "a")[0] == mine[0]
    assert blocks_of([7, *ids[1:]], "a")[1] != mine[1]


def test_what_was_used_last_is_kept_longest() -> None:
    prefixes = Prefixes(10)
    prefixes.add((1, 2, 3), 60)
    prefixes.add((4, 5), 60)
    prefixes.cached((1,))
    prefixes.add((1, 2), 60)
    prefixes.shrink(40)
    assert prefixes.cached((1, 2, 3)) == 20 and prefixes.cached((4, 5)) == 20
