"""How often systems and sites fail, and for how long. `data/reliability.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

HOUR_S = 3600.0
YEAR_S = 365.25 * 24 * HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Seconds, and rates a second; `maintenance`: planned part of the time that a system cannot serve."""

    repair_s: float
    maintenance: float
    maintenance_s: float
    drain_s: float
    swap_s: float
    failover_s: float
    site_rate: float
    site_repair_s: float
    network_s: float

    def rates(self, availability: float) -> tuple[float, float]:
        """Failures and planned stops a second of one system that serves, for this availability."""
        lost = 1 - availability
        up = max(availability, 1e-9)
        return lost * (1 - self.maintenance) / self.repair_s / up, (
            lost * self.maintenance / self.maintenance_s / up
        )


@cache
def reliability_facts() -> dict[str, dict[str, Any]]:
    """The file as it is: value, unit, source, status."""
    folder = resources.files("openwafer.fleet.simulation")
    return tomllib.loads(folder.joinpath("data/reliability.toml").read_text("utf-8"))


@cache
def reliability() -> Reliability:
    """The shipped facts."""
    value = {name: float(fact["value"]) for name, fact in reliability_facts().items()}
    return Reliability(
        repair_s=value["repair"] * HOUR_S,
        maintenance=value["maintenance"],
        maintenance_s=value["maintenance_time"] * HOUR_S,
        drain_s=value["drain"],
        swap_s=value["swap"],
        failover_s=value["failover"],
        site_rate=value["site_outages"] / YEAR_S,
        site_repair_s=value["site_outage_time"] * HOUR_S,
        network_s=value["network"],
    )
