"""What matters most: each risk at its low and high tenth, and its share of the variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openwafer.fleet.sizing import Floats, Plan
from openwafer.fleet.uncertainty._draws import TENTH_Z, Draws, from_latent, units_of
from openwafer.fleet.uncertainty._evaluate import Outcomes, evaluate

LEAST_IN_BIN = 10
BINS = 20
"""Of a risk’s draws by size; the variance of their means is what the risk explains alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Dollars a million tokens and part of all tokens served, with a risk at its low and its high tenth and
    the
    others in the middle; `variance` is the part of the variance of the cost a token that it explains alone,
    `variance_full` that of the cost a token if all systems were always full."""

    risk: str
    what: str
    usd_low: float
    usd_high: float
    served_low: float
    served_high: float
    variance: float
    variance_full: float

    @property
    def width(self) -> float:
        return abs(self.usd_high - self.usd_low)


def tornado(plan: Plan, draws: Draws, outcomes: Outcomes) -> list[Bar]:
    """A bar a risk, the widest first."""
    problem, risks = plan.problem, plan.problem.fleet.risks
    if not risks:
        return []
    names = list(risks)
    latent = {
        name: np.zeros((2 * len(names), len(units_of(problem, risk.what)))) for name, risk in risks.items()
    }
    for k, name in enumerate(names):
        latent[name][2 * k], latent[name][2 * k + 1] = -TENTH_Z, TENTH_Z
    found = evaluate(plan, from_latent(problem, latent, 2 * len(names)))
    served = found.served.sum((1, 2)) / found.demand.sum((1, 2))
    bars = [
        Bar(
            risk=name,
            what=risks[name].what,
            usd_low=float(found.usd_per_mtok[2 * k]),
            usd_high=float(found.usd_per_mtok[2 * k + 1]),
            served_low=float(served[2 * k]),
            served_high=float(served[2 * k + 1]),
            variance=share_of_variance(draws.latent[name], outcomes.usd_per_mtok),
            variance_full=share_of_variance(draws.latent[name], outcomes.usd_per_full_mtok),
        )
        for k, name in enumerate(names)
    ]
    return sorted(bars, key=lambda bar: -bar.width)


def share_of_variance(cause: Floats, effect: Floats) -> float:
    """The correlation ratio: variance of the means of `effect` in bins of `cause`, over its variance;
    corrected for
    what bins of nothing would show, and at least 0."""
    bins = min(BINS, len(effect) // LEAST_IN_BIN)
    if bins < 2:
        return 0.0
    order = np.argsort(cause, kind="stable")
    parts = np.array_split(effect[order], bins)
    total = float(np.var(effect))
    if total <= 0:
        return 0.0
    between = sum(len(part) * (float(part.mean()) - float(effect.mean())) ** 2 for part in parts) / len(
        effect
    )
    by_chance = (bins - 1) / max(len(effect) - 1, 1)
    return max((between / total - by_chance) / (1 - by_chance), 0.0)
