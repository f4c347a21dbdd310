"""A plan for a confidence: all promises hold in so many of the draws."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import Diagnostic, DiagnosticError
from openwafer.fleet.sizing import Floats, Goal, Plan, Problem, Stress, size
from openwafer.fleet.uncertainty._draws import Draws, draw, from_latent, units_of
from openwafer.fleet.uncertainty._evaluate import evaluate

TRAIN_SEED, FRESH_SEED = 1, 2
TRAIN_DRAWS, FRESH_DRAWS = 2000, 1000
STEPS = 7
MOST_Z = 5.0
FEW = 20
"""Draws that say too little about a direction."""
BEARS = {
    "demand": 1.0,
    "growth": 1.0,
    "site-delay": 1.0,
    "system-delay": 1.0,
    "wafer-throughput": -1.0,
    "gpu-throughput": -1.0,
    "failures": -1.0,
}
"""Risks that decide what can be served, and which way is bad."""
MARGIN = 0.004
"""Over the confidence that is asked for: fresh draws differ."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Robust:
    """`z`: how many deviations the bad case is away; `survival` in draws that the plan was made with,
    `fresh` in
    others; `plain` in those of the plan without a bad case, whose cost is `plain_usd`. `stress`: that bad
    case."""

    plan: Plan
    z: float
    survival: float
    fresh: float
    plain: float
    plain_usd: float
    stress: Stress | None = None


def bad_case(problem: Problem, direction: Mapping[str, float], z: float) -> Stress:
    """All risks at once, each in its part of the direction, `z` deviations away together."""
    latent = {
        name: np.full((1, len(units_of(problem, risk.what))), z * direction.get(name, 0.0))
        for name, risk in problem.fleet.risks.items()
    }
    found = from_latent(problem, latent, 1)
    return Stress(
        demand=found.demand[0] / problem.demand,
        throughput=found.throughput[0],
        availability=float(found.availability[0].min()),
        late=float(found.system_late[0].max() + found.site_late[0].mean()),
    )


def towards_failure(problem: Problem, draws: Draws, failed: NDArray[np.bool_]) -> dict[str, float]:
    """The direction in which the draws lie that break a promise: the mean of each risk that bears on
    capacity,
    of length 1. With few such draws, all such risks the bad way alike."""
    some = failed if failed.sum() >= FEW else np.zeros_like(failed)
    means: dict[str, float] = {}
    for name, risk in problem.fleet.risks.items():
        if risk.what in BEARS:
            means[name] = float(draws.latent[name][some].mean()) if some.any() else BEARS[risk.what]
    length = math.sqrt(sum(mean**2 for mean in means.values())) or 1.0
    return {name: mean / length for name, mean in means.items()}


def robust(
    problem: Problem,
    confidence: float,
    goal: Goal | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Robust:
    """The least bad case for which the plan survives often enough, found by halving.

    Diagnostics: fleet-confidence-out-of-reach, and those of `size`."""
    aim = goal or Goal()
    train = draw(problem, TRAIN_DRAWS, TRAIN_SEED)
    plain = size(problem, aim, "mixed")
    outcomes = evaluate(plain, train)
    first = float(outcomes.survives.mean())
    best, best_z, share, stress = plain, 0.0, first, None
    if first < confidence + MARGIN:
        direction = towards_failure(problem, train, ~outcomes.survives)
        found, most = _search(problem, aim, direction, train, confidence, told)
        if found is None:
            raise DiagnosticError([_out_of_reach(problem, confidence, max(most, first))])
        best, best_z, share = found
        stress = bad_case(problem, direction, best_z)
    fresh = draw(problem, FRESH_DRAWS, FRESH_SEED)
    return Robust(
        plan=best,
        z=best_z,
        survival=share,
        fresh=float(evaluate(best, fresh).survives.mean()),
        plain=float(evaluate(plain, fresh).survives.mean()),
        plain_usd=plain.usd,
        stress=stress,
    )


def towards(problem: Problem, found: Robust, what: str, premium: float) -> Robust:
    """The cleanest or fastest plan for the same bad case, which serves as much and costs at most `premium`
    more."""
    cheapest = found.plan
    goal = Goal(
        what=what, most_usd=cheapest.usd * (1 + premium), unserved=cheapest.unserved, stress=found.stress
    )
    plan = size(problem, goal, what)
    train, fresh = draw(problem, TRAIN_DRAWS, TRAIN_SEED), draw(problem, FRESH_DRAWS, FRESH_SEED)
    return dataclasses.replace(
        found, plan=plan, survival=float(evaluate(plan, train).survives.mean()),
        fresh=float(evaluate(plan, fresh).survives.mean()),
    )  # fmt: skip


def _search(
    problem: Problem,
    aim: Goal,
    direction: Mapping[str, float],
    train: Draws,
    confidence: float,
    told: Callable[[str], None],
) -> tuple[tuple[Plan, float, float] | None, float]:
    """The cheapest plan that survives often enough, with its distance and survival; and the best survival."""
    low, high, most = 0.0, MOST_Z, 0.0
    best: tuple[Plan, float, float] | None = None
    for _ in range(STEPS):
        z = (low + high) / 2
        told(f"a plan for a bad case of {z:.2f} deviations")
        tried = _try(problem, aim, bad_case(problem, direction, z))
        if tried is None:
            high = z
            continue
        survival = float(evaluate(tried, train).survives.mean())
        most = max(most, survival)
        if survival < confidence + MARGIN:
            low = z
            continue
        high = z
        if best is None or tried.usd < best[0].usd:
            best = tried, z, survival
    return best, most


def _try(problem: Problem, aim: Goal, stress: Stress) -> Plan | None:
    """The plan for a bad case; None when there is none."""
    try:
        return size(problem, dataclasses.replace(aim, stress=stress, is_explained=False), "mixed")
    except DiagnosticError as why:
        if all(d.id == "fleet-impossible" for d in why.diagnostics):
            return None
        raise


def _out_of_reach(problem: Problem, confidence: float, most: float) -> Diagnostic:
    fact = problem.fleet.policies.confidence
    text = f"no plan was found that keeps all promises in {confidence:.0%} of the draws"
    notes = (f"the best that was found keeps them in {most:.1%}",)
    help = "promise less (`served`), ask for less confidence, or plan with more power, earlier"
    return Diagnostic(
        "fleet-confidence-out-of-reach", text, fact.span if fact else None, notes=notes, help=help
    )


def quantiles(values: Floats) -> Floats:
    """[3, …]: what one draw in ten, half and nine in ten are below."""
    return np.quantile(values, (0.1, 0.5, 0.9), axis=0)
