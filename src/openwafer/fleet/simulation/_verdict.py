"""What the plan promises beside what the simulation gives, and whether the plan stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from openwafer.diag import Diagnostic
from openwafer.fleet.answers import Account, account
from openwafer.fleet.document import PlanFact
from openwafer.fleet.simulation._allot import HOURS, standing
from openwafer.fleet.simulation._study import Study
from openwafer.fleet.simulation._unit import UnitResult
from openwafer.fleet.simulation._years import Year, years

TOLERANCE = 0.02
"""Part by which a sampled day may miss a promise: its own error, see docs/fleet-simulation.md."""
_J_PER_KWH, _W_PER_MW = 3.6e6, 1e6


class Compared(msgspec.Struct, frozen=True):
    """A promise: what the file asks for, what the plan counts on, what the simulation gives."""

    what: str
    unit: str
    promised: float
    planned: float
    simulated: float
    is_kept: bool


class ClassDay(msgspec.Struct, frozen=True):
    """One class on one day. Seconds, tokens/s of a user; parts of the requests."""

    quarter: str
    workload: str
    result: UnitResult
    promises: list[Compared]


class SiteDay(msgspec.Struct, frozen=True):
    """One site on one day, IT: energy above idling by the plan and in the simulation; the highest hour,
    counted as the plan counts power, and what the site has."""

    quarter: str
    site: str
    planned_mwh: float
    simulated_mwh: float
    peak_mw: float
    most_mw: float
    is_kept: bool


class Report(msgspec.Struct, frozen=True):
    """`days`: class by class; `sites`; `years`: scaled from the days; `failures`: promises that are not kept,
    in words."""

    plan: str
    days: list[ClassDay]
    sites: list[SiteDay]
    years: list[Year]
    failures: list[str]


def report(study: Study, results: Sequence[UnitResult]) -> Report:
    """All days of a study beside the plan."""
    planned = account(study.plan)
    days = [_class_day(study, result, planned) for result in results]
    sites: list[SiteDay] = []
    for day in range(max(study.days, 1)):
        sites += _sites(study, study.quarters[day], _of_day(study, results, day))
    return Report(
        plan=study.plan.problem.fleet.name,
        days=days,
        sites=sites,
        years=years(study, results),
        failures=list(_failures(days, sites)),
    )


def _of_day(study: Study, results: Sequence[UnitResult], day: int) -> list[UnitResult]:
    return [r for r, (d, _) in zip(results, study.units, strict=True) if d == day]


def _class_day(study: Study, result: UnitResult, planned: Account) -> ClassDay:
    p, out = study.plan.problem, result.outcome
    workload = p.fleet.workloads[result.workload]
    w = p.workloads.index(result.workload)
    is_waived = result.workload in study.plan.waived
    served = out.served_tokens / max(out.asked_tokens, 1e-300)
    speed = 1 / out.token.mean if out.token.mean > 0 else 0.0
    floor = workload.served.number - TOLERANCE
    promises = [
        Compared("served", "1", workload.served.number, float(study.plan.served_part[w, result.quarter]),
                 served, is_waived or served >= floor),
        Compared("first token, p99", "s", workload.first_token.number,
                 float(planned.first_token[w, result.quarter]), out.first.p99,
                 is_waived or out.first.p99 <= workload.first_token.number * (1 + TOLERANCE)),
        Compared("speed, mean", "tokens/s", workload.speed.number,
                 float(planned.speed[w, result.quarter]), speed,
                 is_waived or speed >= workload.speed.number * (1 - TOLERANCE)),
    ]  # fmt: skip
    return ClassDay(str(p.fleet.quarter(result.quarter)), result.workload, result, promises)


def _sites(study: Study, quarter: int, results: Sequence[UnitResult]) -> Iterator[SiteDay]:
    p = study.plan.problem
    stand = standing(study.plan, quarter, study.late_quarters)
    more = (p.kw - p.idle[p.mode_system])[None, :, None] * study.plan.works[:, :, quarter, :]
    for i, site in enumerate(p.sites):
        if not stand[i].any():
            continue
        joules = _joules(results, site)
        idle_mw = float((stand[i] * p.idle).sum()) / 1e3
        peak = (idle_mw + float(joules.max()) / 3600 / _W_PER_MW) * float(p.site_factor[i])
        most = float(p.site_mw[i, quarter])
        yield SiteDay(
            quarter=str(p.fleet.quarter(quarter)), site=site,
            planned_mwh=float((more[i] * p.hours).sum()) / 1e3,
            simulated_mwh=float(joules.sum()) / _J_PER_KWH / 1e3,
            peak_mw=peak, most_mw=most, is_kept=peak <= most * (1 + TOLERANCE),
        )  # fmt: skip


def _joules(results: Sequence[UnitResult], site: str) -> NDArray[np.float64]:
    found = np.zeros(HOURS)
    for result in results:
        for energy in result.energy:
            if energy.site == site:
                found += np.array(energy.joules)
    return found


def _failures(days: Sequence[ClassDay], sites: Sequence[SiteDay]) -> Iterator[str]:
    for day in days:
        for p in day.promises:
            if not p.is_kept:
                found, wanted = _shown(p.simulated, p.unit), _shown(p.promised, p.unit)
                yield f"{day.quarter}, {day.workload}: {p.what} {found}, promised {wanted}"
    for site in sites:
        if not site.is_kept:
            yield f"{site.quarter}, {site.site}: {site.peak_mw:.4g} MW, the site has {site.most_mw:.4g} MW"


def _shown(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "1" else f"{value:.3g} {unit}"


def refusal(study: Study, found: Report) -> Diagnostic | None:
    """Diagnostic fleet-fails-simulation, with what is not kept and why; None for a plan that stands."""
    if not found.failures:
        return None
    p = study.plan.problem
    count = sum(not all(c.is_kept for c in day.promises) for day in found.days)
    text = f"the plan `{found.plan}` does not keep its promises on {count} of {len(found.days)} class days"
    if not count:
        text = f"the plan `{found.plan}` takes more power than its sites have"
    first = next((d for d in found.days if not all(c.is_kept for c in d.promises)), None)
    fact = _fact(study, first) if first else None
    stated = fact is not None and fact.span is not None and fact.span.source is p.fleet.source
    span = fact.span if fact is not None and stated else None
    if span is None and first is not None:
        span = p.fleet.workloads[first.workload].span
    return Diagnostic(
        "fleet-fails-simulation", text, span, notes=(*found.failures, *_reasons(found)),
        help="plan with more systems, promise less, or ask for fewer tokens a second",
    )  # fmt: skip


def _fact(study: Study, day: ClassDay) -> PlanFact:
    workload = study.plan.problem.fleet.workloads[day.workload]
    broken = next(c.what for c in day.promises if not c.is_kept)
    return {"served": workload.served, "first token, p99": workload.first_token}.get(broken, workload.speed)


def _reasons(found: Report) -> Iterator[str]:
    """What became of the requests of the classes that do not get what they were promised."""
    for day in found.days:
        if all(c.is_kept for c in day.promises):
            continue
        out = day.result.outcome
        if not out.requests:
            yield f"{day.quarter}, {day.workload}: no replica of it stands"
        else:
            yield (
                f"{day.quarter}, {day.workload}: {out.refused:.1%} refused: replicas were full or down, "
                f"{out.shed + out.unfinished:.1%} too late, {out.moved:.2%} began again elsewhere"
            )
