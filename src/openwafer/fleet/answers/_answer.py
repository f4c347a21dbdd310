"""The whole answer to a plan's file: the plan, what it is compared with, and what may turn out otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

from openwafer.diag import DiagnosticError
from openwafer.fleet.answers._account import Account, account
from openwafer.fleet.answers._figure import Figures
from openwafer.fleet.answers._figures import figures_of
from openwafer.fleet.answers._figures_risks import add_case, add_changes, add_risks
from openwafer.fleet.answers._orders import Order, orders_of
from openwafer.fleet.answers._sensitivity import Change, changes
from openwafer.fleet.answers._tradeoff import Point, tradeoff
from openwafer.fleet.document import Fleet
from openwafer.fleet.sizing import Goal, Plan, Problem, of_kind, prepare, size
from openwafer.fleet.uncertainty import (
    FRESH_SEED,
    Bar,
    Draws,
    Outcomes,
    Robust,
    Worth,
    draw,
    evaluate,
    has_values,
    option,
    robust,
    tornado,
    towards,
    waiting,
)

Told = Callable[[str], None]
DRAWS = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One plan of the comparison; `why` it is none where there is no plan."""

    label: str
    account: Account | None
    why: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """`chosen` is the plan; `cases` stand beside it. `robust` where a confidence is asked for."""

    fleet: Fleet
    problem: Problem
    chosen: Account
    figures: Figures
    robust: Robust | None
    cases: tuple[Case, ...] = ()
    tradeoff: tuple[Point, ...] = ()
    changes: tuple[Change, ...] = ()
    draws: Draws | None = field(default=None, repr=False)
    outcomes: Outcomes | None = field(default=None, repr=False)
    bars: tuple[Bar, ...] = ()
    worth: tuple[Worth, ...] = ()

    @property
    def plan(self) -> Plan:
        return self.chosen.plan

    @property
    def orders(self) -> list[Order]:
        return orders_of(self.plan)


def _quiet(_: str) -> None:
    pass


def answer(
    fleet: Fleet, *, count: int = DRAWS, told: Told = _quiet, is_whole: bool = True, is_sure: bool = False
) -> Answer:
    """Plans, compares and draws; `told` hears what is being done. `count` 0 leaves uncertainty out; without
    `is_whole` there is the plan only, with `is_sure` and its draws.

    Diagnostics: those of `prepare`, `size` and `robust`."""
    told("estimates")
    problem = prepare(fleet)
    told("the cheapest plan")
    cheapest = size(problem, label="cheapest")
    goal = goal_of(fleet, cheapest)
    found = _confident(problem, fleet, told) if count else None
    plan = found.plan if found else (cheapest if goal.what == "cost" else size(problem, goal, goal.what))
    chosen = account(plan)
    first = Answer(fleet=fleet, problem=problem, chosen=chosen, figures=figures_of(chosen), robust=found)
    if is_sure:
        return with_figures(_uncertain(first, count, told))
    if not is_whole:
        return first
    return with_figures(_uncertain(_compared(first, cheapest, told), count, told))


def _compared(found: Answer, cheapest: Plan, told: Told) -> Answer:
    told("comparison")
    cases = _cases(found.problem, cheapest, found.fleet)
    told("cost against carbon")
    points = tradeoff(found.problem, cheapest)
    told("sensitivity")
    tried = changes(found.fleet, found.problem, told)
    return dataclasses.replace(found, cases=tuple(cases), tradeoff=tuple(points), changes=tuple(tried))


def _uncertain(found: Answer, count: int, told: Told) -> Answer:
    if not count or not found.fleet.risks:
        return found
    told(f"{count} draws")
    draws = draw(found.plan.problem, count, FRESH_SEED)
    outcomes = evaluate(found.plan, draws)
    return dataclasses.replace(
        found,
        draws=draws,
        outcomes=outcomes,
        bars=tuple(tornado(found.plan, draws, outcomes)),
        worth=tuple(_worth(found.problem, found.fleet, told)),
    )


def with_figures(found: Answer) -> Answer:
    """The same with the numbers of the comparison and of the draws among its figures."""
    for case in found.cases:
        if case.account is not None:
            add_case(found.figures, case.label, case.account)
    add_changes(found.figures, found.changes)
    if found.outcomes is not None:
        add_risks(found.figures, found.outcomes, found.bars, found.worth, found.robust)
    return found


def goal_of(fleet: Fleet, cheapest: Plan) -> Goal:
    """What the file asks for; cleanest and fastest may cost the premium more and serve as much."""
    what = fleet.policies.objective
    if what == "cost":
        return Goal()
    most = cheapest.usd * (1 + fleet.policies.premium.number)
    return Goal(what=what, most_usd=most, unserved=cheapest.unserved)


def _confident(problem: Problem, fleet: Fleet, told: Told) -> Robust | None:
    policies = fleet.policies
    if policies.confidence is None:
        return None
    found = robust(problem, policies.confidence.number, told=told)
    if policies.objective == "cost":
        return found
    return towards(problem, found, policies.objective, policies.premium.number)


def _cases(problem: Problem, cheapest: Plan, fleet: Fleet) -> list[Case]:
    """The cheapest plan without regard to risks, with each kind only, and with power counted the other
    way."""
    cases = [Case(label="cheapest", account=account(cheapest))]
    for kind, label in (("wafer", "wafers only"), ("gpu", "GPUs only")):
        if any(product.kind == kind for product in fleet.systems.values()):
            cases.append(_case(label, lambda kind=kind: of_kind(problem, kind)))
    other = "it" if fleet.policies.power == "facility" else "facility"
    label = "power as IT" if other == "it" else "power as facility"
    policies = dataclasses.replace(fleet.policies, power=other)
    factor = problem.pue if other == "facility" else problem.pue * 0 + 1
    turned = dataclasses.replace(
        problem, site_factor=factor, fleet=dataclasses.replace(fleet, policies=policies)
    )
    return [*cases, _case(label, lambda: size(turned))]


def _case(label: str, plan: Callable[[], Plan]) -> Case:
    try:
        return Case(label=label, account=account(plan()))
    except DiagnosticError as why:
        return Case(label=label, account=None, why=why.diagnostics[0].message)


def _worth(problem: Problem, fleet: Fleet, told: Told) -> list[Worth]:
    if not has_values(problem):
        return []
    return [waiting(problem, told), *(option(problem, held, told) for held in fleet.options.values())]
