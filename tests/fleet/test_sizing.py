"""Plans against closed forms, enumeration, and what a changed plan costs."""

import dataclasses
import itertools
import math
import sys

import numpy as np
import pytest
from fleet_samples import EXAMPLES, changed, small

from openwafer.diag import DiagnosticError
from openwafer.fleet import Fleet, Goal, Plan, Pool, Problem, load_fleet, of_kind, prepare, size
from openwafer.fleet.sizing import mean_wait_s, most_busy, tail_wait_s, waits
from openwafer.fleet.sizing._highs import solve
from openwafer.fleet.sizing._program import build
from openwafer.fleet.sizing._why import groups_of, smallest


@pytest.fixture(scope="module")
def problem() -> Problem:
    return prepare(small())


@pytest.fixture(scope="module")
def plan(problem: Problem) -> Plan:
    return size(problem)


@pytest.fixture(scope="module")
def big() -> Problem:
    return prepare(load_fleet(str(EXAMPLES / "750mw.toml")))


@pytest.fixture(scope="module")
def big_plan(big: Problem) -> Plan:
    return size(big)


@pytest.mark.parametrize(("slots", "busy", "chance"), [(1, 0.7, 0.7), (2, 0.5, 1 / 3), (5, 0.8, 0.554113)])
def test_erlang_c(slots: int, busy: float, chance: float) -> None:
    assert waits(slots, busy) == pytest.approx(chance, rel=1e-5)


def test_erlang_c_of_many_slots_is_its_sum() -> None:
    slots, load = 50, 45.0
    terms = [load**k / math.factorial(k) for k in range(slots)]
    last = load**slots / math.factorial(slots) / (1 - load / slots)
    assert waits(slots, load / slots) == pytest.approx(last / (sum(terms) + last), rel=1e-9)


def test_waiting_of_a_single_server() -> None:
    pool = Pool(1, 2.0)
    assert mean_wait_s(pool, 0.5) == pytest.approx(2.0)
    assert tail_wait_s(pool, 0.5) == pytest.approx(math.log(0.5 / 0.01) * 4)
    md1 = Pool(1, 2.0, 1.0, 0.0)
    assert mean_wait_s(md1, 0.5) == pytest.approx(1.0)


def test_a_pool_is_as_full_as_its_tail_allows() -> None:
    pool = Pool(16, 1.0, 1.2, 1.0)
    busy = most_busy(pool, 0.5)
    assert 0.3 < busy < 0.98
    assert tail_wait_s(pool, busy) == pytest.approx(0.5, rel=1e-6)
    assert most_busy(Pool(16_000, 1.0), 0.5) > busy
    assert most_busy(pool, -1.0) == 0


def test_promises_power_and_capacity_hold(problem: Problem, plan: Plan) -> None:
    p = plan.problem
    served = np.array([p.fleet.workloads[w].served.number for w in p.workloads])
    assert np.all(plan.served_part >= served[:, None] - 1e-6)
    mw = np.einsum("s,i,isq->iq", p.provision, p.site_factor, plan.systems) / 1e3
    assert np.all(mw <= p.site_mw + 1e-9)
    assert np.all(plan.orders >= 0)
    over = (p.peak / p.mean)[p.mode_workload]
    for s in range(len(p.systems)):
        of = p.mode_system == s
        used = (plan.works[:, of] * (over / p.busy[:, None])[of][None, :, None, :]).sum(axis=1)
        assert np.all(used <= plan.systems[:, s, :, None] * p.availability[s] + 1e-6)


def test_tokens_of_each_workload_are_those_of_its_systems(plan: Plan) -> None:
    p = plan.problem
    for w in range(len(p.workloads)):
        of = p.mode_workload == w
        tokens = np.einsum("imqb,m,b->q", plan.works[:, of], p.tokens[of], p.hours / 24)
        assert tokens == pytest.approx(plan.served[w], rel=1e-6)


def test_one_system_for_one_workload_is_a_division(problem: Problem) -> None:
    """Without a choice, the number of systems is the demand over what a system serves, rounded up."""
    mode = next(k for k, m in enumerate(problem.modes) if m.workload == "code")
    keep = (np.arange(len(problem.modes)) == mode) | (problem.mode_workload != problem.mode_workload[mode])
    only = problem.with_modes(keep & (problem.mode_system == problem.mode_system[mode]))
    alone = dataclasses.replace(only, demand=only.demand * np.array([[1e-9], [1.0]]))
    found = size(alone, Goal())
    k = next(k for k, m in enumerate(found.problem.modes) if m.workload == "code")
    p = found.problem
    rate = p.tokens[k] * p.busy[k] * p.availability[p.mode_system[k]]
    wanted = np.ceil(0.95 * p.demand[1] * p.peak[1, 0] / rate - 1e-6)
    assert list(found.systems[0, p.mode_system[k]]) == list(np.maximum(wanted, p.modes[k].pod))


def test_the_integer_optimum_is_that_of_enumeration(problem: Problem) -> None:
    """Of one quarter, all numbers of both systems."""
    from openwafer.fleet.sizing._why import until

    short = until(problem, 1)
    found = size(short)
    best = math.inf
    top = found.systems[0, :, 0]
    for counts in itertools.product(range(top[0] + 4), range(top[1] + 4)):
        model = build(found.problem)
        model.program.low[0] = model.program.high[0] = np.array(counts, dtype=np.float64)
        solved = solve(model.program)
        best = min(best, solved.objective if solved.status == "optimal" else math.inf)
    assert found.rounding.is_optimum
    assert found.rounding.bound == pytest.approx(best, rel=2e-4)


def test_rounding_costs_little(plan: Plan, big_plan: Plan) -> None:
    assert 0 <= plan.rounding.gap <= 0.03
    assert plan.rounding.is_optimum
    large = big_plan
    assert 0 <= large.rounding.gap <= 0.01
    assert large.rounding.relaxed <= large.rounding.whole


def test_a_shadow_price_is_what_one_more_megawatt_saves(big: Problem, big_plan: Plan) -> None:
    plan = big_plan
    shadow = next(s for s in plan.shadows if s.constraint == "at manitoba")
    quarter = [str(big.fleet.quarter(q)) for q in range(big.quarters)].index(shadow.quarter)
    more = plan.problem.site_mw.copy()
    more[big.sites.index("manitoba"), quarter] += 0.01
    richer = dataclasses.replace(plan.problem, site_mw=more)
    saved = solve(build(plan.problem).program).objective - solve(build(richer).program).objective
    assert saved * 1e6 / 0.01 == pytest.approx(shadow.usd, rel=1e-3)
    assert shadow.quarter in shadow.words and "saves $" in shadow.words


@pytest.mark.slow
def test_cleaner_and_faster_within_the_premium(big: Problem, big_plan: Plan) -> None:
    plan = big_plan
    for what in ("carbon", "speed"):
        goal = Goal(what=what, most_usd=plan.usd * 1.1, unserved=plan.unserved)
        other = size(big, goal)
        assert other.usd <= plan.usd * 1.1001
        assert np.all(other.served_part >= plan.served_part - 1e-5)
        if what == "carbon":
            assert other.tonnes < plan.tonnes


def test_one_kind_only_costs_more_and_says_what_it_cannot_serve(problem: Problem, plan: Plan) -> None:
    wafers, gpus = of_kind(problem, "wafer"), of_kind(problem, "gpu")
    assert wafers.usd >= plan.usd * (1 - 1e-4) and not wafers.waived
    assert gpus.waived == ("code",)
    assert np.all(gpus.served[1] < 1e-6) and not gpus.systems[0, 0].any()


@pytest.mark.parametrize("seed", range(20))
def test_the_deletion_filter_finds_a_smallest_set(seed: int) -> None:
    """Against all subsets: the set fails, and none of its parts does."""
    draws = np.random.default_rng(seed)
    groups = [f"g{k}" for k in range(6)]
    conflicts = [set(draws.choice(groups, size=draws.integers(1, 4), replace=False)) for _ in range(3)]

    def fails(without: frozenset[str]) -> bool:
        return any(not conflict & without for conflict in conflicts)

    found = set(smallest(groups, fails))
    assert fails(frozenset(groups) - found)
    assert all(not fails(frozenset(groups) - found | {group}) for group in found)


def impossible(fleet: Fleet) -> DiagnosticError:
    with pytest.raises(DiagnosticError) as caught:
        size(prepare(fleet))
    return caught.value


def test_an_impossible_plan_names_what_cannot_hold() -> None:
    fleet = small(("value = 0.7, unit", "value = 0.4, unit"), ("value = 1.0, unit", "value = 0.4, unit"))
    found = impossible(fleet).diagnostics[0]
    assert found.id == "fleet-impossible" and found.span is not None and found.data
    named = set(found.data["constraints"])
    assert "power of oklahoma-city" in named and any(name.startswith("promise") for name in named)
    problem = prepare(fleet)
    for name in named:
        others = frozenset(groups_of(problem)) - named
        assert solve(build(problem, others | {name}).program).status == "optimal", name
        assert solve(build(problem, others).program).status == "infeasible"
    assert "served" in found.span.source.line(found.span.source.position(found.span.start)[0])
    assert any("fleet.toml:" in note for note in found.notes)


def test_a_budget_that_is_too_small_is_the_only_other_cause() -> None:
    budget = '[budgets]\ncapital = { value = 1e6, unit = "USD", source = "s", status = "assumed" }\n'
    found = impossible(small(("[systems.cs3]", budget + "[systems.cs3]"))).diagnostics[0]
    assert found.data and "capital" in found.data["constraints"]
    assert "power of oklahoma-city" not in found.data["constraints"]


def test_demand_that_nobody_can_serve() -> None:
    fleet = small(("speed = { value = 400", "speed = { value = 40_000"))
    with pytest.raises(DiagnosticError) as caught:
        prepare(fleet)
    found = caught.value.diagnostics[0]
    assert found.id == "fleet-nobody-serves" and "40000 tokens/s" in found.message
    assert any("`cs3` reaches" in note for note in found.notes)
    assert found.span and "40_000" in found.span.source.line(found.span.source.position(found.span.start)[0])


def test_without_highspy_the_extra_is_named(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    with pytest.raises(DiagnosticError, match=r"fleet-no-highspy") as caught:
        size(problem)
    assert "openwafer[fleet]" in (caught.value.diagnostics[0].help or "")


def test_nothing_is_printed(problem: Problem, capfd: pytest.CaptureFixture[str]) -> None:
    size(problem)
    assert capfd.readouterr().out == ""


def test_samples_must_be_there() -> None:
    with pytest.raises(AssertionError):
        changed(("not in the file", ""))
