"""Years out of sampled days: each quarter is like the sampled day that is nearest, at its own demand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import numpy as np

from openwafer.fleet.document import HOURS_PER_QUARTER
from openwafer.fleet.simulation._study import Study
from openwafer.fleet.simulation._unit import UnitResult

_J_PER_MWH = 3.6e9


class Year(msgspec.Struct, frozen=True):
    """Tokens of answers, and MWh of IT, idling included, of the quarters of a calendar year that are in the
    plan; by the plan and by the simulation. `low`, `high`: of the latter, by the errors of scaling."""

    year: int
    quarters: int
    planned_tokens: float
    tokens: float
    planned_mwh: float
    mwh: float
    low_mwh: float
    high_mwh: float


@cache
def scaling_errors() -> Mapping[str, Any]:
    """How far sampled days were from whole ones: `hours`, `replicas` → value → p10, p50, p90 of the relative
    error. Written by `bench/fleet_scaling.py`."""
    folder = resources.files("openwafer.fleet.simulation")
    return json.loads(folder.joinpath("data/scaling.json").read_text("utf-8"))


def error_band(value: str) -> tuple[float, float]:
    """Factors from a sampled value to the whole one, for four of five days: the wider of both samplings."""
    rows = [scaling_errors()[what][value] for what in ("hours", "replicas")]
    return 1 / (1 + max(row["p90"] for row in rows)), 1 / (1 + min(row["p10"] for row in rows))


def years(study: Study, results: Sequence[UnitResult]) -> list[Year]:
    """All calendar years of a plan."""
    fleet = study.plan.problem.fleet
    found: dict[int, list[int]] = {}
    for quarter in range(study.plan.problem.quarters):
        found.setdefault(fleet.quarter(quarter).first_day.year, []).append(quarter)
    return [_year(study, results, year, quarters) for year, quarters in found.items()]


def _year(study: Study, results: Sequence[UnitResult], year: int, quarters: Sequence[int]) -> Year:
    p, plan = study.plan.problem, study.plan
    low, high = error_band("energy")
    planned_tokens = tokens = planned_mwh = idle_mwh = more_mwh = 0.0
    for q in quarters:
        nearest = min(study.quarters, key=lambda s, q=q: abs(s - q))
        same = [r for r in results if r.quarter == nearest]
        seconds = HOURS_PER_QUARTER * 3600
        for w, name in enumerate(p.workloads):
            outs = [r.outcome for r in same if r.workload == name]
            part = sum(o.served_tokens for o in outs) / max(sum(o.asked_tokens for o in outs), 1e-300)
            tokens += float(p.demand[w, q]) * study.demand * part * seconds
            planned_tokens += float(plan.served[w, q]) * seconds
        idle = float((plan.systems[:, :, q] * p.idle).sum()) / 1e3 * HOURS_PER_QUARTER
        more = _beyond_idling_mw(study, q) * HOURS_PER_QUARTER
        ratio = _mwh_of_day(study, same) / max(_beyond_idling_mw(study, nearest) * 24, 1e-300)
        idle_mwh += idle
        planned_mwh += idle + more
        more_mwh += more * ratio
    return Year(
        year=year, quarters=len(quarters), planned_tokens=planned_tokens, tokens=tokens,
        planned_mwh=planned_mwh, mwh=idle_mwh + more_mwh, low_mwh=idle_mwh + more_mwh * low,
        high_mwh=idle_mwh + more_mwh * high,
    )  # fmt: skip


def _beyond_idling_mw(study: Study, quarter: int) -> float:
    """By the plan, in the mean of the day."""
    p = study.plan.problem
    more = (p.kw - p.idle[p.mode_system])[None, :, None] * study.plan.works[:, :, quarter, :]
    return float((more * p.hours).sum()) / float(np.sum(p.hours)) / 1e3


def _mwh_of_day(study: Study, results: Sequence[UnitResult]) -> float:
    """In the simulation, in the mean of the sampled days of a quarter."""
    days = max(len(results) // len(study.plan.problem.workloads), 1)
    return sum(sum(e.joules) for r in results for e in r.energy) / _J_PER_MWH / days
