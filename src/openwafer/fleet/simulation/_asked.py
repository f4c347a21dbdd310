"""What is asked of a class on a day: its scene, and the requests that are drawn or replayed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.document import Workload
from openwafer.fleet.simulation._allot import HOURS, Slot, by_hour, mean_demand
from openwafer.fleet.simulation._arrivals import Arrivals
from openwafer.fleet.simulation._inputs import Requests
from openwafer.fleet.simulation._sample import Sample
from openwafer.fleet.simulation._traffic import length_tables, nearest_lengths
from openwafer.fleet.sizing import Plan


@dataclass(frozen=True, slots=True)
class Span:
    """Hours that are simulated `before` the day, which is counted, and `after` it."""

    before: int
    after: int

    @property
    def total(self) -> int:
        return self.before + HOURS + self.after

    @property
    def hours(self) -> NDArray[np.int64]:
        """Of the day, one after another."""
        return (np.arange(self.total) - self.before) % HOURS


USUAL, HELD = Span(1, 0), Span(HOURS, HOURS)
"""Classes that may wait for a quiet hour get the day before and the day after too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Darkness:
    """What if: a site is without power or links from hour `start`, for `hours`."""

    site: str
    start: float
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What a class meets on a day. `demand`: a factor on what the plan expects; `trace`: requests that are
    replayed in place of drawn ones, at the plan's rate."""

    plan: Plan
    quarter: int
    workload: str
    slots: Sequence[Slot]
    seed: int
    budget: float
    demand: float = 1.0
    darkness: Sequence[Darkness] = ()
    trace: Requests | None = None

    @property
    def may_hold(self) -> bool:
        """Whether the router may keep requests until a quiet hour."""
        workload = self.plan.problem.fleet.workloads[self.workload]
        return workload.shift == "day" or workload.tier == "flex"

    @property
    def span(self) -> Span:
        return HELD if self.may_hold else USUAL


def rate_of(scene: Scene, workload: Workload) -> float:
    """Requests/s in the mean of the day."""
    asked = mean_demand(scene.plan.problem, scene.workload, scene.quarter) * scene.demand
    output = workload.output.number
    if scene.trace is not None:
        output = float(scene.trace.output.mean())
    return asked / output


def requests_of(
    scene: Scene, workload: Workload, drawn: Sample, rate: float, rng: np.random.Generator
) -> tuple[Requests, str]:
    factors = by_hour(workload.by_hour.numbers if workload.by_hour else None)
    here = factors * drawn.part * rate
    if scene.trace is not None:
        return _replayed(scene.trace, float(here.mean()), scene.span.total * drawn.hour_s), "trace"
    arrivals = Arrivals(
        rate=float(here.mean()), by_hour=tuple(here.tolist()), burst=workload.burst.number,
        gap_cv=workload.gap_cv.number,
    )  # fmt: skip
    times = arrivals.draw(scene.span.hours, drawn.hour_s, rng)
    name = nearest_lengths(workload.input.number, workload.output.number)
    prompt, output = length_tables(name)
    most = max(workload.config.context, 2)
    longest = max(most - 1, 1)
    prompts = np.minimum(prompt.with_mean(workload.input.number).draw(len(times), rng), longest)
    outputs = output.with_mean(workload.output.number).draw(len(times), rng)
    return Requests(
        arrival_s=times, prompt=prompts, output=np.minimum(outputs, most - prompts),
        group=np.zeros(len(times), np.int64),
    ), name  # fmt: skip


def _replayed(trace: Requests, rate: float, until_s: float) -> Requests:
    """The trace, stretched to a rate and repeated until the day is over. Conversations of a repetition are
    others."""
    span = len(trace) / rate
    own = float(trace.arrival_s[-1]) or 1.0
    times = trace.arrival_s / own * span * (1 - 1 / max(len(trace), 2))
    rounds = max(math.ceil(until_s / span), 1)
    at = np.concatenate([times + k * span for k in range(rounds)])
    keep = at < until_s
    again = {n: np.tile(getattr(trace, n), rounds)[keep] for n in ("prompt", "output", "cached")}
    assert trace.session is not None
    most = int(trace.session.max(initial=0)) + 1
    session = np.concatenate(
        [np.where(trace.session < 0, -1, trace.session + k * most) for k in range(rounds)]
    )
    return Requests(
        arrival_s=at[keep], group=np.zeros(int(keep.sum()), np.int64), session=session[keep], **again
    )
