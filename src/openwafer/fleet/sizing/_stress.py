"""A bad case that a plan must survive: more demand, slower systems, late deliveries, all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.sizing._problem import Floats
from openwafer.fleet.sizing._program import Model, peak_over_mean


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stress:
    """`demand`[w, q], `throughput`[m], `availability` are factors; `late` is the delay in quarters."""

    demand: Floats
    throughput: Floats
    availability: float
    late: float


def add_stress(m: Model, stress: Stress) -> None:
    """Rows that let what stands serve all promises in the bad case, wherever it stands."""
    p, program = m.problem, m.program
    shape = (len(p.modes), p.quarters, p.blocks)
    works = program.columns(np.zeros(shape))
    names = [f"capacity of {s} in the bad case" for s in p.systems for _ in range(p.quarters * p.blocks)]
    when = np.broadcast_to(np.arange(p.quarters)[:, None], (len(p.systems), *shape[1:])).ravel()
    rows = program.rows("stress", -np.inf, 0.0, names, when).reshape(len(p.systems), *shape[1:])
    _standing(m, rows, stress)
    over = peak_over_mean(p) / (p.busy * stress.throughput)[:, None]
    program.put(rows[p.mode_system], works, over[:, None, :])
    shifts = p.shifts
    served = np.array([p.fleet.workloads[w].served.number for w in p.workloads])
    wanted = (served[:, None] * p.demand * stress.demand)[..., None] * p.mean[:, None, :]
    kept = np.arange(p.blocks) == 0
    wanted = np.where(shifts[:, None, None] & ~kept, 0.0, wanted)
    names = [f"promise to {w} in the bad case" for w in p.workloads for _ in range(p.quarters * p.blocks)]
    when = np.broadcast_to(np.arange(p.quarters)[:, None], wanted.shape).ravel()
    rows = program.rows("promise in the bad case", wanted.ravel(), np.inf, names, when).reshape(wanted.shape)
    of, day = rows[p.mode_workload], shifts[p.mode_workload]
    of = np.where(day[:, None, None], of[..., :1], of)
    share = np.where(day[:, None], p.hours / p.hours.sum(), 1.0)
    program.put(of, works, (p.tokens[:, None] * share)[:, None, :])


def _standing(m: Model, rows: NDArray[np.intp], stress: Stress) -> None:
    """What stands `late` quarters before; what stands in the first quarter was there in time."""
    p = m.problem
    for q in range(p.quarters):
        for before, part in lagged(q, stress.late):
            value = -part * p.availability * stress.availability
            m.program.put(rows[None, :, q, :], m.n[:, :, before, None], value[None, :, None])


def lagged(q: int, late: float) -> list[tuple[int, float]]:
    """Quarters, and the part of each, that make up the time `late` quarters before `q`; the first quarter
    stands for all before it."""
    whole, part = int(np.floor(late)), late - np.floor(late)
    first, second = max(q - whole, 0), max(q - whole - 1, 0)
    return [(first, 1.0)] if first == second or part == 0 else [(first, 1 - part), (second, part)]
