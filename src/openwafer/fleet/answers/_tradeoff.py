"""Cost against carbon: plans that serve as much as the cheapest and emit less."""

from __future__ import annotations

from dataclasses import dataclass

from openwafer.fleet.sizing import Goal, Plan, Problem, relax

POINTS = 5
"""Between the cheapest and the cleanest plan."""
DEAREST = 3.0
"""What the cleanest plan may cost, over the cheapest."""


@dataclass(frozen=True, slots=True)
class Point:
    """Of all quarters: USD of today with what is not served, and t with embodied carbon; with parts of
    systems."""

    usd: float
    tonnes: float


def tradeoff(problem: Problem, cheapest: Plan) -> list[Point]:
    """From the cheapest plan to the cleanest."""
    first = relax(problem, Goal(unserved=cheapest.unserved))
    last = relax(problem, Goal(what="carbon", most_usd=cheapest.usd * DEAREST, unserved=cheapest.unserved))
    if first is None or last is None:
        return []
    steps = [last[1] + (first[1] - last[1]) * k / POINTS for k in range(POINTS)]
    found = [relax(problem, Goal(most_tonnes=t * (1 + 1e-6), unserved=cheapest.unserved)) for t in steps]
    points = [first, *(point for point in reversed(found) if point is not None)]
    return [Point(usd, tonnes) for usd, tonnes in points]
