"""A station of equal servers, request by request, without the detail of batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openwafer.diag import error, notice
from openwafer.fleet.simulation.loop._queue_loop import run_queue
from openwafer.sim.fast import Kept

NO_BOUND = 2**62
QUEUE = Kept(
    run_queue,
    "void(float64[::1], float64[::1], int64[::1], int64, int64, float64[::1], float64[::1], int64[::1], "
    "int64[::1], int64[::1], int64[::1])",
    "openwafer.fleet.simulation.loop._queue_loop",
)


@cache
def _compiled() -> Callable[..., Any]:
    with notice("Compiling the queue of the fleet simulation, once for this installation."):
        return QUEUE.as_function()


def simulate_queue(
    arrival_s: ArrayLike,
    service_s: ArrayLike,
    servers: int,
    *,
    level: ArrayLike | None = None,
    most_waiting: int = NO_BOUND,
) -> NDArray[np.float64]:
    """When each request starts, in seconds; NaN where it found `most_waiting` others waiting and left.

    `arrival_s` is in order; requests of a lower `level` go first, those of one level as they came; none is
    interrupted. Some 10 million requests a second. Diagnostics: simulation-bad-input.
    """
    arrival = np.ascontiguousarray(arrival_s, dtype=np.float64)
    service = np.ascontiguousarray(service_s, dtype=np.float64)
    levels = np.zeros(len(arrival), np.int64) if level is None else np.ascontiguousarray(level, np.int64)
    _check(arrival, service, levels, servers)
    room = min(servers, max(len(arrival), 1))
    deepest = int(levels.max(initial=0)) + 1
    start = np.empty(len(arrival))
    times, items = np.empty(room), np.empty(room, np.int64)
    follows, first, last = np.empty(len(arrival), np.int64), np.full(deepest, -1), np.full(deepest, -1)
    _compiled()(
        arrival, service, levels, servers, most_waiting, start, times, items, follows, first, last
    )  # fmt: skip
    return start


def _check(
    arrival: NDArray[np.float64], service: NDArray[np.float64], level: NDArray[np.int64], servers: int
) -> None:
    if servers < 1:
        raise error("simulation-bad-input", f"a queue needs at least one server, found {servers}")
    if not len(arrival) == len(service) == len(level):
        text = f"{len(arrival)} arrivals, {len(service)} services and {len(level)} levels do not go together"
        raise error("simulation-bad-input", text)
    if not np.isfinite(arrival).all() or (np.diff(arrival) < 0).any():
        raise error("simulation-bad-input", "arrivals must be finite and in order")
    if not (np.isfinite(service) & (service >= 0)).all() or (level < 0).any():
        raise error("simulation-bad-input", "services must be finite, and no service or level negative")
