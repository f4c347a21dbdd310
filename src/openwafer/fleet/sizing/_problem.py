"""A plan as arrays: sites, systems, workloads, modes, quarters, blocks of the day.

Axes by letter: i site, s system, w workload, m mode, q quarter, b block. Powers and prices are those of the
middle of a quarter.
"""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.document import HOURS_PER_QUARTER, Fleet, PlanFact, Product, Workload, at_date, part_done
from openwafer.fleet.sizing._modes import Mode

Floats: TypeAlias = NDArray[np.float64]
BLOCKS = (4, 8, 12)
"""Hours of the day with most, less and least traffic."""
HOURS = 24


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """`site_mw`[i, q], `fleet_mw`[q], `deliveries`[s, q], `installed`[i, s] that stand when the plan begins,
    `price`[i, q, b] USD/MWh, `carbon`[i, q, b] g/kWh,
    `demand`[w, q] output tokens/s, `mean`[w, b], `peak`[w, b] over the mean of the day, `usd`[s, q] of a
    system, `charge`[q]: what a dollar of a system that is bought then costs to the end of the plan, today;
    `discount`[q] of a quarter's costs; `site_factor`[i]: what the megawatts of a site count over IT power;
    `busy`[m]: the most of a pool that may be in use."""

    fleet: Fleet
    sites: tuple[str, ...]
    systems: tuple[str, ...]
    workloads: tuple[str, ...]
    modes: tuple[Mode, ...]
    mode_system: NDArray[np.intp]
    mode_workload: NDArray[np.intp]
    hours: Floats
    site_mw: Floats
    fleet_mw: Floats
    deliveries: Floats
    installed: Floats
    price: Floats
    carbon: Floats
    pue: Floats
    water: Floats
    lease: Floats
    site_factor: Floats
    demand: Floats
    mean: Floats
    peak: Floats
    usd: Floats
    charge: Floats
    discount: Floats
    provision: Floats
    idle: Floats
    availability: Floats
    embodied: Floats
    busy: Floats
    tokens: Floats
    kw: Floats
    speed: Floats

    @property
    def quarters(self) -> int:
        return self.demand.shape[1]

    @property
    def blocks(self) -> int:
        return len(self.hours)

    @property
    def shifts(self) -> NDArray[np.bool_]:
        """Workloads that may be served at any hour of their day."""
        return np.array([self.fleet.workloads[w].shift == "day" for w in self.workloads])

    def only(self, kind: str) -> Problem:
        """The same with systems of one kind."""
        keep = np.array([mode.kind == kind for mode in self.modes], dtype=bool)
        return self.with_modes(keep)

    def with_modes(self, keep: NDArray[np.bool_]) -> Problem:
        """The same with some of the modes."""
        at = np.flatnonzero(keep)
        names = ("mode_system", "mode_workload", "busy", "tokens", "kw", "speed")
        some: dict[str, Any] = {name: getattr(self, name)[at] for name in names}
        return dataclasses.replace(self, modes=tuple(self.modes[k] for k in at), **some)


def middle(fleet: Fleet, index: int) -> datetime.date:
    """The middle of a quarter of the plan."""
    quarter = fleet.quarter(index)
    first, last = quarter.first_day, (quarter + 1).first_day
    return first + (last - first) / 2


def years(fleet: Fleet) -> Floats:
    """From the start of the plan to the middle of each quarter."""
    return (np.arange(fleet.quarters) + 0.5) / 4


def problem_of(fleet: Fleet, modes: tuple[Mode, ...]) -> Problem:
    """The arrays of a plan."""
    sites, systems, workloads = tuple(fleet.sites), tuple(fleet.systems), tuple(fleet.workloads)
    days = [middle(fleet, q) for q in range(fleet.quarters)]
    order, hours = _blocks(fleet)
    shapes = [_shape(fleet.workloads[w], order) for w in workloads]
    pue = _column(fleet.sites, "pue")
    by_name = {name: k for k, name in enumerate(systems)}
    work = {name: k for k, name in enumerate(workloads)}
    prices = [
        _by_block(s.price, s.price_by_hour, s.price_by_season, s.price_growth, fleet, order)
        for s in fleet.sites.values()
    ]
    carbons = [
        _by_block(s.carbon, s.carbon_by_hour, s.carbon_by_season, s.carbon_growth, fleet, order)
        for s in fleet.sites.values()
    ]
    return Problem(
        fleet=fleet,
        sites=sites,
        systems=systems,
        workloads=workloads,
        modes=modes,
        mode_system=np.array([by_name[m.system] for m in modes], dtype=np.intp),
        mode_workload=np.array([work[m.workload] for m in modes], dtype=np.intp),
        hours=hours,
        site_mw=np.array([[_at(s.power, d) for d in days] for s in fleet.sites.values()]),
        fleet_mw=np.array([_tranches(fleet, day) for day in days]),
        installed=_installed(fleet),
        deliveries=np.array([[_at(p.deliveries, d) for d in days] for p in fleet.systems.values()]),
        price=np.stack(prices),
        carbon=np.stack(carbons),
        pue=pue,
        water=_column(fleet.sites, "water"),
        lease=_column(fleet.sites, "lease"),
        site_factor=pue if fleet.policies.power == "facility" else np.ones_like(pue),
        demand=np.stack([_demand(fleet, fleet.workloads[w]) for w in workloads]),
        mean=np.stack([mean for mean, _ in shapes]),
        peak=np.stack([peak for _, peak in shapes]),
        usd=np.stack([_usd(fleet, p) for p in fleet.systems.values()]),
        charge=np.stack([_charge(fleet, p) for p in fleet.systems.values()]),
        discount=_discount(fleet),
        provision=_column(fleet.systems, "provision"),
        idle=_column(fleet.systems, "idle"),
        availability=_column(fleet.systems, "availability"),
        embodied=_column(fleet.systems, "embodied"),
        busy=np.full(len(modes), 0.9),
        tokens=np.array([m.tokens_per_s for m in modes]),
        kw=np.array([m.kw for m in modes]),
        speed=np.array([m.speed for m in modes]),
    )


def _installed(fleet: Fleet) -> Floats:
    held = [p.installed or {} for p in fleet.systems.values()]
    return np.array([[of[site].number if site in of else 0.0 for of in held] for site in fleet.sites])


def _column(table: Any, name: str) -> Floats:
    return np.array([getattr(entry, name).number for entry in table.values()])


def _at(facts: Any, day: datetime.date) -> float:
    fact = at_date(facts, day)
    return 0.0 if fact is None else fact.number


def _tranches(fleet: Fleet, day: datetime.date) -> float:
    """Megawatts of the contract at a day; not bounded where there is none."""
    if not fleet.tranches:
        return np.inf
    return sum(
        t.power.number * part_done(t.from_date.date, t.until_date.date, day) for t in fleet.tranches.values()
    )


def _demand(fleet: Fleet, workload: Workload) -> Floats:
    return workload.demand.number * (1 + workload.growth.number) ** years(fleet)


def _discount(fleet: Fleet) -> Floats:
    return (1 + fleet.policies.discount.number) ** -years(fleet)


def _usd(fleet: Fleet, product: Product) -> Floats:
    return product.price.number * (1 + product.price_growth.number) ** years(fleet)


def quarter_charge(fleet: Fleet, product: Product) -> float:
    """Annuity and maintenance of a quarter, over the price."""
    rate, count = (1 + fleet.policies.discount.number) ** 0.25 - 1, product.life.number * 4
    annuity = rate / (1 - (1 + rate) ** -count) if rate else 1 / count
    return annuity + product.maintenance.number / 4


def _charge(fleet: Fleet, product: Product) -> Floats:
    return quarter_charge(fleet, product) * np.cumsum(_discount(fleet)[::-1])[::-1]


def _blocks(fleet: Fleet) -> tuple[list[NDArray[np.intp]], Floats]:
    """The hours of each block, busiest first, and how many they are."""
    total = np.zeros(HOURS)
    for workload in fleet.workloads.values():
        if workload.shift == "no":
            total += _by_hour(workload.by_hour) * workload.demand.number
    ranked = np.argsort(-total, kind="stable")
    cuts = np.cumsum(BLOCKS)[:-1]
    return np.split(ranked, cuts), np.array(BLOCKS, dtype=np.float64)


def _by_hour(fact: PlanFact | None) -> Floats:
    """Factors of the hours of a day, 1 in the mean."""
    if fact is None:
        return np.ones(HOURS)
    values = np.array(fact.numbers)
    return values / values.mean()


def _shape(workload: Workload, blocks: list[NDArray[np.intp]]) -> tuple[Floats, Floats]:
    if workload.shift == "day":
        return np.ones(len(blocks)), np.ones(len(blocks))
    factors, burst = _by_hour(workload.by_hour), workload.burst.number
    mean = np.array([factors[hours].mean() for hours in blocks])
    return mean, np.array([factors[hours].max() * burst for hours in blocks])


def _by_block(
    fact: PlanFact,
    by_hour: PlanFact | None,
    by_season: PlanFact | None,
    growth: PlanFact,
    fleet: Fleet,
    blocks: list[NDArray[np.intp]],
) -> Floats:
    """[q, b] of a fact that has hours and seasons."""
    hours = _by_hour(by_hour)
    seasons = np.ones(4) if by_season is None else np.array(by_season.numbers) / np.mean(by_season.numbers)
    season = np.array([seasons[fleet.quarter(q).season] for q in range(fleet.quarters)])
    trend = (1 + growth.number) ** years(fleet)
    return fact.number * np.outer(season * trend, [hours[block].mean() for block in blocks])


def quarter_hours(problem: Problem) -> Floats:
    """Hours of a quarter in each block."""
    return problem.hours / HOURS * HOURS_PER_QUARTER
