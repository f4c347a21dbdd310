"""Power of what works: chips by what they use, servers with their hosts, buildings by their factor."""

from __future__ import annotations

import numpy as np

from openwafer.estimate._constants import PowerConstants
from openwafer.estimate._num import Num
from openwafer.machine.systems import GpuSystem


def gpu_watts(system: GpuSystem, memory_use: Num, compute_use: Num, c: PowerConstants) -> Num:
    """Of one chip that is never without work: a floor, and what used memory and arithmetic add."""
    used = c.floor + c.memory * np.minimum(memory_use, 1) + c.compute * np.minimum(compute_use, 1)
    return system.chip.power_max_w * np.minimum(used, 1.0)


def server_watts(chip_watts: Num, system: GpuSystem, c: PowerConstants) -> Num:
    """At the wall of one server: its chips, losses in their supply, and the host."""
    return system.server.chips * (chip_watts * (1 + c.host_part) + c.host_w / 8)
