"""First tokens of a plan in whole systems: each pool with what stands spare beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from openwafer.fleet.sizing._plan import Plan
from openwafer.fleet.sizing._problem import Floats, Problem
from openwafer.fleet.sizing._queue import Pool, most_busy, tail_wait_s

SOME = 0.01
"""Part of a workload’s tokens below which a pool does not count."""
LEAST_BUSY = 1e-6
LEAST_POOL = 1e-6
"""Systems; less is the solver’s tolerance."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """One mode at one site in one quarter, at its busiest: the queue, and the part of it that is in use."""

    mode: int
    quarter: int
    pool: Pool
    busy: float


def held_over_mean(p: Problem) -> Floats:
    """[m, b] systems that a mode must have at the peak of a block, over those that work in the mean."""
    ratio = p.peak / np.maximum(p.mean, 1e-12)
    return ratio[p.mode_workload] / p.busy[:, None]


def pools(plan: Plan) -> Iterator[PoolUse]:
    """All pools that serve some of a workload. Spare systems of a site are shared out to the pools there."""
    p = plan.problem
    held = plan.works * held_over_mean(p)[None, :, None, :]
    taken = np.zeros((len(p.sites), len(p.systems), p.quarters, p.blocks))
    for m, s in enumerate(p.mode_system):
        taken[:, s] += held[:, m]
    stands = plan.systems * p.availability[None, :, None]
    spare = np.maximum(stands[..., None] / np.maximum(taken, 1e-12), 1.0)
    tokens = (plan.works * p.tokens[None, :, None, None]).max(3)
    for m, mode in enumerate(p.modes):
        workload, s = p.fleet.workloads[mode.workload], int(p.mode_system[m])
        many = tokens[:, m] > SOME * plan.served[p.mode_workload[m]]
        for i, q in np.argwhere(many):
            b = int(np.argmax(held[i, m, q]))
            size = held[i, m, q, b] * spare[i, s, q, b]
            used = held[i, m, q, b] * float(p.busy[m])
            whole = max(float(size), min(mode.pod, float(stands[i, s, q])))
            if whole < LEAST_POOL:
                continue
            yield PoolUse(m, int(q), mode.pool(workload, whole), min(used / whole, 1.0))


def first_tokens(plan: Plan) -> Floats:
    """[w, q] s: the 99th percentile of the worst pool of each workload."""
    p = plan.problem
    found = np.zeros((len(p.workloads), p.quarters))
    for use in pools(plan):
        w = p.mode_workload[use.mode]
        first = p.modes[use.mode].first_s + tail_wait_s(use.pool, use.busy)
        found[w, use.quarter] = max(found[w, use.quarter], first)
    return found


def emptier(plan: Plan) -> Floats | None:
    """How full pools may be, where some were too full for their first tokens; None where all are in time."""
    p, busy = plan.problem, plan.problem.busy.copy()
    for use in pools(plan):
        mode = p.modes[use.mode]
        room = p.fleet.workloads[mode.workload].first_token.number - mode.first_s
        if tail_wait_s(use.pool, use.busy) > room * (1 + 1e-6):
            busy[use.mode] = min(busy[use.mode], max(most_busy(use.pool, room), LEAST_BUSY))
    return busy if np.any(busy < p.busy) else None
