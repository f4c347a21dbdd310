"""What budgets, prices by hour, tiers and the meaning of a megawatt do to a plan."""

import dataclasses

import numpy as np
import pytest
from fleet_samples import small

from openwafer.diag import DiagnosticError
from openwafer.fleet import Fleet, Goal, Plan, prepare, size
from openwafer.fleet.answers import account, answer


def fact(value: object, unit: str) -> str:
    return f'{{ value = {value}, unit = "{unit}", source = "test", status = "assumed" }}'


def plan_of(*changes: tuple[str, str]) -> Plan:
    return size(prepare(small(*changes)))


@pytest.fixture(scope="module")
def plain() -> Plan:
    return plan_of()


def test_power_counted_as_it_needs_less_of_a_site(plain: Plan) -> None:
    as_it = plan_of(("[policies]", '[policies]\npower = "it"'))
    pue = plain.problem.pue[0]
    one, other = account(plain), account(as_it)
    assert np.array_equal(plain.systems, as_it.systems)
    assert one.set_aside_mw == pytest.approx(other.set_aside_mw * pue)
    assert one.mwh == pytest.approx(other.mwh)


def test_a_price_of_carbon_is_paid(plain: Plan) -> None:
    taxed = plan_of(("[policies]", f"[policies]\ncarbon_price = {fact(100, 'USD/t')}"))
    a = account(taxed)
    assert a.carbon_usd == pytest.approx(a.operation * 100)
    assert taxed.usd > plain.usd


def test_a_capital_budget_holds() -> None:
    budget = f"[budgets]\ncapital = {fact(12.2e6, 'USD')}\n[policies]"
    plan = plan_of(("[policies]", budget))
    bought = (plan.orders * plan.problem.usd[None]).sum()
    assert bought <= 12.2e6


def test_budgets_of_carbon_and_water_hold(plain: Plan) -> None:
    a = account(plain)
    most = float((a.operation.sum(0) + a.embodied.sum((0, 1))).max())
    water = float(a.water.sum(0).max())
    limits = f"carbon = {fact(most, 't/quarter')}\nwater = {fact(water, 'm3/quarter')}"
    b = account(plan_of(("[policies]", f"[budgets]\n{limits}\n[policies]")))
    assert np.all(b.operation.sum(0) + b.embodied.sum((0, 1)) <= most * (1 + 1e-6))
    assert np.all(b.water.sum(0) <= water * (1 + 1e-6))
    for limit, amount in (("carbon", fact(most / 2, "t/quarter")), ("water", fact(water / 2, "m3/quarter"))):
        text = f"[budgets]\n{limit} = {amount}\n[policies]"
        with pytest.raises(DiagnosticError, match=f"fleet-impossible: {limit}.* cannot hold together"):
            plan_of(("[policies]", text))


def test_whole_systems_may_be_impossible_where_parts_are_not(plain: Plan) -> None:
    a = account(plain)
    most = float((a.operation.sum(0) + a.embodied.sum((0, 1))).max()) * 0.999
    text = f"[budgets]\ncarbon = {fact(most, 't/quarter')}\n[policies]"
    with pytest.raises(DiagnosticError, match=r"fleet-impossible: .* whole systems"):
        plan_of(("[policies]", text))


def test_deliveries_bound_each_quarter() -> None:
    first, later = fact(7, "systems/quarter"), fact(1, "systems/quarter")
    text = f'[systems.cs3.deliveries]\n"2027-01-01" = {first}\n"2027-04-01" = {later}'
    plan = plan_of(("[systems.cs3]", text))
    orders = plan.orders[0, plan.problem.systems.index("cs3")]
    assert orders[0] <= 7 and np.all(orders[1:] <= 1)


BATCH = f"""
[workloads.batch]
model = "gpt-oss-120b"
tier = "flex"
shift = "day"
input = {fact(1000, "tokens")}
output = {fact(200, "tokens")}
demand = {fact(5000, "tokens/s")}

[risks.demand]"""
HOURS = "[" + ", ".join(["0.4"] * 12 + ["1.6"] * 12) + "]"


def with_day(*changes: tuple[str, str]) -> Plan:
    """Chat has a busy and a quiet half of the day; batch may be served at any hour."""
    hours = f"by_hour = {fact(HOURS, '1')}\nspeed = {{ value = 40,"
    return plan_of(("[risks.demand]", BATCH), ("speed = { value = 40,", hours), *changes)


def test_flexible_work_fills_the_quiet_hours() -> None:
    plan = with_day()
    p = plan.problem
    batch = p.mode_workload == p.workloads.index("batch")
    by_block = np.einsum("imqb,m->qb", plan.works[:, batch], p.tokens[batch])
    tokens = by_block.sum(0) * p.hours
    assert tokens[1] + tokens[2] > 3 * tokens[0]
    fixed = with_day(('shift = "day"', 'shift = "no"'))
    assert plan.usd < fixed.usd


def test_prices_by_hour_and_season_have_their_mean() -> None:
    prices = f"price_by_hour = {fact(HOURS, '1')}\nprice_by_season = {fact([1, 1, 2, 1], '1')}\ncarbon ="
    plan = plan_of(("carbon =", prices))
    p = plan.problem
    assert np.einsum("qb,b->q", p.price[0], p.hours / 24)[:4] == pytest.approx(
        61.3 * np.array([0.8, 0.8, 1.6, 0.8])
    )


def test_a_value_decides_what_is_left_unserved() -> None:
    """Chat is worth more than it costs, code is not: one is served whole, of the other what is promised."""
    value = "value = " + fact(100, "USD/Mtok") + "\nspeed = { value = 40,"
    cheap = "value = " + fact(0.001, "USD/Mtok") + "\nspeed = { value = 400,"
    plan = plan_of(("speed = { value = 40,", value), ("speed = { value = 400,", cheap))
    assert plan.served_part[0] == pytest.approx(1.0)
    assert plan.served_part[1] == pytest.approx(0.95)


def test_speculation_serves_more(plain: Plan) -> None:
    text = f"drafted = {fact(4, 'tokens')}\naccepted = {fact(0.8, '1')}\nspeed = {{ value = 400,"
    drafting = plan_of(("speed = { value = 400,", text))
    assert drafting.usd < plain.usd


def test_the_same_plan_twice(plain: Plan) -> None:
    again = plan_of()
    assert np.array_equal(again.systems, plain.systems) and np.array_equal(again.works, plain.works)


def test_a_confidence_without_a_risk_is_told() -> None:
    fleet = small()
    text = fleet.source.text
    with pytest.raises(DiagnosticError, match="fleet-missing-table"):
        small((text[text.index("[risks.demand]") :], ""))


def with_objective(fleet: Fleet, what: str) -> Fleet:
    return dataclasses.replace(fleet, policies=dataclasses.replace(fleet.policies, objective=what))


@pytest.mark.slow
def test_the_cleanest_plan_for_a_confidence_survives_too() -> None:
    cheapest = answer(small(), count=100, is_whole=False)
    cleanest = answer(with_objective(small(), "carbon"), count=100, is_whole=False)
    assert cleanest.robust and cleanest.robust.fresh >= 0.88
    assert cleanest.plan.tonnes <= cheapest.plan.tonnes * (1 + 1e-4)
    assert cleanest.plan.usd <= cheapest.plan.usd * 1.1001


def test_a_goal_of_tonnes_is_kept(plain: Plan) -> None:
    goal = Goal(most_tonnes=plain.tonnes * 1.01, unserved=plain.unserved)
    assert size(plain.problem, goal).tonnes <= plain.tonnes * 1.0101


def installed(count: float, site: str = "oklahoma-city") -> tuple[str, str]:
    return "[systems.cs3]", f"[systems.cs3.installed]\n{site} = {fact(count, 'systems')}"


def test_what_is_installed_stands_and_is_paid_for(plain: Plan) -> None:
    plan = plan_of(installed(5))
    cs3 = plan.problem.systems.index("cs3")
    assert np.all(plan.systems[0, cs3] >= 5)
    assert plan.orders[0, cs3].sum() == plan.systems[0, cs3, -1] - 5
    a, b = account(plain), account(plan)
    assert (b.usd * plan.problem.discount).sum() == pytest.approx(plan.usd, rel=1e-6)
    saved = 5 * plain.problem.usd[cs3, 0] * plain.problem.charge[cs3, 0]
    assert plain.usd - plan.usd == pytest.approx(saved, rel=1e-6)
    assert np.all(b.capital[0, cs3] < a.capital[0, cs3])
    assert 0 <= plan.rounding.gap <= 0.03


def test_more_installed_than_needed_stays(plain: Plan) -> None:
    plan = plan_of(installed(15))
    cs3 = plan.problem.systems.index("cs3")
    assert np.all(plan.systems[0, cs3] == 15) and not plan.orders[0, cs3].any()


@pytest.mark.parametrize(
    ("change", "id"),
    [(installed(500), "fleet-out-of-range"), (installed(1, "oklahoma"), "fleet-unknown-site")],
)
def test_installed_where_there_is_no_site_or_no_power(change: tuple[str, str], id: str) -> None:
    with pytest.raises(DiagnosticError, match=id):
        small(change)
