"""What a run on the simulated wafer took: cycles, time at the machine's clock, use of the PEs, energy."""

from __future__ import annotations

from dataclasses import dataclass

from openwafer.machine import Machine


@dataclass(frozen=True, slots=True)
class Usage:
    """Of `pes` PEs over `cycles` cycles; `busy_cycles` are summed over the PEs."""

    machine: Machine
    pes: int
    cycles: int
    busy_cycles: int

    @property
    def seconds(self) -> float:
        """At the machine's clock."""
        return self.cycles / self.machine.clock_hz

    @property
    def utilisation(self) -> float:
        """Share of the cycles in which a PE runs code or a memory operation, mean over the PEs."""
        return self.busy_cycles / (self.cycles * self.pes) if self.cycles else 0.0

    @property
    def joules(self) -> float:
        """The share of the system's power that falls to these PEs, between idle and busy by their
        utilisation. Inferred: no energy of an operation has been published (`machine.system.power_*`)."""
        system, wafer = self.machine.system, self.machine.wafer
        watts = system.power_idle_w + (system.power_busy_w - system.power_idle_w) * self.utilisation
        return watts * self.pes / wafer.pes_sold * self.seconds
