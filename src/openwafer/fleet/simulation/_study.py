"""A study: which days of a plan are simulated, and under which conditions. Its units are independent."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

import numpy as np

import openwafer
from openwafer.diag import error, suggest
from openwafer.fleet.simulation._allot import Curtailment, allot
from openwafer.fleet.simulation._asked import Darkness, Scene
from openwafer.fleet.simulation._inputs import Requests
from openwafer.fleet.simulation._measure import Outcome, Spread
from openwafer.fleet.simulation._unit import UnitResult, simulate_unit
from openwafer.fleet.sizing import Plan

BUDGET = 1_000_000
"""Requests of a class and day that are simulated, about."""
MOST_DAYS, MOST_DEMAND, MOST_LATE = 10_000, 1e3, 400
_NOTHING = Spread(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """`days` are spread evenly over the quarters of the plan. `demand`: a factor on what it expects;
    `late_quarters`: of all deliveries; `trace`: by class, requests that are replayed at the plan's rate."""

    plan: Plan
    days: int = 4
    seed: int = 0
    budget: float = BUDGET
    demand: float = 1.0
    late_quarters: float = 0.0
    curtailed: tuple[Curtailment, ...] = ()
    darkness: tuple[Darkness, ...] = ()
    trace: Mapping[str, Requests] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def quarters(self) -> list[int]:
        """Of each day: the first and the last quarter, and between them as evenly as it goes."""
        last = self.plan.problem.quarters - 1
        if self.days <= 1:
            return [last]
        return [round(last * k / (self.days - 1)) for k in range(self.days)]

    @property
    def units(self) -> list[tuple[int, str]]:
        """Number of the day, and class."""
        return [(day, name) for day in range(max(self.days, 1)) for name in self.plan.problem.workloads]


def check_study(study: Study) -> None:
    """Diagnostics: simulation-bad-option."""
    p = study.plan.problem
    if not 1 <= study.days <= MOST_DAYS:
        raise error("simulation-bad-option", f"`--days` is from 1 to {MOST_DAYS}, found {study.days}")
    if not 0 < study.demand <= MOST_DEMAND or not study.budget >= 1:
        text = f"demand and requests must be positive, demand at most {MOST_DEMAND:g}"
        raise error("simulation-bad-option", text)
    if not 0 <= study.late_quarters <= MOST_LATE or study.seed < 0:
        raise error("simulation-bad-option", f"delays are from 0 to {MOST_LATE} quarters, seeds not negative")
    for cut in (*study.curtailed, *study.darkness):
        if cut.site not in p.sites:
            hint = suggest(cut.site, p.sites) or f"one of {', '.join(p.sites)}"
            raise error("simulation-bad-option", f"the plan has no site `{cut.site}`", help=hint)


def simulate_day(study: Study, day: int, workload: str) -> UnitResult:
    """One unit of a study."""
    quarter = study.quarters[day]
    slots = allot(
        study.plan, quarter, late_quarters=study.late_quarters, curtailed=study.curtailed
    ).get(workload)  # fmt: skip
    if not slots:
        return _unserved(study, quarter, workload, day)
    return simulate_unit(
        Scene(
            plan=study.plan,
            quarter=quarter,
            workload=workload,
            slots=slots,
            seed=study.seed + day,
            budget=study.budget,
            demand=study.demand,
            darkness=study.darkness,
            trace=study.trace.get(workload),
        )
    )


def _unserved(study: Study, quarter: int, workload: str, day: int) -> UnitResult:
    """Of a class that no replica serves."""
    p = study.plan.problem
    asked = float(p.demand[p.workloads.index(workload), quarter]) * study.demand * 86_400
    nothing = Outcome(0, asked, 0.0, 1.0, 0.0, 0.0, 0.0, _NOTHING, _NOTHING)
    return UnitResult(quarter, workload, study.seed + day, "", 0.0, 0.0, 0, nothing, [])


@lru_cache(maxsize=2)
def unpack(packed: bytes) -> Study:
    return cast(Study, pickle.loads(packed))


def study_digest(study: Study) -> str:
    """Of what the results depend on: the plan, the conditions, the versions."""
    digest = hashlib.sha256()
    p = study.plan.problem
    parts: list[object] = [
        sorted(openwafer.versions().items()), p.fleet.source.text, study.days, study.seed, study.budget,
        study.demand, study.late_quarters, study.curtailed, study.darkness, [m.name for m in p.modes],
    ]  # fmt: skip
    digest.update(repr(parts).encode())
    for array in (study.plan.systems, study.plan.works):
        digest.update(np.ascontiguousarray(array).tobytes())
    for name, requests in sorted(study.trace.items()):
        digest.update(name.encode() + _bytes_of(requests))
    return digest.hexdigest()


def _bytes_of(requests: Requests) -> bytes:
    columns: Sequence[Any] = [getattr(requests, f.name) for f in fields(requests)]
    return b"".join(np.ascontiguousarray(c).tobytes() for c in columns if c is not None)
