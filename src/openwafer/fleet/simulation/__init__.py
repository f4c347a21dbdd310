"""Discrete-event simulation of fleets.

`simulate_queue` knows servers and waiters; `simulate_batches` every iteration of inference servers.
"""

from typing import TYPE_CHECKING

from openwafer._later import later
from openwafer.fleet.simulation._arrivals import Arrivals, client_shares
from openwafer.fleet.simulation._inputs import Change, Fleet, Group, Pool, Requests, StepTable
from openwafer.fleet.simulation._outages import Stock, dark, limited, outages, site_outages
from openwafer.fleet.simulation._reliability import Reliability, reliability
from openwafer.fleet.simulation._sessions import Sessions
from openwafer.fleet.simulation._trace import load_trace
from openwafer.fleet.simulation._traffic import LengthTable, length_tables, nearest_lengths
from openwafer.fleet.simulation._traffic import statistics as traffic_statistics

if TYPE_CHECKING:
    from openwafer.fleet.simulation._batches import BatchRun, simulate_batches
    from openwafer.fleet.simulation._queue import simulate_queue

__all__ = [
    "Arrivals",
    "BatchRun",
    "Change",
    "Fleet",
    "Group",
    "LengthTable",
    "Pool",
    "Reliability",
    "Requests",
    "Sessions",
    "StepTable",
    "Stock",
    "client_shares",
    "dark",
    "length_tables",
    "limited",
    "load_trace",
    "nearest_lengths",
    "outages",
    "reliability",
    "simulate_batches",
    "simulate_queue",
    "site_outages",
    "traffic_statistics",
]

__getattr__ = later(
    __name__, {"_batches": ("BatchRun", "simulate_batches"), "_queue": ("simulate_queue",)}
)  # fmt: skip
