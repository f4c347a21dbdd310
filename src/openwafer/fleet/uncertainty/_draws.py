"""Draws of what may turn out otherwise; risks with one cause move together."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from openwafer.fleet.document import Fleet, Risk
from openwafer.fleet.sizing import Floats, Problem

TENTH_Z = 1.2815515655446004
"""A standard normal is above it in one of ten draws."""
WEEKS_PER_QUARTER = 365.25 / 4 / 7
LEAST_CHANCE = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Axes: n draw, then what it is of. `demand`[n, w, q] tokens/s; `price`, `carbon`[n, i], `usd`,
    `availability`[n, s] and `throughput`[n, m] are factors; `site_late`[n, i], `system_late`[n, s] quarters.
    `latent`: by risk, the standard normal behind it, its mean over what it is of."""

    demand: Floats
    price: Floats
    carbon: Floats
    usd: Floats
    availability: Floats
    throughput: Floats
    site_late: Floats
    system_late: Floats
    latent: dict[str, Floats] = field(repr=False)

    @property
    def count(self) -> int:
        return len(self.demand)


def normal_chance(z: Floats) -> Floats:
    """The part of a standard normal below z."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z.ravel()]).reshape(z.shape)


def factor(low: float, high: float, z: Floats) -> Floats:
    """`low` and `high` are passed by one draw in ten each; 1 in the middle. Lognormal on each side."""
    side = np.where(z < 0, math.log(max(low, 1e-12)) / -TENTH_Z, math.log(max(high, 1e-12)) / TENTH_Z)
    return np.exp(side * z)


def delay(late: float, weeks: float, z: Floats) -> Floats:
    """Quarters: nothing for those in time, exponential with the mean `weeks` for the part `late`."""
    above = np.maximum(1 - normal_chance(z), LEAST_CHANCE)
    waits = np.log(max(late, LEAST_CHANCE) / above) * weeks
    return np.maximum(waits, 0.0) / WEEKS_PER_QUARTER


def draw(problem: Problem, count: int, seed: int) -> Draws:
    """So many draws; the same seed gives the same."""
    random = np.random.default_rng(seed)
    fleet = problem.fleet
    causes = sorted({risk.cause or name for name, risk in fleet.risks.items()})
    common = {cause: random.standard_normal(count) for cause in causes}
    z = {
        name: _latent(problem, risk, common[risk.cause or name], random) for name, risk in fleet.risks.items()
    }
    return from_latent(problem, z, count)


def _latent(problem: Problem, risk: Risk, common: Floats, random: np.random.Generator) -> Floats:
    """[n, of what the risk is]"""
    units = len(units_of(problem, risk.what))
    shared = risk.shared.number
    own = random.standard_normal((len(common), units))
    return math.copysign(math.sqrt(abs(shared)), shared) * common[:, None] + math.sqrt(1 - abs(shared)) * own


def units_of(problem: Problem, what: str) -> tuple[str, ...]:
    """What a risk is of, one by one: workloads, sites, systems, or the kind as a whole."""
    if what in ("demand", "growth"):
        return problem.workloads
    if what in ("electricity", "carbon", "site-delay"):
        return problem.sites
    if what in ("system-delay", "failures"):
        return problem.systems
    return (what,)


def from_latent(problem: Problem, z: dict[str, Floats], count: int) -> Draws:
    """The draws of standard normals by risk."""
    fleet, p = problem.fleet, problem
    many = {"w": len(p.workloads), "i": len(p.sites), "s": len(p.systems)}
    of = {
        name: np.ones((count, many[axis]))
        for name, axis in (
            ("demand", "w"),
            ("growth", "w"),
            ("electricity", "i"),
            ("carbon", "i"),
            ("failures", "s"),
        )
    }
    late = {"site-delay": np.zeros((count, many["i"])), "system-delay": np.zeros((count, many["s"]))}
    kinds = {
        name: np.ones(count) for name in ("wafer-throughput", "gpu-throughput", "wafer-price", "gpu-price")
    }
    for name, risk in fleet.risks.items():
        if risk.what in late:
            assert risk.late and risk.weeks
            late[risk.what] = late[risk.what] + delay(risk.late.number, risk.weeks.number, z[name])
        elif risk.what in of:
            of[risk.what] = of[risk.what] * factor(*bounds(problem, risk), z[name])
        else:
            kinds[risk.what] = kinds[risk.what] * factor(*bounds(problem, risk), z[name][:, 0])
    kind_s = [fleet.systems[s].kind for s in p.systems]
    return Draws(
        demand=_demand(problem, of["demand"], of["growth"]),
        price=of["electricity"],
        carbon=of["carbon"],
        usd=np.stack([kinds[f"{kind}-price"] for kind in kind_s], axis=1),
        availability=np.minimum(of["failures"], 1 / p.availability),
        throughput=np.stack([kinds[f"{m.kind}-throughput"] for m in p.modes], axis=1),
        site_late=late["site-delay"],
        system_late=late["system-delay"],
        latent={
            name: values.mean(1) / max(float(np.std(values.mean(1))), 1e-12) for name, values in z.items()
        },
    )


def bounds(problem: Problem, risk: Risk) -> tuple[float, float]:
    """What one draw in ten is below and above; of throughput, the band of `estimate` if nothing is stated."""
    if risk.low and risk.high:
        return risk.low.number, risk.high.number
    kind = risk.what.removesuffix("-throughput")
    bands = [mode.band for mode in problem.modes if mode.kind == kind]
    if not bands:
        return 1.0, 1.0
    return min(b.low / b.value for b in bands), max(b.high / b.value for b in bands)


def _demand(problem: Problem, level: Floats, growth: Floats) -> Floats:
    fleet, years = problem.fleet, (np.arange(problem.quarters) + 0.5) / 4
    first = np.array([fleet.workloads[w].demand.number for w in problem.workloads])
    rate = np.array([fleet.workloads[w].growth.number for w in problem.workloads])
    grown = np.maximum(1 + rate * growth, 0.01)
    return (first * level)[..., None] * grown[..., None] ** years


def middling(problem: Problem, fleet: Fleet, at: dict[str, float]) -> dict[str, Floats]:
    """Latent normals of one draw in which each risk of `at` stands at its value and all others at 0."""
    return {
        name: np.full((1, len(units_of(problem, risk.what))), at.get(name, 0.0))
        for name, risk in fleet.risks.items()
    }
