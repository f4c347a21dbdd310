"""Numbers that the tables print as sums: by quarter over sites and workloads, by site over quarters, of the
plan."""

from __future__ import annotations

from openwafer.fleet.answers._account import Account
from openwafer.fleet.answers._figure import Figure, Figures
from openwafer.fleet.answers._names import there, when_of

SECONDS_PER_DAY = 86_400


def add_sums(found: Figures, a: Account) -> None:
    """All of them."""
    for q in range(a.plan.problem.quarters):
        _quarter(found, a, q)
    _sites(found, a)
    _plan(found, a)


def _quarter(found: Figures, a: Account, q: int) -> None:
    p, when = a.plan.problem, when_of(a, q)
    for s, system in enumerate(p.systems):
        of = there(found, *(f"systems.{i}.{system}.{when}" for i in p.sites))
        if of:
            count = float(a.plan.systems[:, s, q].sum())
            found.add(
                Figure(
                    quantity="systems",
                    system=system,
                    quarter=when,
                    value=count,
                    unit="systems",
                    how="all sites",
                    of=of,
                )
            )
    tokens = float(a.plan.served[:, q].sum()) * SECONDS_PER_DAY
    of = there(found, *(f"tokens_per_day.{w}.{when}" for w in p.workloads))
    found.add(
        Figure(
            quantity="tokens_per_day",
            quarter=when,
            value=tokens,
            unit="tokens/day",
            how="all workloads",
            of=of,
        )
    )
    millions = max(float(a.tokens[:, q].sum()) / 1e6, 1e-12)
    found.add(
        Figure(
            quantity="usd_per_mtok",
            quarter=when,
            value=float(a.usd[q]) / millions,
            unit="USD/Mtok",
            how="costs of the quarter over its tokens",
            of=(f"usd.{when}", f"tokens_per_day.{when}"),
        )
    )
    for w, name in enumerate(p.workloads):
        parts = there(found, f"g_operation_per_mtok.{name}.{when}", f"g_embodied_per_mtok.{name}.{when}")
        if parts:
            grams = float(a.operation_of[w, q] + a.embodied_of[w, q]) * 1e12 / float(a.tokens[w, q])
            found.add(
                Figure(
                    quantity="g_per_mtok",
                    workload=name,
                    quarter=when,
                    value=grams,
                    unit="g/Mtok",
                    how="operation + embodied",
                    of=parts,
                )
            )


def _sites(found: Figures, a: Account) -> None:
    p = a.plan.problem
    for i, site in enumerate(p.sites):
        of = there(found, *(f"mwh.{site}.{when_of(a, q)}" for q in range(p.quarters)))
        if of:
            found.add(
                Figure(
                    quantity="mwh_total",
                    site=site,
                    value=float(a.mwh[i].sum()),
                    unit="MWh",
                    how="all quarters",
                    of=of,
                )
            )


def _plan(found: Figures, a: Account) -> None:
    plan, p = a.plan, a.plan.problem
    last = when_of(a, p.quarters - 1)
    served = there(found, *(f"served.{w}.{when_of(a, q)}" for w in p.workloads for q in range(p.quarters)))
    found.add(
        Figure(
            quantity="served_total",
            value=float(plan.served.sum() / p.demand.sum()),
            unit="1",
            how="tokens served over tokens asked for",
            of=served,
        )
    )
    stands = there(found, *(f"systems.{s}.{last}" for s in p.systems))
    kind = "integer optimum" if plan.rounding.is_optimum else "programme with parts of systems"
    found.add(
        Figure(
            quantity="rounding_gap",
            value=plan.rounding.gap,
            unit="1",
            of=stands,
            how=f"objective {plan.rounding.whole:,.6g} over {plan.rounding.bound:,.6g} of the {kind}",
        )
    )
    for shadow in plan.shadows:
        name = f"{shadow.unit}_{shadow.constraint}".replace(" ", "_")
        of = (f"constraint that binds: {shadow.words}",)
        found.add(
            Figure(
                quantity="shadow_price",
                system=name,
                quarter=shadow.quarter,
                value=shadow.usd,
                unit="USD",
                how="dual of the linear programme",
                of=of,
            )
        )
