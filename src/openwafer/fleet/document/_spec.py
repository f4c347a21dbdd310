"""What a fact of a plan must be: its kind, its unit and its range."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from openwafer.fleet.document._fact import PlanFact

SpecKind: TypeAlias = Literal["number", "numbers", "date"]
DatedFacts: TypeAlias = tuple[tuple[datetime.date, PlanFact], ...]
"""Facts that hold from a date on, earliest first."""

CONVERSIONS: Mapping[tuple[str, str], float] = {
    ("c/kWh", "USD/MWh"): 10.0,
    ("USD/kWh", "USD/MWh"): 1000.0,
    ("kg/MWh", "g/kWh"): 1.0,
    ("kW", "MW"): 1e-3,
    ("GW", "MW"): 1e3,
    ("tokens/min", "tokens/s"): 1 / 60,
    ("tokens/day", "tokens/s"): 1 / 86_400,
    ("ms", "s"): 1e-3,
    ("%", "1"): 0.01,
    ("%/year", "1/year"): 0.01,
    ("kg", "t"): 1e-3,
    ("months", "weeks"): 365.25 / 12 / 7,
    ("W", "kW"): 1e-3,
}
"""(given, wanted) → factor."""


@dataclass(frozen=True, slots=True)
class FactSpec:
    """`unit` is what the value is converted to; `by_date`: a table of dates, each with a fact; `by_name`:
    one of
    names; `optional`: neither the file nor the defaults need to have it."""

    kind: SpecKind
    unit: str
    low: float = 0.0
    high: float = 1e15
    length: int = 1
    by_date: bool = False
    by_name: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class WordSpec:
    """A plain text: one of `known`, or any when there is none."""

    known: tuple[str, ...] = ()
    default: str | None = None
    is_needed: bool = False


def number(unit: str, low: float = 0.0, high: float = 1e15, *, optional: bool = False) -> Any:
    return _field(FactSpec("number", unit, low, high, optional=optional))


def numbers(unit: str, length: int, low: float = 0.0, high: float = 1e6) -> Any:
    return _field(FactSpec("numbers", unit, low, high, length, optional=True))


def by_date(unit: str, low: float = 0.0, high: float = 1e15, *, optional: bool = False) -> Any:
    return _field(FactSpec("number", unit, low, high, by_date=True, optional=optional))


def by_name(unit: str, low: float = 0.0, high: float = 1e15) -> Any:
    return _field(FactSpec("number", unit, low, high, by_name=True, optional=True))


def date(*, optional: bool = False) -> Any:
    return _field(FactSpec("date", "date", optional=optional))


def word(*known: str, default: str | None = None, is_needed: bool = False) -> Any:
    return dataclasses.field(metadata={"spec": WordSpec(known, default, is_needed)})


def at_date(facts: DatedFacts, day: datetime.date) -> PlanFact | None:
    """The last fact that holds at a day; None before the first."""
    return next((fact for first, fact in reversed(facts) if first <= day), None)


def _field(spec: FactSpec) -> Any:
    return dataclasses.field(metadata={"spec": spec})


def fields_of(table: type[Any]) -> dict[str, FactSpec | WordSpec]:
    """What a table may state, by name: `from_date` is the key `from`."""
    return {key_of(f.name): f.metadata["spec"] for f in dataclasses.fields(table) if "spec" in f.metadata}


def key_of(name: str) -> str:
    """The key in a file for the name of an attribute."""
    return name.removesuffix("_date") if name in ("from_date", "until_date") else name
