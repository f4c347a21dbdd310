"""Discrete-event simulation of fleets.

`simulate_queue` knows servers and waiters; `simulate_batches` every iteration of inference servers.
"""

from typing import TYPE_CHECKING

from openwafer._later import later
from openwafer.fleet.simulation._allot import Curtailment, Slot, allot, hours_of_blocks
from openwafer.fleet.simulation._arrivals import Arrivals, client_shares
from openwafer.fleet.simulation._inputs import Change, Fleet, Group, Pool, Requests, StepTable
from openwafer.fleet.simulation._outages import Stock, dark, limited, outages, site_outages
from openwafer.fleet.simulation._reliability import Reliability, reliability
from openwafer.fleet.simulation._sessions import Sessions
from openwafer.fleet.simulation._trace import load_trace, split_by_group
from openwafer.fleet.simulation._traffic import LengthTable, length_tables, nearest_lengths
from openwafer.fleet.simulation._traffic import statistics as traffic_statistics

if TYPE_CHECKING:
    from openwafer.fleet.simulation._asked import Darkness
    from openwafer.fleet.simulation._batches import BatchRun, simulate_batches
    from openwafer.fleet.simulation._queue import simulate_queue
    from openwafer.fleet.simulation._run import remove_parts, run_study
    from openwafer.fleet.simulation._study import Study
    from openwafer.fleet.simulation._unit import UnitResult
    from openwafer.fleet.simulation._verdict import ClassDay, Compared, Report, SiteDay, refusal, report
    from openwafer.fleet.simulation._years import Year, error_band, scaling_errors, years

__all__ = [
    "Arrivals",
    "BatchRun",
    "Change",
    "ClassDay",
    "Compared",
    "Curtailment",
    "Darkness",
    "Fleet",
    "Group",
    "LengthTable",
    "Pool",
    "Reliability",
    "Report",
    "Requests",
    "Sessions",
    "SiteDay",
    "Slot",
    "StepTable",
    "Stock",
    "Study",
    "UnitResult",
    "Year",
    "allot",
    "client_shares",
    "dark",
    "error_band",
    "hours_of_blocks",
    "length_tables",
    "limited",
    "load_trace",
    "nearest_lengths",
    "outages",
    "refusal",
    "reliability",
    "remove_parts",
    "report",
    "run_study",
    "scaling_errors",
    "simulate_batches",
    "simulate_queue",
    "site_outages",
    "split_by_group",
    "traffic_statistics",
    "years",
]

__getattr__, __dir__ = later(
    __name__,
    {
        "_batches": ("BatchRun", "simulate_batches"),
        "_queue": ("simulate_queue",),
        "_run": ("remove_parts", "run_study"),
        "_study": ("Study",),
        "_asked": ("Darkness",),
        "_unit": ("UnitResult",),
        "_years": ("Year", "error_band", "scaling_errors", "years"),
        "_verdict": ("ClassDay", "Compared", "Report", "SiteDay", "refusal", "report"),
    },
)
