"""Ways to serve a workload on a system: what `estimate` says of one system at a speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openwafer.estimate import Banded, Estimate, estimate_grid
from openwafer.fleet.document import Fleet, Product, Workload
from openwafer.fleet.sizing._queue import Pool

USERS = (8, 32, 128, 512, 2048)
"""Requests in flight that are tried: more make tokens cheaper and each user slower."""
FASTER = (1.0, 1.5, 2.5, 4.0)
"""Speeds that are tried, over the one that a workload needs."""
NEARLY = 0.75
"""Of the most tokens of a system: what a smaller pod must reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One system that serves one workload, full. `pod`: systems that belong together; `slots`: requests that
    a system serves at once; `users`, `least`: what was asked of `estimate`; `kw`: IT power, hosts
    included."""

    workload: str
    system: str
    kind: str
    users: float
    least: float
    estimate: Estimate

    @property
    def name(self) -> str:
        return f"{self.workload}.{self.system}.{self.speed:.0f}"

    @property
    def pod(self) -> int:
        return self.estimate.systems

    @property
    def tokens_per_s(self) -> float:
        """Output tokens of one system."""
        return self.estimate.tokens_per_s_per_system.value

    @property
    def band(self) -> Banded:
        return self.estimate.tokens_per_s_per_system

    @property
    def kw(self) -> float:
        return self.estimate.joules_per_token.value * self.tokens_per_s / 1e3

    @property
    def speed(self) -> float:
        """Tokens a second of one user."""
        return self.estimate.tokens_per_s_per_user.value

    @property
    def first_s(self) -> float:
        return self.estimate.first_token_s.value

    @property
    def slots(self) -> float:
        return self.tokens_per_s / self.speed

    def pool(self, workload: Workload, systems: float) -> Pool:
        """So many systems as one queue."""
        service_s = self.first_s + workload.output.number / self.speed
        return Pool(self.slots * systems, service_s, workload.gap_cv.number, workload.length_cv.number)


def modes_of(fleet: Fleet, workload: Workload) -> list[Mode]:
    """The ways to serve a workload that are fast enough: of each system, for each of some speeds, the one
    with
    the most tokens; and the smallest that has nearly as many."""
    need, slo = workload.speed.number, workload.first_token.number
    users = [u for u in USERS if u <= max(_in_flight(fleet, workload), USERS[0])]
    speeds = [max(need, 1.0) * factor for factor in FASTER]
    tried = list(_tried(workload, list(fleet.systems.values()), users, speeds))
    good = [m for m in tried if m.estimate.meets and m.speed >= need and m.first_s < slo]
    found: dict[str, Mode] = {}
    for product in fleet.systems:
        for speed in speeds:
            fast = [m for m in good if m.system == product and m.speed >= speed]
            found |= {mode.name: mode for mode in _picked(fast)}
    return list(found.values())


def _picked(fast: list[Mode]) -> Iterator[Mode]:
    if fast:
        best = max(fast, key=lambda mode: mode.tokens_per_s)
        near = [mode for mode in fast if mode.tokens_per_s >= NEARLY * best.tokens_per_s]
        yield best
        yield min(near, key=lambda mode: mode.pod)


def fastest(fleet: Fleet, workload: Workload) -> list[Mode]:
    """The quickest way on each system, whether it is quick enough or not."""
    tried = list(_tried(workload, list(fleet.systems.values()), USERS[:1], (0.0, 1e5)))
    return [
        max((m for m in tried if m.system == name), key=lambda mode: mode.speed)
        for name in fleet.systems
        if any(m.system == name for m in tried)
    ]


def _in_flight(fleet: Fleet, workload: Workload) -> float:
    """Requests in flight at the end of the plan, at the speed that is needed."""
    years = fleet.quarters / 4
    demand = workload.demand.number * (1 + workload.growth.number) ** years
    return demand * workload.burst.number / max(workload.speed.number, 1.0)


def _tried(
    workload: Workload, products: Sequence[Product], users: Sequence[float], speeds: Sequence[float]
) -> Iterator[Mode]:
    """What is estimated for each number of users and each speed; systems that cannot do it are left out."""
    found = estimate_grid(
        workload.config,
        [product.facts for product in products],
        input=workload.input.number,
        output=workload.output.number,
        users=users,
        speeds=speeds,
        precision=workload.precision,  # type: ignore[arg-type]
        drafted=workload.drafted.number,
        accepted=workload.accepted.number,
    )
    for place, count, speed, row in found:
        yield Mode(
            workload=workload.name, system=products[place].name, kind=row.kind, users=count, least=speed,
            estimate=row,
        )  # fmt: skip
