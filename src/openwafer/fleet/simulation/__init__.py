"""Discrete-event simulation of fleets.

`simulate_queue` knows servers and waiters; `simulate_batches` every iteration of inference servers.
"""

from typing import TYPE_CHECKING

from openwafer._later import later
from openwafer.fleet.simulation._inputs import Change, Fleet, Group, Pool, Requests, StepTable

if TYPE_CHECKING:
    from openwafer.fleet.simulation._batches import BatchRun, simulate_batches
    from openwafer.fleet.simulation._queue import simulate_queue

__all__ = [
    "BatchRun",
    "Change",
    "Fleet",
    "Group",
    "Pool",
    "Requests",
    "StepTable",
    "simulate_batches",
    "simulate_queue",
]

__getattr__ = later(
    __name__, {"_batches": ("BatchRun", "simulate_batches"), "_queue": ("simulate_queue",)}
)  # fmt: skip
