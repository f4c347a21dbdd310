"""Kernels on a mesh of PEs in closed form, in cycles; every formula takes arrays.

Collectives: the model of Luczynski et al. (arXiv 2404.15888), T = max(C, E/N + L) + (2 T_R + 1) D, with the
hop and ramp cycles of the machine. Matrix products: the loops of `nn/kernels`, one vector operation a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from openwafer.estimate._num import Num, where
from openwafer.machine import Machine

Algorithm: TypeAlias = Literal["chain", "two-phase", "tree"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
ALL_REDUCE_CALL, ALL_REDUCE_ONE = 24.0, 13.0
"""Cycles of an all-reduce of `nn` apart from the model, and of one of one element, whose code stands where it
is called; fitted to its closed form (`nn/kernels/_collectives.py`)."""
FIFO_WAVELETS = 8
"""Elements that a PE of `nn` which adds two streams holds of the first."""
CHAIN_CALL, TWO_PHASE_CALL, TREE_CALL = 61.0, 76.0, 186.0
"""Cycles of a call apart from the model, as measured at P = 512 (`published.*_reduce_*` of wse2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Cycles: of a hop; through a PE (2 T_R + 1: both ramps and one operation); to start a vector operation
    in a loop; to start an operation on the fabric. `rate`: multiply-adds of a PE and cycle."""

    hop: Num
    through: Num
    turn: Num
    start: Num
    rate: Num


def mesh_of(machine: Machine, rate: float) -> Mesh:
    fabric = machine.fabric
    return Mesh(
        hop=fabric.hop_cycles,
        through=fabric.ramp_up_cycles + fabric.ramp_down_cycles + 1,
        turn=machine.scalar.map_step_cycles + machine.dsd.explicit_dsr_setup_cycles,
        start=machine.dsd.issue_cycles + machine.dsd.fabric_setup_cycles,
        rate=rate,
    )


def reduce_cycles(mesh: Mesh, algorithm: Algorithm, pes: Num, wavelets: Num, step: Num = 1.0) -> Num:
    """Sum of `wavelets` elements over a line of `pes` PEs at its end; `step`: PEs of a group of two-phase."""
    last = pes - 1
    match algorithm:
        case "chain":
            return wavelets + (mesh.hop + mesh.through) * last + CHAIN_CALL
        case "two-phase":
            depth = step + pes / step - 2
            return 2 * wavelets + mesh.hop * last + mesh.through * depth + TWO_PHASE_CALL
        case "tree":
            levels = np.log2(pes)
            spread = wavelets * pes / (2 * last) * levels + mesh.hop * last
            return np.maximum(wavelets * levels, spread) + mesh.through * levels + TREE_CALL


def broadcast_cycles(mesh: Mesh, pes: Num, wavelets: Num) -> Num:
    """From one end of a line to all of it."""
    return wavelets + mesh.hop * (pes - 1) + mesh.through


def all_reduce_cycles(mesh: Mesh, pes: Num, wavelets: Num) -> Num:
    """The fastest of: a chain to one end; from both sides to the middle, by chains or in two phases. The root
    adds into its multicast, where it sends and receives by turns once its own sum comes back. A PE that adds
    two streams takes turns too, but for what the earlier one is ahead: a link, or what its FIFO holds."""
    side, back = np.ceil((pes - 1) / 2), mesh.hop + mesh.through
    group = np.maximum(np.sqrt(side), 1.0)
    call = where(wavelets > 1, ALL_REDUCE_CALL, ALL_REDUCE_ONE)
    spread = call + np.maximum(wavelets, 2 * wavelets - mesh.through) + mesh.through
    end = (back + mesh.hop) * (pes - 1)
    chain = (back + mesh.hop) * side + np.maximum(wavelets - back, 0.0)
    depth = mesh.through * (group + side / group - 1) + 2 * mesh.hop * side
    phases = depth + np.maximum(wavelets - FIFO_WAVELETS, 0.0)
    return where(pes > 1, spread + np.minimum(end, np.minimum(chain, phases)), 0.0)
