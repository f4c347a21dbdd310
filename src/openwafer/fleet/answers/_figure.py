"""Numbers of an answer, each with what it was made of, down to facts, estimates and constraints."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from openwafer.diag import error, suggest
from openwafer.fleet.document import Fleet, PlanFact
from openwafer.fleet.sizing import Mode

MOST_DEPTH = 6
MOST_INPUTS = 12
"""Shown of one number; the rest are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`how` is the formula in words; `of` are the names of what it is made of."""

    quantity: str
    value: float
    unit: str
    how: str
    of: tuple[str, ...] = ()
    site: str = ""
    system: str = ""
    workload: str = ""
    quarter: str = ""

    @property
    def name(self) -> str:
        parts = (self.quantity, self.site, self.system, self.workload, self.quarter)
        return ".".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Trace:
    """One line of an explanation, at a depth."""

    depth: int
    text: str


@dataclass(slots=True)
class Figures:
    """All numbers of one plan by name."""

    fleet: Fleet
    modes: dict[str, Mode]
    by_name: dict[str, Figure] = field(default_factory=dict[str, Figure])

    def add(self, figure: Figure) -> str:
        """Its name."""
        self.by_name[figure.name] = figure
        return figure.name

    def value(self, name: str) -> float:
        return self.by_name[name].value

    def find(self, wanted: str, forms: Callable[[float], set[str]] | None = None) -> list[Figure]:
        """By name, by a pattern such as `usd.*`, or by the number in one of the `forms` in which it is
        printed.

        Diagnostics: fleet-no-such-number."""
        if wanted in self.by_name:
            return [self.by_name[wanted]]
        found = [f for name, f in self.by_name.items() if fnmatch.fnmatchcase(name, wanted)]
        found = found or [f for f in self.by_name.values() if wanted in (forms or printed)(f.value)]
        if not found:
            kinds = sorted({figure.quantity for figure in self.by_name.values()})
            hint = suggest(wanted, self.by_name) or f"names begin with {', '.join(kinds)}"
            raise error("fleet-no-such-number", f"no number `{wanted}` in this plan", help=hint)
        return found

    def explain(self, figure: Figure) -> list[Trace]:
        """The number and all that it is made of; what was told already is only named."""
        return list(self._lines(figure.name, 0, set()))

    def _lines(self, name: str, depth: int, told: set[str]) -> Iterator[Trace]:
        yield Trace(depth, self._text(name))
        figure = self.by_name.get(name)
        if figure is None or name in told or depth >= MOST_DEPTH:
            return
        told.add(name)
        shown_now = above = 0
        for inner in figure.of:
            if inner in told:
                above += 1
            elif shown_now < MOST_INPUTS:
                shown_now += 1
                yield from self._lines(inner, depth + 1, told)
                told.add(inner)
        if rest := len(figure.of) - above - shown_now:
            yield Trace(depth + 1, f"… and {rest} more of this kind")
        if above:
            yield Trace(depth + 1, f"… and {above} that stand above")

    def _text(self, name: str) -> str:
        if figure := self.by_name.get(name):
            return f"{name} = {shown(figure.value)} {figure.unit}: {figure.how}"
        if fact := self.fleet.facts.get(name):
            return fact_text(fact)
        if name.startswith("estimate."):
            return estimate_text(self.fleet, self.modes[name.removeprefix("estimate.")])
        return name


def printed(value: float) -> set[str]:
    """The ways in which a number is printed."""
    return {shown(value), f"{value:,.0f}", f"{value:,.1f}", f"{value:,.2f}", f"{value:.3g}", f"{value:g}"}


def shown(value: float) -> str:
    """Four significant digits, thousands with commas."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def fact_text(fact: PlanFact) -> str:
    value = fact.used
    text = ", ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value:,}"
    if isinstance(value, float):
        text = f"{value:,g}"
    if fact.value is None:
        text = f"undisclosed, planned with {text}"
    unit = "" if fact.unit in ("1", "date") else f" {fact.unit}"
    note = f"; {fact.note}" if fact.note else ""
    return f"fact {fact.name} = {text}{unit} ({fact.status}: {fact.source}{note})"


def estimate_text(fleet: Fleet, mode: Mode) -> str:
    """The estimate with the command that gives it."""
    workload, found = fleet.workloads[mode.workload], mode.estimate
    band = found.tokens_per_s_per_system
    command = (
        f"openwafer estimate {workload.model} --on {found.system} --users {mode.users:g}"
        f" --input {workload.input.number:g} --output {workload.output.number:g}"
        f" --tokens-per-second-per-user {mode.least:g}"
    )
    assumed = f"; assumed: {', '.join(found.assumed)}" if found.assumed else ""
    return (
        f"estimate {mode.name} = {shown(band.value)} ({shown(band.low)} to {shown(band.high)}) tokens/s "
        f"a system, {mode.kw:.4g} kW, {shown(mode.speed)} tokens/s a user ({command}{assumed})"
    )
