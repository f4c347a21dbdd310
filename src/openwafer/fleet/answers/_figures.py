"""The numbers of a plan, by name, with what each is made of."""

from __future__ import annotations

import numpy as np

from openwafer.fleet.answers._account import LEAST_WORK, Account
from openwafer.fleet.answers._figure import Figure, Figures
from openwafer.fleet.answers._figures_sums import add_sums
from openwafer.fleet.answers._figures_tokens import add_tokens, add_totals
from openwafer.fleet.answers._names import there, when_of


def figures_of(a: Account) -> Figures:
    """All figures of an account."""
    p = a.plan.problem
    found = Figures(p.fleet, {mode.name: mode for mode in p.modes})
    for q in range(p.quarters):
        _demand(found, a, q)
        _systems(found, a, q)
        for i in range(len(p.sites)):
            _site(found, a, i, q)
        _money(found, a, q)
        add_tokens(found, a, q)
    add_totals(found, a)
    add_sums(found, a)
    return found


def _demand(found: Figures, a: Account, q: int) -> None:
    p = a.plan.problem
    for w, name in enumerate(p.workloads):
        facts = (f"workloads.{name}.demand", f"workloads.{name}.growth")
        found.add(
            Figure(
                quantity="demand",
                workload=name,
                quarter=when_of(a, q),
                value=float(p.demand[w, q]),
                unit="tokens/s",
                how="demand at the start x (1 + growth) to the years until the middle of the quarter",
                of=facts,
            )
        )


def _modes_at(a: Account, s: int, q: int) -> list[str]:
    p = a.plan.problem
    works = a.plan.works[:, :, q].max((0, 2)) > LEAST_WORK
    return [f"estimate.{p.modes[m].name}" for m in np.flatnonzero(works & (p.mode_system == s))]


def _systems(found: Figures, a: Account, q: int) -> None:
    p = a.plan.problem
    binds = [shadow for shadow in a.plan.shadows if shadow.quarter == when_of(a, q)]
    for s, system in enumerate(p.systems):
        for i, site in enumerate(p.sites):
            count = float(a.plan.systems[i, s, q])
            if not count:
                continue
            demands = [f"demand.{w}.{when_of(a, q)}" for w in p.workloads]
            limits = [
                f"constraint that binds: {sh.words}"
                for sh in binds
                if sh.constraint in (f"at {site}", f"of {system}", "of the tranches")
            ]
            facts = [f"systems.{system}.availability", *_power_fact(a, i, q)]
            found.add(
                Figure(
                    quantity="systems",
                    site=site,
                    system=system,
                    quarter=when_of(a, q),
                    value=count,
                    unit="systems",
                    how="the linear programme’s choice, rounded to whole systems",
                    of=(*demands, *_modes_at(a, s, q), *facts, *limits),
                )
            )


def _power_fact(a: Account, i: int, q: int) -> list[str]:
    p = a.plan.problem
    day = p.fleet.quarter(q).first_day
    held = [fact for first, fact in p.fleet.sites[p.sites[i]].power if first <= day]
    return [held[-1].name] if held else []


def _site(found: Figures, a: Account, i: int, q: int) -> None:
    p, site, when = a.plan.problem, a.plan.problem.sites[i], when_of(a, q)
    stands = tuple(
        f"systems.{site}.{s}.{when}" for s in p.systems if f"systems.{site}.{s}.{when}" in found.by_name
    )
    if not stands:
        return
    systems = [name for s, name in enumerate(p.systems) if a.plan.systems[i, s, q]]
    modes = tuple(
        mode for s in range(len(p.systems)) if a.plan.systems[i, s, q] for mode in _modes_at(a, s, q)
    )
    idle = tuple(f"systems.{s}.idle" for s in systems)
    rows = (
        (
            "mwh",
            a.mwh[i, q],
            "MWh",
            "energy of what stands idle and works, x PUE",
            (*stands, *modes, *idle, f"sites.{site}.pue"),
        ),
        (
            "peak_mw",
            a.peak_mw[i, q],
            "MW",
            f"{p.fleet.policies.power} power in the busiest hours",
            (*stands, *modes, *idle, f"sites.{site}.pue"),
        ),
        (
            "set_aside_mw",
            a.set_aside_mw[i, q],
            "MW",
            f"{p.fleet.policies.power} power set aside for what stands",
            (*stands, *(f"systems.{s}.provision" for s in systems), f"sites.{site}.pue"),
        ),
        (
            "usd_energy",
            a.energy_usd[i, q],
            "USD",
            "energy x price of its hours",
            (f"mwh.{site}.{when}", f"sites.{site}.price", f"sites.{site}.price_growth"),
        ),
        (
            "usd_lease",
            a.lease[i, q],
            "USD",
            "power set aside, with the building, x lease x 3 months",
            (
                *stands,
                *(f"systems.{s}.provision" for s in systems),
                f"sites.{site}.pue",
                f"sites.{site}.lease",
            ),
        ),
        (
            "t_operation",
            a.operation[i, q],
            "t",
            "energy x carbon of its hours",
            (f"mwh.{site}.{when}", f"sites.{site}.carbon", f"sites.{site}.carbon_growth"),
        ),
        ("m3_water", a.water[i, q], "m3", "IT energy x water", (f"mwh.{site}.{when}", f"sites.{site}.water")),
    )
    for quantity, value, unit, how, of in rows:
        found.add(
            Figure(quantity=quantity, site=site, quarter=when, value=float(value), unit=unit, how=how, of=of)
        )


def _money(found: Figures, a: Account, q: int) -> None:
    p, when = a.plan.problem, when_of(a, q)
    for s, system in enumerate(p.systems):
        if not a.plan.systems[:, s, q].any():
            continue
        stands = there(found, *(f"systems.{i}.{system}.{when}" for i in p.sites))
        facts = tuple(f"systems.{system}.{name}" for name in ("price", "price_growth", "life", "maintenance"))
        found.add(
            Figure(
                quantity="usd_capital",
                system=system,
                quarter=when,
                value=float(a.capital[:, s, q].sum()),
                unit="USD",
                how="price when bought x (annuity over its life + maintenance) of a quarter",
                of=(*stands, *facts, "policies.discount"),
            )
        )
        found.add(
            Figure(
                quantity="t_embodied",
                system=system,
                quarter=when,
                value=float(a.embodied[:, s, q].sum()),
                unit="t",
                how="embodied carbon over the quarters of its life",
                of=(*stands, f"systems.{system}.embodied", f"systems.{system}.life"),
            )
        )
        found.add(
            Figure(
                quantity="utilisation",
                system=system,
                quarter=when,
                value=float(a.busy[s, q]),
                unit="1",
                how="systems at work over systems that stand and are not broken, mean of the day",
                of=(*stands, *_modes_at(a, s, q), f"systems.{system}.availability"),
            )
        )
    parts = there(
        found,
        *(f"usd_capital.{s}.{when}" for s in p.systems),
        *(f"{kind}.{i}.{when}" for kind in ("usd_lease", "usd_energy") for i in p.sites),
    )
    found.add(
        Figure(
            quantity="usd",
            quarter=when,
            value=float(a.usd[q]),
            unit="USD",
            how="capital + lease + energy + price of carbon",
            of=(*parts, "policies.carbon_price"),
        )
    )
    for name, array, unit in (
        ("mwh", a.mwh, "MWh"),
        ("t_operation", a.operation, "t"),
        ("set_aside_mw", a.set_aside_mw, "MW"),
        ("peak_mw", a.peak_mw, "MW"),
    ):
        of = there(found, *(f"{name}.{i}.{when}" for i in p.sites))
        found.add(
            Figure(
                quantity=name, quarter=when, value=float(array[:, q].sum()), unit=unit, how="all sites", of=of
            )
        )
    of = there(found, *(f"t_embodied.{s}.{when}" for s in p.systems))
    value = float(a.embodied[:, :, q].sum())
    found.add(Figure(quantity="t_embodied", quarter=when, value=value, unit="t", how="all systems", of=of))
