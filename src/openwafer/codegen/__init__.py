"""PE programs to machine code: the cost pass, LLVM, and the timing of DSD operations."""

from openwafer.cost._cost import add_costs
from openwafer.cost._timing import TimingTables, memory_beats, setup_cycles, timing_tables

__all__ = ["TimingTables", "add_costs", "memory_beats", "setup_cycles", "timing_tables"]
