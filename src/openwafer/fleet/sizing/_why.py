"""Which constraints cannot hold together: the smallest set, found by leaving out one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from openwafer.diag import Diagnostic, Span
from openwafer.fleet.document import Fleet
from openwafer.fleet.sizing._highs import solve
from openwafer.fleet.sizing._problem import Problem
from openwafer.fleet.sizing._program import build

Holds = Callable[[frozenset[str]], bool]


def groups_of(problem: Problem) -> list[str]:
    """Names of all constraints that a person may change; those that are kept longest come last."""
    fleet, budgets = problem.fleet, problem.fleet.budgets
    found = [f"power of {site}" for site in problem.sites]
    found += [f"deliveries of {system}" for system in problem.systems]
    named = {
        "capital": budgets.capital,
        "capital a quarter": budgets.capital_per_quarter,
        "carbon": budgets.carbon,
        "water": budgets.water,
    }
    found += [name for name, fact in named.items() if fact]
    found += ["power of the tranches"] if fleet.tranches else []
    return [*found, *(f"promise to {name}" for name in problem.workloads)]


def smallest(groups: Sequence[str], fails: Holds) -> list[str]:
    """A set of constraints that cannot hold, of which none can be left out: the deletion filter.

    `fails` tells whether the plan is impossible without the constraints that it is given."""
    left_out: set[str] = set()
    for group in groups:
        if fails(frozenset(left_out | {group})):
            left_out.add(group)
    return [group for group in groups if group not in left_out]


def cannot_hold(problem: Problem) -> list[str]:
    """The smallest set of constraints for which there is no plan; empty when there is one."""

    def fails(without: frozenset[str]) -> bool:
        return solve(build(problem, without).program).status == "infeasible"

    if not fails(frozenset()):
        return []
    groups = groups_of(problem)
    kinds = [group for group in groups if group.startswith(("power of ", "deliveries of "))]
    for kind in ("deliveries of ", "power of "):  # most are left out at once
        some = frozenset(
            group for group in kinds if group.startswith(kind) and group != "power of the tranches"
        )
        if some and fails(some):
            groups = [group for group in groups if group not in some]
            return smallest(groups, lambda without, some=some: fails(without | some))
    return smallest(groups, fails)


def first_quarter(problem: Problem, groups: Iterable[str]) -> int:
    """The first quarter from which on the constraints cannot hold: the plan ends before."""
    without = frozenset(groups_of(problem)) - frozenset(groups)
    low, high = 1, problem.quarters
    while low < high:
        middle = (low + high) // 2
        ended = build(until(problem, middle), without)
        if solve(ended.program).status == "infeasible":
            high = middle
        else:
            low = middle + 1
    return low - 1


def until(problem: Problem, quarters: int) -> Problem:
    """The problem of the first quarters only."""
    cut = {
        name: getattr(problem, name)[:, :quarters]
        for name in ("site_mw", "deliveries", "price", "carbon", "demand", "usd", "charge")
    }
    ends = {name: getattr(problem, name)[:quarters] for name in ("fleet_mw", "discount")}
    return dataclasses.replace(problem, **cut, **ends)


def impossible(problem: Problem) -> Diagnostic:
    """Diagnostic fleet-impossible: what cannot hold, from when on, and where it is stated."""
    groups = cannot_hold(problem)
    quarter = problem.fleet.quarter(first_quarter(problem, groups))
    words = ", ".join(groups[:-1]) + (" and " if len(groups) > 1 else "") + "".join(groups[-1:])
    verb = "cannot hold together" if len(groups) > 1 else "cannot hold"
    places = [(group, place_of(problem.fleet, group)) for group in groups]
    notes = tuple(f"{group}: {span}" for group, span in places if span is not None)
    span = next((span for group, span in places if group.startswith("promise")), None)
    help = "leave out any one of them and there is a plan" if len(groups) > 1 else None
    data = {"constraints": groups, "quarter": str(quarter)}
    return Diagnostic(
        "fleet-impossible", f"{words} {verb} in {quarter}", span, notes=notes, help=help, data=data
    )


def place_of(fleet: Fleet, group: str) -> Span | None:
    """Where a constraint is stated in the file."""
    kind, _, name = group.partition(" of ") if " of " in group else group.partition(" to ")
    if kind == "power" and name in fleet.sites:
        return fleet.sites[name].power[0][1].span
    if kind == "power":
        return next((t.span for t in fleet.tranches.values()), None)
    if kind == "deliveries":
        return fleet.systems[name].span
    if kind == "promise":
        fact = fleet.workloads[name].served
        stated = fact.span is not None and fact.span.source is fleet.source
        return fact.span if stated else fleet.workloads[name].span
    return fleet.budgets.span


def unservable(problem: Problem) -> list[str]:
    """Workloads that no system serves fast enough."""
    served = set(np.unique(problem.mode_workload))
    return [name for at, name in enumerate(problem.workloads) if at not in served]
