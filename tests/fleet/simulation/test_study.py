"""Days of a plan: whole replicas, promises, the same bytes however they are computed."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from openwafer.diag import DiagnosticError, Source
from openwafer.fleet import Fleet, Plan, prepare, read_fleet, size
from openwafer.fleet.simulation import (
    Curtailment,
    Darkness,
    Requests,
    Study,
    UnitResult,
    allot,
    hours_of_blocks,
    refusal,
    report,
    run_study,
)

EXAMPLES = Path(__file__).parents[3] / "examples" / "fleet"
SERVED, FIRST, SPEED = range(3)


def small_fleet(hours: str = "") -> Fleet:
    """The example of 1 MW with a tenth of its traffic and a small model."""
    text = (EXAMPLES / "1mw.toml").read_text("utf-8")
    for old, new in (
        ("value = 50_000", "value = 5_000"),
        ("value = 10_000", "value = 1_000"),
        ("gpt-oss-120b", "llama-3.1-8b"),
    ):
        assert old in text
        text = text.replace(old, new)
    return read_fleet(Source("fleet.toml", text.replace("[workloads.code]\n", f"[workloads.code]\n{hours}")))


@cache
def small_plan() -> Plan:
    return size(prepare(small_fleet()))


def study(**changes: object) -> Study:
    given = {"plan": small_plan(), "days": 1, "budget": 10_000.0, "seed": 3} | changes
    return Study(**given)  # type: ignore[arg-type]


def data(results: list[UnitResult]) -> list[bytes]:
    return [msgspec.json.encode(result) for result in results]


@cache
def once() -> tuple[UnitResult, ...]:
    return tuple(run_study(study()))


def test_replicas_are_whole_and_take_no_more_systems_than_stand() -> None:
    plan = small_plan()
    p = plan.problem
    for quarter in range(p.quarters):
        used = np.zeros((len(p.sites), len(p.systems), 24))
        for slots in allot(plan, quarter).values():
            for slot in slots:
                each = slot.layout.group / {"b200": 8, "cs3": 1}[slot.mode.system]
                at = p.sites.index(slot.site), p.systems.index(slot.mode.system)
                used[at] += (slot.decode * slot.layout.pipes + slot.prefill) * each
                assert (slot.prefill.max() > 0) == (slot.layout.prompts > 0)
        assert (used <= plan.systems[:, :, quarter, None] + 1e-9).all()
        assert used.sum() > 0


def test_blocks_of_hours_are_those_of_the_plan() -> None:
    factors = ", ".join(str(1 + 0.5 * np.sin(k)) for k in range(24))
    fleet = small_fleet(
        f'by_hour = {{ value = [{factors}], unit = "1", source = "x", status = "assumed" }}\n'
    )
    p = prepare(fleet)
    block = hours_of_blocks(fleet, p.hours.tolist())
    hours = fleet.workloads["code"].by_hour
    assert hours is not None
    values = np.array(hours.numbers) / np.mean(hours.numbers)
    w = p.workloads.index("code")
    assert [values[block == b].mean() for b in range(p.blocks)] == pytest.approx(p.mean[w])


def test_a_sampled_day_serves_what_is_asked() -> None:
    chat, code = sorted(once(), key=lambda r: r.workload)
    for result, rate in ((chat, 5000), (code, 1000)):
        growth = 1.5 ** ((7 + 0.5) / 4)
        assert result.outcome.asked_tokens == pytest.approx(rate * growth * 86_400, rel=0.1)
        assert result.outcome.served_tokens <= result.outcome.asked_tokens
        assert 0 < result.outcome.first.p50 <= result.outcome.first.p90 <= result.outcome.first.p99
        assert all(len(energy.joules) == 24 and min(energy.joules) >= 0 for energy in result.energy)


def test_one_and_two_processes_give_the_same_bytes() -> None:
    assert data(run_study(study(), processes=2)) == data(list(once()))


def test_a_run_that_was_killed_goes_on_with_the_same_bytes(tmp_path: Path) -> None:
    parts = tmp_path / "parts"

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(study(), parts=parts, progress=stop)
    seen: list[int] = []

    def again(**changes: object) -> list[bytes]:
        seen.clear()
        return data(run_study(study(**changes), parts=parts, progress=lambda done, _: seen.append(done)))

    assert again() == data(list(once())) and seen == [1, 2]
    for path in parts.glob("*.part"):
        path.write_bytes(path.read_bytes()[:-3] + b"x}]")
    assert again() == data(list(once())) and seen == [0, 1, 2]
    assert again(seed=4) != data(list(once())) and seen[0] == 0


def served(results: list[UnitResult], workload: str) -> float:
    out = next(r.outcome for r in results if r.workload == workload)
    return out.served_tokens / out.asked_tokens


def test_a_plan_with_half_its_systems_is_refused() -> None:
    plan = small_plan()
    poor = study(plan=dataclasses.replace(plan, systems=plan.systems // 2), demand=2.0)
    found = report(poor, run_study(poor))
    refused = refusal(poor, found)
    assert refused is not None and refused.id == "fleet-fails-simulation"
    assert any("served" in note and "promised 95.0%" in note for note in refused.notes)
    assert any("refused: replicas were full" in note or "no replica" in note for note in refused.notes)
    assert refused.span is not None


def test_promises_stand_beside_what_comes_of_them() -> None:
    found = report(study(), list(once()))
    for day in found.days:
        assert [p.what for p in day.promises] == ["served", "first token, p99", "speed, mean"]
        assert day.promises[SERVED].promised == 0.95
        assert all(p.is_kept for p in day.promises) == (not any(day.workload in f for f in found.failures))
    site = found.sites[0]
    assert site.simulated_mwh > 0 and site.peak_mw < site.most_mw and site.is_kept
    assert (refusal(study(), found) is None) == (not found.failures)


def test_dark_hours_and_missing_power_cost_what_they_cost() -> None:
    base = served(list(once()), "chat")
    dark = study(darkness=(Darkness(site="oklahoma-city", start=6.0, hours=6.0),))
    assert served(run_study(dark), "chat") == pytest.approx(base - 0.25, abs=0.05)
    cut = study(curtailed=(Curtailment(site="oklahoma-city", start=0, end=12, part=0.0),))
    assert served(run_study(cut), "chat") == pytest.approx(base - 0.5, abs=0.08)


def test_a_trace_is_replayed_at_the_rate_of_the_plan() -> None:
    rng = np.random.default_rng(1)
    count = 500
    trace = Requests(
        arrival_s=np.cumsum(rng.exponential(1.0, count)), prompt=rng.integers(1, 300, count),
        output=np.full(count, 100), group=np.zeros(count, np.int64), cached=np.zeros(count, np.int64),
        session=np.full(count, -1),
    )  # fmt: skip
    with_trace = next(r for r in run_study(study(trace={"chat": trace})) if r.workload == "chat")
    drawn = next(r for r in once() if r.workload == "chat")
    assert with_trace.lengths == "trace"
    assert with_trace.outcome.asked_tokens == pytest.approx(drawn.outcome.asked_tokens, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"days": 0}, "`--days` is from 1"),
        ({"demand": 0.0}, "must be positive"),
        ({"darkness": (Darkness(site="oklahoma", start=1, hours=2),)}, "no site `oklahoma`"),
    ],
)
def test_bad_options(changes: dict[str, object], text: str) -> None:
    with pytest.raises(DiagnosticError, match=text):
        run_study(study(**changes))


def test_years_are_scaled_from_the_sampled_days() -> None:
    """Demand grows by half a year; each quarter has the ratio of energy of the nearest day."""
    found = report(study(), list(once())).years
    p = small_plan().problem
    assert [year.quarters for year in found] == [4, 4]
    part = {r.workload: r.outcome.served_tokens / r.outcome.asked_tokens for r in once()}
    expected = sum(float(p.demand[w, 4:].sum()) * part[name] for w, name in enumerate(p.workloads))
    assert found[1].tokens == pytest.approx(expected * 365.25 / 4 * 86_400)
    assert found[1].tokens > 1.4 * found[0].tokens
    for year in found:
        assert year.low_mwh <= year.mwh <= year.high_mwh
        assert 0.5 * year.planned_mwh < year.mwh < 2 * year.planned_mwh
