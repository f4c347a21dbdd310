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
CHAIN_CALL, TWO_PHASE_CALL, TREE_CALL = 61.0, 76.0, 186.0
"""Cycles of a call apart from the model, as measured at P = 512 (`published.*_reduce_*` of wse2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Cycles: of a hop; through a PE (2 T_R + 1: both ramps and one operation); to start a vector operation
    in a loop. `rate`: multiply-adds of a PE and cycle."""

    hop: Num
    through: Num
    turn: Num
    rate: Num


def mesh_of(machine: Machine, rate: float) -> Mesh:
    fabric = machine.fabric
    return Mesh(
        hop=fabric.hop_cycles,
        through=fabric.ramp_up_cycles + fabric.ramp_down_cycles + 1,
        turn=machine.scalar.map_step_cycles + machine.dsd.explicit_dsr_setup_cycles,
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
    """The fastest of: a chain to one end and back; from both sides to the middle and back, by chains or in
    two phases."""
    side = np.maximum(pes / 2, 1.0)
    end = reduce_cycles(mesh, "chain", pes, wavelets) + broadcast_cycles(mesh, pes, wavelets)
    chain = reduce_cycles(mesh, "chain", side, wavelets)
    phases = reduce_cycles(mesh, "two-phase", side, wavelets, np.sqrt(side)) - TWO_PHASE_CALL + CHAIN_CALL
    middle = np.minimum(chain, phases) + wavelets + broadcast_cycles(mesh, side, wavelets)
    return where(pes > 1, np.minimum(end, middle), 0.0)
