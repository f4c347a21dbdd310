"""Running the batch simulation: tables out of a fleet and its requests, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from openwafer.diag import notice
from openwafer.fleet.simulation._check import check_fleet, check_requests
from openwafer.fleet.simulation._inputs import FOREVER_S, KINDS, ROLES, RULES, Fleet, Group, Requests
from openwafer.fleet.simulation.loop import _state as st
from openwafer.fleet.simulation.loop._batch_loop import run_fleet
from openwafer.sim.fast import Kept

_DTYPES = (st.WORLD, st.REQUEST, st.SESSION, st.REPLICA, st.POOL, st.GROUP)
_F, _I = numba.float64, numba.int64
_TABLES = (_I[:, ::1], _F[:, :, ::1], _F[:, :, ::1], _F[::1], _I[::1], _F[::1], _I[::1], _F[:, ::1],
           _I[:, ::1], _F[:, :, ::1], _F[::1], _I[::1], _F[::1], _I[:, ::1])  # fmt: skip
LOOP = Kept(
    run_fleet,
    (*(numba.from_dtype(dtype)[::1] for dtype in _DTYPES), *_TABLES),
    "openwafer.fleet.simulation.loop._batch_loop",
)


@cache
def _compiled() -> Callable[..., float]:
    with notice("Compiling the fleet simulation, once for this installation; this takes some seconds."):
        return LOOP.as_function()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchRun:
    """What came of each request, and what the pools did.

    `requests`: records with `arrival_s`, `sent_s` (when it first came to a replica), `first_s` (first token,
    NaN for none), `end_s`, `status`, `pool`, `moves` (times that it had to begin again); `meter[pool, period,
    what]`: busy seconds, joules while busy, tokens of answers, prompt tokens read and found in a cache;
    `steps`: of all replicas; `end_s`: when nothing was left to do, or the time was up.
    """

    requests: NDArray[Any]
    meter: NDArray[np.float64]
    steps: int
    end_s: float


def simulate_batches(
    fleet: Fleet, requests: Requests, *, end_s: float = FOREVER_S, period_s: float = 3600.0, periods: int = 1,
    seed: int = 0,
) -> BatchRun:  # fmt: skip
    """Simulates every iteration of every replica until all is done or `end_s`.

    The meter has `periods` of `period_s`; what happens later is simulated but not metered. The same input
    and seed give the same result on every processor of a kind. Diagnostics: simulation-bad-input.
    """
    check_fleet(fleet)
    check_requests(requests, len(fleet.groups))
    replicas, pools = _replicas(fleet), _pools(fleet)
    table, steps, width = _requests(requests), _steps(fleet), max(len(replicas), 2)
    sessions = np.zeros(
        1 if requests.session is None else int(requests.session.max(initial=0)) + 1, st.SESSION
    )
    sessions["replica"] = -1
    size = 1 << (width - 1).bit_length()
    stream = np.flatnonzero(~np.isnan(requests.arrival_s)).astype(np.int64)
    world = np.zeros(1, st.WORLD)
    world[0] = (end_s, period_s, float(seed), 0, 0, 0, 0, 0)
    deepest = steps.shape[2]
    meter = np.zeros((len(fleet.pools), periods, st.METERS))
    control_s, control = _control(fleet)
    end = _compiled()(
        world, table, sessions, replicas, pools, _groups(fleet), _routes(fleet), _weights(fleet), steps,
        np.full(size, np.inf), _tree(size), np.empty(len(table) + 1), np.empty(len(table) + 1, np.int64),
        np.empty((width, deepest)), np.empty((width, deepest), np.int64), meter,
        np.ascontiguousarray(requests.arrival_s[stream]), stream, control_s, control,
    )  # fmt: skip
    return BatchRun(requests=table, meter=meter, steps=int(world[0]["steps"]), end_s=end)


def _tree(size: int) -> NDArray[np.int64]:
    """A tournament of equal times: the left one wins."""
    tree = np.zeros(size, np.int64)
    for node in range(size - 1, 0, -1):
        left = 2 * node
        tree[node] = left - size if left >= size else tree[left]
    return tree


def _requests(given: Requests) -> NDArray[Any]:
    table = np.zeros(len(given), st.REQUEST)
    table["arrival_s"], table["sent_s"] = given.arrival_s, np.nan
    table["first_s"] = table["end_s"] = np.nan
    table["prompt"], table["output"], table["group"] = given.prompt, given.output, given.group
    table["session"] = table["then"] = table["after"] = table["pool"] = table["replica"] = -1
    for name in ("think_s", "cached", "shared", "session", "then"):
        column = getattr(given, name)
        if column is not None:
            table[name] = column
    return table


def _first_replicas(fleet: Fleet) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([pool.replicas for pool in fleet.pools])]).astype(np.int64)


def _replicas(fleet: Fleet) -> NDArray[Any]:
    table = np.zeros(int(_first_replicas(fleet)[-1]) or 1, st.REPLICA)
    table["pool"][: int(_first_replicas(fleet)[-1])] = np.repeat(
        np.arange(len(fleet.pools)), [pool.replicas for pool in fleet.pools]
    )
    for name in (
        "partial",
        "chunk",
        "chunk_last",
        *(f"{end}{k}" for end in ("first", "last") for k in range(3)),
    ):
        table[name] = -1
    return table


def _pools(fleet: Fleet) -> NDArray[Any]:
    table, first = np.zeros(len(fleet.pools), st.POOL), _first_replicas(fleet)
    names = [pool.name for pool in fleet.pools]
    for i, pool in enumerate(fleet.pools):
        target = -1 if pool.decode_pool is None else names.index(pool.decode_pool)
        table[i] = (
            pool.prompt_token_s, pool.prompt_pair_s, pool.transfer_s, pool.transfer_token_s, pool.delay_s,
            pool.failover_s, pool.prompt_watts, pool.keep_s, ROLES.index(pool.role), pool.step_tokens,
            pool.room_tokens, min(pool.steps.most_sequences, pool.step_tokens), first[i], first[i + 1],
            int(pool.reserves), target, RULES.index(pool.rule), 0, pool.affinity_waiting,
        )  # fmt: skip
    return table


def _groups(fleet: Fleet) -> NDArray[Any]:
    table = np.zeros(len(fleet.groups), st.GROUP)
    for i, group in enumerate(fleet.groups):
        held = group.most_held_s
        table[i] = (held or 0.0, group.level, group.most_waiting, int(held is not None), -1, -1)
    return table


def _routes(fleet: Fleet) -> NDArray[np.int64]:
    names = [pool.name for pool in fleet.pools]
    table = np.full((len(fleet.groups), max(len(group.routes) for group in fleet.groups)), -1, np.int64)
    for i, group in enumerate(fleet.groups):
        table[i, : len(group.routes)] = [names.index(name) for name, _ in group.routes]
    return table


def _weights(fleet: Fleet) -> NDArray[np.float64]:
    """Cumulated shares (periods, groups, routes)."""
    periods = max((len(g.shares) for g in fleet.groups if g.shares is not None), default=1)
    table = np.ones((periods, len(fleet.groups), max(len(group.routes) for group in fleet.groups)))
    for i, group in enumerate(fleet.groups):
        table[:, i, : len(group.routes)] = _cumulated(group, periods)
    return table


def _cumulated(group: Group, periods: int) -> NDArray[np.float64]:
    shares = np.tile([share for _, share in group.routes], (periods, 1))
    if group.shares is not None:
        shares[: len(group.shares)] = group.shares
        shares[len(group.shares) :] = group.shares[-1]
    found = np.cumsum(shares, axis=1)
    return found / found[:, -1:]


def _steps(fleet: Fleet) -> NDArray[np.float64]:
    deepest = max(pool.steps.most_sequences for pool in fleet.pools) + 1
    table = np.zeros((len(fleet.pools), 3, deepest))
    for i, pool in enumerate(fleet.pools):
        for k, column in enumerate((pool.steps.seconds, pool.steps.context_s, pool.steps.watts)):
            table[i, k, : len(column)] = column
    return table


def _control(fleet: Fleet) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    first = dict(zip((pool.name for pool in fleet.pools), _first_replicas(fleet), strict=False))
    changes = sorted(
        (change.at_s, KINDS.index(change.kind), int(first[change.pool]) + change.replica)
        for change in fleet.changes
    )
    times = np.array([at for at, _, _ in changes], dtype=np.float64)
    return times, np.array([change[1:] for change in changes], dtype=np.int64).reshape(-1, 2)
