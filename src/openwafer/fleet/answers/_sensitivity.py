"""The cheapest plan under other prices, other speeds that users need, and speculative decoding."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from openwafer.diag import DiagnosticError
from openwafer.fleet.document import Fleet, PlanFact
from openwafer.fleet.sizing import Goal, Problem, prepare, relaxed_plan

PRICES = (0.5, 2.0)
SPEEDS = (0.5, 2.0)
DRAFTED, ACCEPTED = 4.0, 0.7
"""What is tried of speculative decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`usd` of today over that of the plan as it is, `wafers` the part of the tokens that wafers serve; None
    where
    there is no plan, and `why`. With parts of systems."""

    label: str
    usd: float | None
    wafers: float | None
    why: str = ""


def changes(fleet: Fleet, problem: Problem, told: Callable[[str], None] = lambda _: None) -> list[Change]:
    """One change at a time; the first is none. Nothing where a plan costs nothing."""
    base = _solved("as it is", problem, 1.0)
    if base.usd is None or base.usd <= 0:
        return []
    found = [dataclasses.replace(base, usd=1.0)]
    for label, changed in _tried(fleet, problem):
        told(f"sensitivity: {label}")
        try:
            found.append(_solved(label, changed(), base.usd))
        except DiagnosticError as why:
            found.append(Change(label=label, usd=None, wafers=None, why=why.diagnostics[0].message))
    return found


def _tried(fleet: Fleet, problem: Problem) -> Iterator[tuple[str, Callable[[], Problem]]]:
    kinds = {product.kind for product in fleet.systems.values()}
    for kind, word in (("wafer", "wafers"), ("gpu", "GPUs")):
        for factor in PRICES:
            if kind in kinds:
                yield f"{word} at {factor:g} x their price", lambda k=kind, f=factor: _priced(problem, k, f)
    for factor in SPEEDS:
        yield f"{factor:g} x the speed a user needs", lambda f=factor: prepare(_faster(fleet, f))
    label = f"speculative decoding, {DRAFTED:g} drafted, {ACCEPTED:.0%} right"
    yield label, lambda: prepare(_speculating(fleet))


def _priced(problem: Problem, kind: str, factor: float) -> Problem:
    usd = problem.usd.copy()
    for s, name in enumerate(problem.systems):
        usd[s] *= factor if problem.fleet.systems[name].kind == kind else 1.0
    return dataclasses.replace(problem, usd=usd)


def _scaled(fact: PlanFact, value: float) -> PlanFact:
    return dataclasses.replace(fact, value=value, status="assumed", source="sensitivity")


def _faster(fleet: Fleet, factor: float) -> Fleet:
    return dataclasses.replace(
        fleet,
        workloads={
            name: dataclasses.replace(w, speed=_scaled(w.speed, w.speed.number * factor))
            for name, w in fleet.workloads.items()
        },
    )


def _speculating(fleet: Fleet) -> Fleet:
    return dataclasses.replace(
        fleet,
        workloads={
            name: dataclasses.replace(
                w, drafted=_scaled(w.drafted, DRAFTED), accepted=_scaled(w.accepted, ACCEPTED)
            )
            for name, w in fleet.workloads.items()
        },
    )


def _solved(label: str, problem: Problem, base: float) -> Change:
    usd, tokens = relaxed_plan(problem, Goal())
    total = sum(tokens.values())
    return Change(label=label, usd=usd / base, wafers=tokens.get("wafer", 0.0) / max(total, 1e-12))
