"""What it is worth to wait before the later orders, and to have an option on more power.

Both are differences between linear programmes in the same draws, with all sites as one: what is decided
before the
draw is known against what is decided after.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from openwafer.fleet.document import Option
from openwafer.fleet.sizing import (
    Floats,
    Problem,
    as_one_site,
    build,
    part_of_option,
    prepare_longer,
    solve,
    without_promises,
)
from openwafer.fleet.uncertainty._draws import Draws, draw
from openwafer.fleet.uncertainty._evaluate import lag

SCENARIOS = 40
SEED = 3
FIRST_FREE = 4
"""Quarters that are decided before anything is known: the first year."""
SCALE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """USD of today. `mean` over the draws, `low` and `high` its tenths; `used`: part of the draws in which
    it is
    used; `scenarios` that it was computed with."""

    name: str
    mean: float
    low: float
    high: float
    used: float
    scenarios: int


def has_values(problem: Problem) -> bool:
    """Whether what is not served costs something: else nothing is worth anything."""
    return all(problem.fleet.workloads[w].value for w in problem.workloads)


def scenario(problem: Problem, draws: Draws, n: int) -> Problem:
    """The problem of one draw: sites and systems that come late are moved, all else is scaled."""
    return dataclasses.replace(
        problem,
        demand=draws.demand[n],
        price=problem.price * draws.price[n][:, None, None],
        carbon=problem.carbon * draws.carbon[n][:, None, None],
        usd=problem.usd * draws.usd[n][:, None],
        availability=problem.availability * draws.availability[n],
        tokens=problem.tokens * draws.throughput[n],
        site_mw=lag(problem.site_mw[None], draws.site_late[n : n + 1])[0],
    )


def waiting(problem: Problem, told: Callable[[str], None] = lambda _: None) -> Worth:
    """What it saves to order after the first year only when the draw is known, not now."""
    one = as_one_site(problem)
    draws = draw(one, SCENARIOS, SEED)
    planned = solve(build(one).program)
    model = build(one)
    count = planned.x[model.n]
    saved = np.zeros(SCENARIOS)
    for k in range(SCENARIOS):
        told(f"value of waiting, draw {k + 1} of {SCENARIOS}")
        then = scenario(one, draws, k)
        saved[k] = _least(then, count, one.quarters) - _least(then, count, FIRST_FREE)
    return _worth("waiting", saved)


def _least(problem: Problem, count: Floats, fixed: int) -> float:
    """Cost of today where the systems of the first quarters are given; promises are not forced, for what is
    not
    served costs its value. What late sites have no power for is not counted."""
    model = build(problem, without_promises(problem))
    power = problem.site_mw[:, None, :fixed]
    wanted = (count[..., :fixed] * problem.provision[None, :, None]).sum(1, keepdims=True)
    wanted = wanted * problem.site_factor[:, None, None] / 1e3
    fits = np.minimum(1.0, power / np.maximum(wanted, 1e-12))
    given = np.maximum.accumulate(count[..., :fixed] * fits, axis=2)
    low, high = model.program.low[0].reshape(count.shape), model.program.high[0].reshape(count.shape)
    low[..., :fixed] = given * (1 - 1e-9)
    high[..., :fixed] = given
    model.program.low[0], model.program.high[0] = low.ravel(), high.ravel()
    solved = solve(model.program)
    return solved.objective * SCALE if solved.status == "optimal" else np.nan


def option(problem: Problem, wanted: Option, told: Callable[[str], None] = lambda _: None) -> Worth:
    """What power that may be taken later saves: the plan goes on to its end, with it and without it."""
    longer = as_one_site(prepare_longer(problem, wanted))
    more = part_of_option(longer, wanted)
    draws = draw(longer, SCENARIOS, SEED)
    saved = np.zeros(SCENARIOS)
    for k in range(SCENARIOS):
        told(f"value of {wanted.name}, draw {k + 1} of {SCENARIOS}")
        then = scenario(longer, draws, k)
        richer = dataclasses.replace(then, site_mw=then.site_mw + more, fleet_mw=then.fleet_mw + more)
        saved[k] = _free(then) - _free(richer)
    return _worth(wanted.name, saved)


def _free(problem: Problem) -> float:
    solved = solve(build(problem, without_promises(problem)).program)
    return solved.objective * SCALE if solved.status == "optimal" else np.nan


def _worth(name: str, saved: Floats) -> Worth:
    """Of the draws in which both programmes have a solution."""
    known = np.maximum(saved[np.isfinite(saved)], 0.0)
    if not known.size:
        return Worth(name=name, mean=np.nan, low=np.nan, high=np.nan, used=np.nan, scenarios=0)
    low, high = np.quantile(known, (0.1, 0.9))
    return Worth(
        name=name,
        mean=float(known.mean()),
        low=float(low),
        high=float(high),
        used=float((known > 1e4).mean()),
        scenarios=len(known),
    )
