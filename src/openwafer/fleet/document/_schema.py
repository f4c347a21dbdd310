# ruff: noqa: RUF009 (the calls return `dataclasses.field`)
"""What a plan's file says: one dataclass a table, one attribute a fact, with its unit and its range.

Tables are keyed by names of the user's own: `[sites.oklahoma]`, `[workloads.chat]`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openwafer.diag import Source, Span
from openwafer.estimate import ModelConfig
from openwafer.fleet.document._fact import PlanFact
from openwafer.fleet.document._quarter import Quarter
from openwafer.fleet.document._spec import DatedFacts, by_date, by_name, date, number, numbers, word
from openwafer.machine.systems import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An entry of a table: its name, and where it stands in the file."""

    name: str
    span: Span | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site(Named):
    """A place with power. `price` and `carbon` are means; by hour of the day and by season they are factors,
    whose own mean does not matter. `water` and `pue` are over IT energy."""

    place: str | None = word()
    grid: str | None = word()
    latitude: PlanFact | None = number("deg", -90, 90, optional=True)
    longitude: PlanFact | None = number("deg", -180, 180, optional=True)
    power: DatedFacts = by_date("MW", 0, 1e6)
    price: PlanFact = number("USD/MWh", 0, 1e5)
    price_by_hour: PlanFact | None = numbers("1", 24)
    price_by_season: PlanFact | None = numbers("1", 4)
    price_growth: PlanFact = number("1/year", -0.9, 10)
    carbon: PlanFact = number("g/kWh", 0, 1e4)
    carbon_by_hour: PlanFact | None = numbers("1", 24)
    carbon_by_season: PlanFact | None = numbers("1", 4)
    carbon_growth: PlanFact = number("1/year", -0.9, 10)
    pue: PlanFact = number("1", 1, 5)
    water: PlanFact = number("L/kWh", 0, 100)
    lease: PlanFact = number("USD/kW-month", 0, 1e5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tranche(Named):
    """Power that a contract adds evenly from one date to another; all tranches together bound the fleet."""

    power: PlanFact = number("MW", 0, 1e6)
    from_date: PlanFact = date()
    until_date: PlanFact = date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Product(Named):
    """A system that can be bought. `provision` is the power that is set aside for one, hosts included;
    `installed`, by site, stand when the plan begins and are paid for; `deliveries` are the most a quarter;
    `embodied` is what its making emitted."""

    system: str | None = word()
    price: PlanFact = number("USD", 0, 1e12)
    price_growth: PlanFact = number("1/year", -0.9, 10)
    provision: PlanFact = number("kW", 1e-3, 1e6)
    idle: PlanFact = number("kW", 0, 1e6)
    installed: Mapping[str, PlanFact] | None = by_name("systems", 0, 1e9)
    deliveries: DatedFacts = by_date("systems/quarter", 0, 1e9)
    lead: PlanFact = number("weeks", 0, 1e3)
    availability: PlanFact = number("1", 0.01, 1)
    life: PlanFact = number("years", 0.25, 50)
    maintenance: PlanFact = number("1/year", 0, 1)
    embodied: PlanFact = number("t", 0, 1e6)
    facts: System = field(repr=False)

    @property
    def kind(self) -> str:
        """`wafer` or `gpu`."""
        return "wafer" if hasattr(self.facts, "machine") else "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload(Named):
    """Requests of one kind. `demand` counts output tokens, as a mean over the day, and holds where the plan
    begins; it grows by `growth`. `served` is the part that the plan promises; what is not served costs
    `value`. `first_token` is the 99th percentile, `burst` the highest ten minutes over their hour.
    `shift = "day"`: it may be served at any hour of its day."""

    model: str = word(is_needed=True)
    precision: str | None = word()
    tier: str = word("default", "priority", "flex", default="default")
    shift: str = word("no", "day", default="no")
    input: PlanFact = number("tokens", 1, 1e8)
    output: PlanFact = number("tokens", 1, 1e8)
    demand: PlanFact = number("tokens/s", 1e-9, 1e15)
    growth: PlanFact = number("1/year", -0.99, 1e3)
    by_hour: PlanFact | None = numbers("1", 24)
    burst: PlanFact = number("1", 1, 1e3)
    gap_cv: PlanFact = number("1", 0, 1e3)
    length_cv: PlanFact = number("1", 0, 1e3)
    speed: PlanFact = number("tokens/s", 0, 1e6)
    first_token: PlanFact = number("s", 1e-6, 1e6)
    served: PlanFact = number("1", 0, 1)
    value: PlanFact | None = number("USD/Mtok", 0, 1e9, optional=True)
    per_user: PlanFact | None = number("tokens/s", 1e-9, 1e9, optional=True)
    drafted: PlanFact = number("tokens", 0, 64)
    accepted: PlanFact = number("1", 0, 0.999)
    config: ModelConfig = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets(Named):
    """What may not be exceeded; what is not stated is not bounded."""

    capital: PlanFact | None = number("USD", 0, 1e15, optional=True)
    capital_per_quarter: PlanFact | None = number("USD/quarter", 0, 1e15, optional=True)
    carbon: PlanFact | None = number("t/quarter", 0, 1e12, optional=True)
    water: PlanFact | None = number("m3/quarter", 0, 1e12, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies(Named):
    """`power`: whether the megawatts of sites and tranches count IT or the whole facility. `confidence` is
    the part of draws in which all promises must hold."""

    objective: str = word("cost", "carbon", "speed", default="cost")
    power: str = word("it", "facility", default="facility")
    discount: PlanFact = number("1/year", 0, 1)
    carbon_price: PlanFact = number("USD/t", 0, 1e6)
    confidence: PlanFact | None = number("1", 0.5, 0.999, optional=True)
    premium: PlanFact = number("1", 0, 10)


RISKS = (
    "demand",
    "growth",
    "electricity",
    "carbon",
    "site-delay",
    "system-delay",
    "wafer-throughput",
    "gpu-throughput",
    "wafer-price",
    "gpu-price",
    "failures",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk(Named):
    """What may turn out otherwise: factors on what the plan takes (weeks for delays), of which one draw in
    ten is lower than `low` and one higher than `high`. Risks with the same `cause` move together: `shared` is
    the part of the variance that they have in common (minus: in the opposite direction)."""

    what: str = word(*RISKS, is_needed=True)
    cause: str | None = word()
    low: PlanFact | None = number("1", 0, 1e6, optional=True)
    high: PlanFact | None = number("1", 0, 1e6, optional=True)
    late: PlanFact | None = number("1", 0, 1, optional=True)
    weeks: PlanFact | None = number("weeks", 0, 1e3, optional=True)
    shared: PlanFact = number("1", -1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option(Named):
    """Power that may be taken later, by a decision at `decide`."""

    power: PlanFact = number("MW", 0, 1e6)
    decide: PlanFact = date()
    from_date: PlanFact = date()
    until_date: PlanFact = date()


TABLES: dict[str, type[Any]] = {
    "sites": Site,
    "tranches": Tranche,
    "systems": Product,
    "workloads": Workload,
    "risks": Risk,
    "options": Option,
}
"""Tables of entries with names of the user's own."""
SINGLE: dict[str, type[Any]] = {"budgets": Budgets, "policies": Policies}


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """A plan's file, read and checked. `source` is its text."""

    name: str
    start: Quarter
    quarters: int
    sites: Mapping[str, Site]
    tranches: Mapping[str, Tranche]
    systems: Mapping[str, Product]
    workloads: Mapping[str, Workload]
    budgets: Budgets
    policies: Policies
    risks: Mapping[str, Risk]
    options: Mapping[str, Option]
    facts: Mapping[str, PlanFact] = field(repr=False)
    source: Source = field(repr=False, compare=False)

    def quarter(self, index: int) -> Quarter:
        return self.start + index

    @property
    def end(self) -> datetime.date:
        """The first day after the plan."""
        return (self.start + self.quarters).first_day
