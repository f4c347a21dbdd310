# pyright: basic
"""The event loop of a station of equal servers with priorities and room for a bounded number of waiters."""

from __future__ import annotations

from typing import Any

import numpy as np

from openwafer.fleet.simulation.loop._heap import drop_first, push, replace_first
from openwafer.fleet.simulation.loop._kernel import kernel


@kernel
def _append(first, last, follows, level, who):
    if first[level] < 0:
        first[level] = who
    else:
        follows[last[level]] = who
    last[level] = who
    follows[who] = -1


@kernel
def _take(first, follows):
    """The first waiter of the first level that has one; there is one."""
    level = 0
    while first[level] < 0:
        level += 1
    who = first[level]
    first[level] = follows[who]
    return who


def run_queue(
    arrival: Any, service: Any, level: Any, servers: Any, most_waiting: Any, start: Any,
    times: Any, items: Any, follows: Any, first: Any, last: Any,
) -> None:  # fmt: skip
    """Fills `start` (s, NaN for who is refused) from `arrival` (s, in order), `service` (s) and `level`.

    A server that becomes free takes the longest waiter of the lowest level. A departure comes before an
    arrival of the same time. `times`, `items`: a heap with room for `servers`; the others hold waiters.
    """
    count, at, busy, waiting = arrival.shape[0], 0, 0, 0
    while at < count or waiting > 0:
        if busy > 0 and (at >= count or times[0] <= arrival[at]):
            now = times[0]
            if waiting == 0:
                drop_first(times, items, busy)
                busy -= 1
                continue
            who = _take(first, follows)
            waiting -= 1
            start[who] = now
            replace_first(times, items, busy, now + service[who], who)
            continue
        if busy < servers:
            start[at] = arrival[at]
            push(times, items, busy, arrival[at] + service[at], at)
            busy += 1
        elif waiting < most_waiting:
            _append(first, last, follows, level[at], at)
            waiting += 1
        else:
            start[at] = np.nan
        at += 1
