"""Decisions: classes are kept or refused, keys get their share, what fails goes on elsewhere."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
from router_kit import Bench

from openwafer.diag import DiagnosticError
from openwafer.serve import load_policy
from openwafer.serve.core._job import Job, Limit
from openwafer.serve.router._breaker import Breaker
from openwafer.serve.router._queue import FairQueue

BOTH = {"wafers": "cs3", "gpus": "h100"}


def policy_of(tmp_path: Path, text: str):
    path = tmp_path / "router.toml"
    path.write_text(text, "utf-8")
    return load_policy(path)


def test_a_class_is_a_constraint_and_cost_the_objective() -> None:
    bench = Bench(BOTH)
    quick = bench.add(0.0, "quick", tier="ultrafast")
    cheap = bench.add(5.0, "cheap", tier="default")
    bench.run()
    assert (quick.backend, cheap.backend) == ("wafers", "gpus")
    why = {c.backend: c.why_not for c in quick.candidates}
    assert why["wafers"] == "" and "a token takes" in why["gpus"]
    assert {c.backend: c.why_not for c in cheap.candidates} == {"wafers": "costs more", "gpus": ""}


def test_no_class_is_replaced_by_another() -> None:
    bench = Bench({"gpus": "h100"})
    job = bench.add(0.0, tier="ultrafast")
    bench.run()
    assert job.finish == "error:tier_unavailable" and job.tier == "ultrafast" and not job.tried


def test_energy_can_be_the_objective(tmp_path: Path) -> None:
    for objective, wanted in (("usd = 0\njoules = 1.0", "gpus"), ("usd = 0\nseconds = 1.0", "wafers")):
        bench = Bench(BOTH, policy_of(tmp_path, f"[objective]\n{objective}\n"))
        job = bench.add(0.0, known_tokens=100)
        bench.run()
        assert job.backend == wanted


def test_what_does_not_fit_waits_and_what_never_fits_is_told() -> None:
    bench = Bench({"wafers": "cs3"}, slots=2)
    jobs = [bench.add(0.0, f"{i}", known_tokens=2000) for i in range(3)]
    long = bench.add(0.0, "long", prompt=200_000)
    unknown = Job("x", "other", 10, known_tokens=1)
    bench.clock.at(0.0, lambda: bench.router.submit(unknown))
    bench.run()
    assert [j.finish for j in jobs] == ["length"] * 3
    assert jobs[2].started_s == min(j.ended_s for j in jobs[:2])
    assert long.finish == "error:context_length_exceeded" and unknown.finish == "error:model_not_found"


def test_who_waits_too_long_is_refused() -> None:
    bench = Bench({"wafers": "cs3"}, slots=1)
    bench.add(0.0, "first", known_tokens=50_000)
    late = bench.add(0.0, "late", limit=Limit(wait_s=0.5))
    bench.run()
    assert late.finish == "error:tier_unavailable" and late.ended_s == 0.5


def test_keys_share_what_there_is() -> None:
    """A key that asks for a lot does not keep another one waiting."""
    bench = Bench({"wafers": "cs3"}, slots=1)
    limit = Limit()
    many = [bench.add(0.0, f"a{i}", key="a", limit=limit, known_tokens=200) for i in range(20)]
    few = [bench.add(0.001, f"b{i}", key="b", limit=limit, known_tokens=200) for i in range(3)]
    bench.run()
    order = [id for _, what, id in bench.told if what == "started"]
    assert {order.index(job.id) for job in few} <= set(range(8))
    assert all(job.finish == "length" for job in many + few)


def test_fair_queue_order() -> None:
    queue = FairQueue()
    jobs = [Job(f"{key}{i}", "m", 100, key=key) for key in "ab" for i in range(3)]
    for job in jobs:
        queue.push(job)
    taken = []
    while queue:
        head = queue.heads()[0]
        queue.take(head)
        taken.append(head.id)
    assert taken == ["a0", "b0", "a1", "b1", "a2", "b2"] and len(queue) == 0


@pytest.mark.parametrize("moment", [i / 100 for i in range(50)])
def test_an_answer_goes_on_elsewhere(moment: float) -> None:
    """All tokens come once, whenever its backend is lost."""
    bench = Bench({"one": "cs3", "two": "cs3"})
    jobs = [bench.add(0.0, f"{i}", known_tokens=300) for i in range(10)]
    bench.clock.at(moment, lambda: bench.router.kill("one"))
    bench.run()
    assert all(j.finish == "length" and j.generated == 300 for j in jobs)
    assert Counter(j.backend for j in jobs if "two" in j.tried)["two"] == sum("two" in j.tried for j in jobs)
    assert bench.router.waiting == 0 and not bench.router.running


def test_a_drained_backend_ends_what_it_has() -> None:
    bench = Bench({"one": "cs3", "two": "h100"})
    before = bench.add(0.0, "before", tier="ultrafast", known_tokens=500)
    bench.clock.at(0.01, lambda: bench.router.drain("one"))
    after = bench.add(0.02, "after", tier="ultrafast")
    bench.clock.at(0.3, lambda: bench.router.resume("one"))
    bench.run()
    assert before.finish == after.finish == "length" and before.tried == ["one"]
    assert after.started_s == 0.3


def test_a_breaker_opens_tries_and_closes() -> None:
    breaker = Breaker(2, 10.0)
    for now in (0.0, 1.0):
        breaker.started()
        breaker.fail(now, None)
    assert breaker.refuses(5.0) and not breaker.refuses(11.0)
    breaker.started()
    assert breaker.refuses(11.0), "one trial at a time"
    breaker.succeeded()
    assert not breaker.refuses(11.0) and (breaker.attempts, breaker.failed) == (3, 2)
    breaker.started()
    breaker.fail(20.0, 7.5)
    assert breaker.refuses(27.0) and not breaker.refuses(27.5)


def test_flexible_answers_give_way_to_a_power_cap(tmp_path: Path) -> None:
    """They go on when there is power again, and lose nothing."""
    policy = policy_of(tmp_path, "[power]\ncap_w = 27000.0\n")
    bench = Bench({"one": "cs3"}, policy)
    flex = bench.add(0.0, "flex", tier="flex", known_tokens=2000)
    others = [bench.add(0.1, f"o{i}", known_tokens=400) for i in range(200)]
    bench.run()
    assert flex.finish == "length" and flex.generated == 2000 and all(j.finish == "length" for j in others)
    moves = [what for _, what, id in bench.told if id == "flex"]
    assert moves.count("started") > 1 and "queued" in moves
    plain = Bench({"one": "cs3"}, policy_of(tmp_path, "[power]\ncap_w = 1.0\n"))
    never = plain.add(0.0, tier="flex", limit=Limit(wait_s=5.0))
    plain.run()
    assert never.finish == "error:tier_unavailable" and "power cap" in never.candidates[0].why_not


def test_the_same_requests_give_the_same_decisions() -> None:
    told = []
    for _ in range(2):
        bench = Bench(BOTH, slots=3)
        for i in range(200):
            tier = ("ultrafast", "default", "flex")[i % 3]
            bench.add(
                i * 0.01, f"{i}", tier=tier, key=str(i % 5), known_tokens=20 + i, prompt=1 + 37 * i % 900
            )
        bench.run()
        told.append(bench.told)
    assert told[0] == told[1] and len(told[0]) >= 600


@pytest.mark.parametrize(
    "text, words",
    [("[objectiv]\nusd = 1\n", "objective"), ("[tier.fast]\nwait_s = 1\n", "no tier `fast`"),
     ("[tier.flex]\nwait = 1\n", "wait"), ("[power]\ncap_w = -1\n", "cap_w"), ("[power\n", "not valid TOML")],
)  # fmt: skip
def test_policies_that_are_wrong(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DiagnosticError) as failure:
        policy_of(tmp_path, text)
    found = failure.value.diagnostics[0]
    assert found.id == "policy-invalid" and words in f"{found.message} {found.help}"


def test_a_policy_changes_what_it_names(tmp_path: Path) -> None:
    found, default = policy_of(tmp_path, "[tier.priority]\ntoken_s = 0.5\n"), load_policy()
    assert found.limits["priority"].token_s == 0.5
    assert found.limits["priority"].first_s == default.limits["priority"].first_s
    assert default.power_cap_w == math.inf and default.limits["flex"].token_s == math.inf
