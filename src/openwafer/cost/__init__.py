"""What everything costs in cycles: scalar code, statement by statement, and DSD operations, by a table."""

from openwafer.cost._cost import add_costs
from openwafer.cost._dsd_kinds import FABRIC, DsdKinds
from openwafer.cost._timing import TimingTables, memory_beats, other_bank, setup_cycles, timing_tables

__all__ = [
    "FABRIC",
    "DsdKinds",
    "TimingTables",
    "add_costs",
    "memory_beats",
    "other_bank",
    "setup_cycles",
    "timing_tables",
]
