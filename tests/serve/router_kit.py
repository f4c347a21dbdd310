"""Routers with estimated backends on an offline clock."""

from __future__ import annotations

from functools import cache
from typing import Any

from openwafer.estimate import Deployment, deploy
from openwafer.serve.backends._estimated import EstimatedBackend
from openwafer.serve.core._clock import OfflineClock
from openwafer.serve.core._job import Job
from openwafer.serve.router._policy import Policy, load_policy
from openwafer.serve.router._router import Router

deployed = cache(deploy)


def backend(clock: OfflineClock, name: str, system: str, systems: int = 1, **more: Any) -> EstimatedBackend:
    found: Deployment = deployed("llama-3.1-8b", system, systems)
    return EstimatedBackend(name, clock, found, models=("m",), grams_per_kwh=300.0, **more)


class Bench:
    """Requests by the time at which they come."""

    def __init__(self, systems: dict[str, str], policy: Policy | None = None, **more: Any) -> None:
        self.clock = OfflineClock()
        self.told: list[tuple[float, str, str]] = []
        self.policy = policy or load_policy()
        self.backends = {name: backend(self.clock, name, s, **more) for name, s in systems.items()}
        self.router = Router(
            self.clock, list(self.backends.values()), self.policy,
            watch=lambda what, job: self.told.append((self.clock.now, what, job.id)),
        )  # fmt: skip

    def add(self, at: float, id: str = "", **more: Any) -> Job:
        tier = more.get("tier", "default")
        fields: dict[str, Any] = {"known_tokens": 10, "limit": self.policy.limits[tier]} | more
        job = Job(id or f"j{len(self.told)}-{at}", "m", fields.pop("prompt", 100), **fields)
        self.clock.at(at, lambda: self.router.submit(job))
        return job

    def run(self) -> None:
        self.clock.run()
