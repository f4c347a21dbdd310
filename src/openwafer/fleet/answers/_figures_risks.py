"""Numbers about what may turn out otherwise, and of the plans that stand beside the plan."""

from __future__ import annotations

from collections.abc import Sequence

from openwafer.fleet.answers._account import Account
from openwafer.fleet.answers._figure import Figure, Figures
from openwafer.fleet.answers._sensitivity import Change
from openwafer.fleet.document import Fleet
from openwafer.fleet.sizing import Floats
from openwafer.fleet.uncertainty import Bar, Outcomes, Robust, Worth, quantiles

SECONDS_PER_DAY = 86_400
TENTHS = ("p10", "p50", "p90")


def risk_facts(fleet: Fleet) -> tuple[str, ...]:
    """Names of the facts of all risks."""
    return tuple(name for name in fleet.facts if name.startswith("risks."))


def add_risks(
    found: Figures, outcomes: Outcomes, bars: Sequence[Bar], worth: Sequence[Worth], robust: Robust | None
) -> None:
    """Tenths by quarter and of the whole plan, the tornado, shares of variance, options, survival."""
    fleet, of = found.fleet, risk_facts(found.fleet)
    each = {
        "tokens_per_day": (outcomes.served.sum(1) * SECONDS_PER_DAY, "tokens/day"),
        "usd": (outcomes.usd, "USD"),
        "usd_per_mtok": (outcomes.usd / (outcomes.tokens / 1e6), "USD/Mtok"),
        "g_per_mtok": (outcomes.tonnes / outcomes.tokens * 1e12, "g/Mtok"),
        "mwh": (outcomes.mwh, "MWh"),
    }
    how = f"of {len(outcomes.usd):,} draws: what one in ten, half, nine in ten are below"
    for quantity, (values, unit) in each.items():
        for tenth, row in zip(TENTHS, quantiles(values), strict=True):
            for q, value in enumerate(row):
                found.add(
                    Figure(
                        quantity=f"{quantity}_{tenth}",
                        quarter=str(fleet.quarter(q)),
                        value=float(value),
                        unit=unit,
                        how=how,
                        of=of,
                    )
                )
    _whole(found, outcomes, of, how)
    _bars(found, bars)
    for thing in worth:
        if not thing.scenarios:
            continue
        found.add(
            Figure(
                quantity="worth",
                system=thing.name,
                value=thing.mean,
                unit="USD",
                of=of,
                how=f"mean over {thing.scenarios} draws of two linear programmes, all sites as one",
            )
        )
    survival = robust.fresh if robust else float(outcomes.survives.mean())
    found.add(
        Figure(
            quantity="survival",
            value=survival,
            unit="1",
            of=(*of, *_promises(fleet)),
            how="part of fresh draws in which all promises hold in all quarters",
        )
    )


def _promises(fleet: Fleet) -> tuple[str, ...]:
    return tuple(f"workloads.{name}.served" for name in fleet.workloads)


def _whole(found: Figures, outcomes: Outcomes, of: tuple[str, ...], how: str) -> None:
    whole: dict[str, tuple[Floats, str]] = {
        "usd_per_mtok_all": (outcomes.usd_per_mtok, "USD/Mtok"),
        "usd_per_full_mtok": (outcomes.usd_per_full_mtok, "USD/Mtok"),
    }
    for quantity, (values, unit) in whole.items():
        for tenth, value in zip(TENTHS, quantiles(values), strict=True):
            found.add(Figure(quantity=f"{quantity}_{tenth}", value=float(value), unit=unit, how=how, of=of))


def _bars(found: Figures, bars: Sequence[Bar]) -> None:
    for bar in bars:
        of = tuple(name for name in found.fleet.facts if name.startswith(f"risks.{bar.risk}."))
        rows = (
            (
                "tornado_low",
                bar.usd_low,
                "USD/Mtok",
                "with the risk at its low tenth, the others in the middle",
            ),
            (
                "tornado_high",
                bar.usd_high,
                "USD/Mtok",
                "with the risk at its high tenth, the others in the middle",
            ),
            ("variance_share", bar.variance, "1", "of the variance of the cost a token, alone"),
            (
                "variance_share_full",
                bar.variance_full,
                "1",
                "of the variance of the cost a token if all systems were always full, alone",
            ),
        )
        for quantity, value, unit, how in rows:
            found.add(Figure(quantity=quantity, system=bar.risk, value=value, unit=unit, how=how, of=of))


def add_changes(found: Figures, tried: Sequence[Change]) -> None:
    """Cost and tokens on wafers for each change that was tried."""
    of = tuple(name for name in found.fleet.facts if name.endswith((".price", ".speed", ".demand")))
    for change in tried:
        name = "_".join(change.label.replace(",", "").replace("%", "").split())
        for quantity, value in (("sensitivity_cost", change.usd), ("sensitivity_wafers", change.wafers)):
            if value is not None:
                found.add(
                    Figure(
                        quantity=quantity,
                        system=name,
                        value=value,
                        unit="1",
                        of=of,
                        how=f"cheapest plan with parts of systems, {change.label}",
                    )
                )


def add_case(found: Figures, label: str, a: Account) -> None:
    """Sums of a plan that stands beside the plan, under its label."""
    p = a.plan.problem
    tokens = float(a.tokens.sum())
    systems = [s for s in range(len(p.systems)) if a.plan.systems[:, s].any()]
    of = (
        *(f"systems.{p.systems[s]}.price" for s in systems),
        *(f"workloads.{w}.demand" for w in p.workloads),
    )
    of = (
        *of,
        *(
            f"estimate.{m.name}"
            for m, works in zip(p.modes, a.plan.works.max((0, 2, 3)), strict=True)
            if works > 1e-6 and m.name in found.modes
        ),
    )
    name = "case_" + label.replace(" ", "_")
    for quantity, value, unit in (
        ("usd_total", float(a.usd.sum()), "USD"),
        ("tokens_total", tokens, "tokens"),
        ("usd_per_mtok", float(a.usd.sum()) / max(tokens / 1e6, 1e-12), "USD/Mtok"),
        ("g_operation_per_mtok", float(a.operation.sum()) * 1e12 / max(tokens, 1e-12), "g/Mtok"),
        ("g_embodied_per_mtok", float(a.embodied.sum()) * 1e12 / max(tokens, 1e-12), "g/Mtok"),
        ("set_aside_mw", float(a.set_aside_mw[:, -1].sum()), "MW"),
        ("peak_mw", float(a.peak_mw[:, -1].sum()), "MW"),
        ("tokens_per_day", float(a.plan.served[:, -1].sum()) * SECONDS_PER_DAY, "tokens/day"),
        ("served", float(a.plan.served.sum() / p.demand.sum()), "1"),
        ("usd_bought", float((a.plan.orders * p.usd[None]).sum()), "USD"),
        ("mwh", float(a.mwh.sum()), "MWh"),
        ("rounding_gap", a.plan.rounding.gap, "1"),
        *(
            (f"systems_{s}", float(a.plan.systems[:, k, -1].sum()), "systems")
            for k, s in enumerate(p.systems)
        ),
    ):
        how = f"as of the plan, for `{label}`"
        found.add(Figure(quantity=name, system=quantity, value=value, unit=unit, how=how, of=of))
