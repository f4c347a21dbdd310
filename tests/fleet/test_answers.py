"""Accounts and figures: sums that must agree, and numbers traced to facts."""

import numpy as np
import pytest
from fleet_samples import small

from openwafer.diag import DiagnosticError
from openwafer.fleet import Plan, prepare, size
from openwafer.fleet.answers import Account, Figures, account, figures_of


@pytest.fixture(scope="module")
def plan() -> Plan:
    return size(prepare(small()))


@pytest.fixture(scope="module")
def accounted(plan: Plan) -> Account:
    return account(plan)


@pytest.fixture(scope="module")
def figures(accounted: Account) -> Figures:
    return figures_of(accounted)


def test_costs_and_carbon_are_shared_out_in_full(accounted: Account) -> None:
    assert accounted.usd_of.sum(0) == pytest.approx(accounted.usd)
    assert accounted.operation_of.sum(0) == pytest.approx(accounted.operation.sum(0))
    assert accounted.embodied_of.sum(0) == pytest.approx(accounted.embodied.sum((0, 1)))


def test_the_account_is_what_the_programme_minimised(plan: Plan, accounted: Account) -> None:
    """Its objective counts the annuities of all later quarters when a system is bought: the same dollars."""
    p = plan.problem
    assert (accounted.usd * p.discount).sum() == pytest.approx(plan.usd, rel=1e-6)
    assert (accounted.operation.sum() + accounted.embodied.sum()) == pytest.approx(plan.tonnes, rel=1e-6)


def test_energy_by_hand(plan: Plan, accounted: Account) -> None:
    p = plan.problem
    kw = (plan.systems[0, :, 0] * p.idle).sum()
    kw += np.einsum("mb,b,m->", plan.works[0, :, 0], p.hours / 24, p.kw - p.idle[p.mode_system])
    assert accounted.mwh[0, 0] == pytest.approx(kw / 1e3 * 1.15 * 365.25 * 6)
    assert accounted.operation[0, 0] == pytest.approx(accounted.mwh[0, 0] * 294 / 1e3)
    assert accounted.energy_usd[0, 0] == pytest.approx(accounted.mwh[0, 0] * 61.3)


def test_service_levels_hold(plan: Plan, accounted: Account) -> None:
    for w, name in enumerate(plan.problem.workloads):
        workload = plan.problem.fleet.workloads[name]
        assert np.all(accounted.first_token[w] <= workload.first_token.number)
        assert np.all(accounted.speed[w] >= workload.speed.number)


def test_peak_power_is_below_what_is_set_aside(accounted: Account) -> None:
    assert np.all(accounted.peak_mw <= accounted.set_aside_mw + 1e-9)
    assert np.all(accounted.busy <= 1)


def test_every_figure_leads_to_facts_or_estimates(figures: Figures) -> None:
    """Whatever a figure is made of is a figure, a fact of the file, an estimate or a constraint."""
    for figure in figures.by_name.values():
        assert figure.of, figure.name
        for name in figure.of:
            is_known = name in figures.by_name or name in figures.fleet.facts
            is_estimate = name.startswith("estimate.") and name.removeprefix("estimate.") in figures.modes
            assert is_known or is_estimate or name.startswith("constraint"), (figure.name, name)


def test_explanations_end_in_sources(figures: Figures) -> None:
    figure = figures.find("usd.2028-Q1")[0]
    text = "\n".join("  " * line.depth + line.text for line in figures.explain(figure))
    assert text.startswith("usd.2028-Q1 = ")
    for part in (
        "sites.oklahoma-city.price",
        "EIA",
        "systems.cs3.price",
        "estimate chat",
        "openwafer estimate",
    ):
        assert part in text, part


def test_a_figure_is_found_by_name_pattern_and_number(figures: Figures) -> None:
    total = figures.by_name["usd_total"]
    assert figures.find("usd_total") == [total]
    assert len(figures.find("usd.2027-*")) == 4
    assert total in figures.find(f"{total.value:,.0f}")
    with pytest.raises(DiagnosticError, match="fleet-no-such-number") as caught:
        figures.find("usd_totall")
    assert caught.value.diagnostics[0].help == "did you mean `usd_total`?"


def test_the_command_of_an_estimate_gives_its_number(figures: Figures, plan: Plan) -> None:
    from openwafer.estimate import estimate

    mode = plan.problem.modes[0]
    again = estimate(
        "gpt-oss-120b", [mode.system], users=mode.users, input=1155, output=211,
        tokens_per_second_per_user=mode.least,
    )[0]  # fmt: skip
    assert again.tokens_per_s_per_system == mode.band
    assert f"estimate.{mode.name}".removeprefix("estimate.") in figures.modes
