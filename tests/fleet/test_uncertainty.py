"""Plans in many draws: against the plan itself, closed forms, and linear programmes of single draws."""

import dataclasses
import math

import numpy as np
import pytest
from fleet_samples import EXAMPLES, small

from openwafer.diag import DiagnosticError
from openwafer.fleet import Plan, Problem, load_fleet, prepare, size
from openwafer.fleet.answers import account
from openwafer.fleet.sizing import build, solve
from openwafer.fleet.uncertainty import draw, evaluate, option, robust, share_of_variance, tornado, waiting
from openwafer.fleet.uncertainty._draws import TENTH_Z, delay, factor, from_latent, middling
from openwafer.fleet.uncertainty._evaluate import lag
from openwafer.fleet.uncertainty._options import scenario


@pytest.fixture(scope="module")
def big() -> Problem:
    return prepare(load_fleet(str(EXAMPLES / "750mw.toml")))


@pytest.fixture(scope="module")
def plan(big: Problem) -> Plan:
    return size(big)


def test_a_tenth_of_the_draws_is_below_and_above() -> None:
    z = np.random.default_rng(0).standard_normal(100_000)
    values = factor(0.7, 1.6, z)
    assert (values < 0.7).mean() == pytest.approx(0.1, abs=0.005)
    assert (values > 1.6).mean() == pytest.approx(0.1, abs=0.005)
    assert np.median(values) == pytest.approx(1.0, abs=0.01)
    assert factor(0.7, 1.6, np.array([-TENTH_Z, 0, TENTH_Z])) == pytest.approx([0.7, 1.0, 1.6])


def test_delays_are_exponential_for_those_that_are_late() -> None:
    z = np.random.default_rng(0).standard_normal(100_000)
    quarters = delay(0.4, 20.0, z)
    assert (quarters > 0).mean() == pytest.approx(0.4, abs=0.01)
    assert quarters[quarters > 0].mean() * 365.25 / 28 == pytest.approx(20.0, rel=0.02)


def test_risks_with_one_cause_move_together(big: Problem) -> None:
    draws = draw(big, 20_000, 5)
    latent = draws.latent
    assert np.corrcoef(latent["electricity"], latent["carbon"])[0, 1] < -0.3
    assert np.corrcoef(latent["demand"], latent["growth"])[0, 1] > 0.5
    assert abs(np.corrcoef(latent["demand"], latent["wafer-price"])[0, 1]) < 0.03
    again = draw(big, 20_000, 5)
    assert np.array_equal(again.demand, draws.demand) and np.array_equal(again.site_late, draws.site_late)


def test_lag_is_interpolation_and_the_first_quarter_stands() -> None:
    values = np.array([10.0, 20.0, 40.0])
    assert lag(values, np.array([0.0, 1.0, 1.5, 9.0])).tolist() == [
        [10.0, 20.0, 40.0], [10.0, 10.0, 20.0], [10.0, 10.0, 15.0], [10.0, 10.0, 10.0],
    ]  # fmt: skip


def test_in_the_middle_of_all_risks_the_plan_costs_what_its_account_says(plan: Plan) -> None:
    problem = plan.problem
    middle = from_latent(problem, middling(problem, problem.fleet, {}), 1)
    middle = dataclasses.replace(middle, site_late=middle.site_late * 0, system_late=middle.system_late * 0)
    found, expected = evaluate(plan, middle), account(plan)
    assert found.usd[0] == pytest.approx(expected.usd, rel=0.01)
    assert found.served[0].sum() == pytest.approx(plan.served.sum(), rel=0.02)
    assert found.mwh[0].sum() == pytest.approx(expected.mwh.sum(), rel=0.03)
    assert found.survives.all()


def test_no_draw_serves_more_than_is_asked_for_or_than_its_linear_programme(plan: Plan) -> None:
    """Greedy serving is never better than the best use of the same systems, and not much worse."""
    problem = plan.problem
    draws = draw(problem, 6, 11)
    draws = dataclasses.replace(draws, system_late=draws.system_late * 0, site_late=draws.site_late * 0)
    found = evaluate(plan, draws)
    assert np.all(found.served <= found.demand * (1 + 1e-9))
    price = np.array([problem.fleet.workloads[w].value.number for w in problem.workloads])  # type: ignore[union-attr]
    for n in range(6):
        then = scenario(problem, draws, n)
        model = build(then, frozenset(f"promise to {w}" for w in problem.workloads))
        model.program.low[0] = model.program.high[0] = plan.systems.ravel().astype(float)
        lost = solve(model.program).x[model.u]
        best = (then.demand - (lost * problem.hours).sum(2) / 24).T @ price
        ours = found.served[n].T @ price
        assert np.all(ours <= best * (1 + 1e-6))
        assert ours.sum() >= 0.93 * best.sum()


def test_a_plan_for_a_confidence_survives_fresh_draws() -> None:
    fleet = small()
    found = robust(prepare(fleet), 0.9)
    assert found.survival >= 0.9 and found.fresh >= 0.88
    assert found.plain < 0.9 and found.plan.usd > found.plain_usd
    assert 0 <= found.plan.rounding.gap <= 0.03


def test_a_confidence_that_is_out_of_reach_is_refused() -> None:
    fleet = small(("value = 1.0, unit", "value = 0.75, unit"))
    with pytest.raises(DiagnosticError, match="fleet-confidence-out-of-reach") as caught:
        robust(prepare(fleet), 0.95)
    found = caught.value.diagnostics[0]
    assert found.span and "confidence" in found.span.source.line(
        found.span.source.position(found.span.start)[0]
    )
    assert "%" in found.notes[0]


def test_share_of_variance_of_a_sum() -> None:
    a, b, c = np.random.default_rng(1).standard_normal((3, 20_000))
    effect = 2 * a + b
    assert share_of_variance(a, effect) == pytest.approx(0.8, abs=0.02)
    assert share_of_variance(b, effect) == pytest.approx(0.2, abs=0.02)
    assert share_of_variance(c, effect) < 0.01


def test_the_tornado_moves_the_right_way(plan: Plan) -> None:
    draws = draw(plan.problem, 500, 3)
    bars = {bar.risk: bar for bar in tornado(plan, draws, evaluate(plan, draws))}
    assert bars["wafer-price"].usd_high > bars["wafer-price"].usd_low
    assert bars["electricity"].usd_high > bars["electricity"].usd_low
    assert bars["wafer-throughput"].served_high >= bars["wafer-throughput"].served_low
    assert bars["demand"].usd_high < bars["demand"].usd_low
    widths = [bar.width for bar in tornado(plan, draws, evaluate(plan, draws))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.slow
def test_options_are_worth_something_and_more_power_is_worth_more(big: Problem) -> None:
    held = big.fleet.options["to-2-gw"]
    less = dataclasses.replace(held, power=dataclasses.replace(held.power, value=300.0))
    whole, part = option(big, held), option(big, less)
    assert whole.mean > part.mean > 0
    assert waiting(big).mean > 0


def test_bands_of_throughput_are_those_of_the_estimate(big: Problem) -> None:
    from openwafer.fleet.uncertainty._draws import bounds

    low, high = bounds(big, big.fleet.risks["wafer-throughput"])
    band = next(m.band for m in big.modes if m.kind == "wafer")
    assert (low, high) == pytest.approx((band.low / band.value, band.high / band.value))
    assert math.isclose(low * high, 1.0, rel_tol=1e-6)
