"""Whole systems from parts of them: rounded up where power and deliveries allow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.sizing._problem import Floats, Problem
from openwafer.fleet.sizing._program import KW_PER_MW, Model

NEAR = 1e-5
"""What is as near to a whole number counts as it."""


def rounded(model: Model, parts: Floats) -> NDArray[np.int64] | None:
    """[i, s, q] whole systems: each row of quarters is rounded up, unless that would take more power or more
    deliveries than there are; then it is rounded down."""
    p = model.problem
    low = np.floor(parts + NEAR).astype(np.int64)
    high = np.ceil(parts - NEAR).astype(np.int64)
    count = low.copy()
    order = np.argsort(-(high - low).sum(axis=2).ravel(), kind="stable")
    for flat in order:
        i, s = divmod(int(flat), len(p.systems))
        for begin in _begins(low[i, s], high[i, s]):
            tried = count.copy()
            tried[i, s, begin:] = high[i, s, begin:]
            if _fits(p, tried, i, s):
                count = tried
                break
    return count if _fits_all(p, count) else None


def _begins(low: NDArray[np.int64], high: NDArray[np.int64]) -> list[int]:
    """Quarters from which a row may be rounded up, the earliest first."""
    raised = np.flatnonzero(high > low)
    return [] if not raised.size else sorted({0, *map(int, raised)})


def _fits(p: Problem, count: NDArray[np.int64], i: int, s: int) -> bool:
    mw = p.provision[:, None] * count[i] * p.site_factor[i] / KW_PER_MW
    standing = p.installed[:, s, None].astype(np.int64)
    orders = np.diff(count[:, s], axis=1, prepend=standing).sum(axis=0)
    return bool(
        np.all(mw.sum(axis=0) <= p.site_mw[i] * (1 + 1e-9) + 1e-9)
        and np.all(orders <= p.deliveries[s] + 1e-9)
        and np.all(np.diff(count[i, s]) >= 0)
        and _fits_fleet(p, count)
    )


def _fits_fleet(p: Problem, count: NDArray[np.int64]) -> bool:
    mw = np.einsum("s,i,isq->q", p.provision, p.site_factor, count) / KW_PER_MW
    return bool(np.all(mw <= p.fleet_mw * (1 + 1e-9) + 1e-9))


def _fits_all(p: Problem, count: NDArray[np.int64]) -> bool:
    sites, systems = count.shape[:2]
    return all(_fits(p, count, i, s) for i in range(sites) for s in range(systems))
