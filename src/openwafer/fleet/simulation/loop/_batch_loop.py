# pyright: basic
"""The event loop of a fleet: blocks of replicas, requests, and what happens to replicas."""

from __future__ import annotations

from typing import Any

from openwafer.fleet.simulation.loop._heap import drop_first
from openwafer.fleet.simulation.loop._kernel import kernel
from openwafer.fleet.simulation.loop._outage import change
from openwafer.fleet.simulation.loop._router import deliver, dispatch, end_block
from openwafer.fleet.simulation.loop._state import NEVER, TRANSFER, State


@kernel
def _next_event(s, now):
    item = s.event_i[0]
    drop_first(s.event_s, s.event_i, s.world[0].events)
    s.world[0].events -= 1
    q = item >> 1
    if item & 1 == TRANSFER:
        deliver(s, q, now)
    else:
        dispatch(s, q, now)


def run_fleet(
    world: Any, requests: Any, sessions: Any, replicas: Any, pools: Any, groups: Any, routes: Any,
    weights: Any, steps: Any, when: Any, tree: Any, event_s: Any, event_i: Any, finish_s: Any, finish_i: Any,
    meter: Any, stream_s: Any, stream: Any, control_s: Any, control: Any,
) -> float:  # fmt: skip
    """Runs until nothing is left to do or `world.end_s`; the time then.

    `stream_s`, `stream`: arrivals in order and their requests; `control_s`, `control[:, 0 | 1]`: what happens
    to which replica. Of one time, blocks end first, then events of requests, arrivals, and changes.
    """
    s = State(
        world, requests, sessions, replicas, pools, groups, routes, weights, steps, when, tree,
        event_s, event_i, finish_s, finish_i, meter,
    )  # fmt: skip
    arrived, changed, now = 0, 0, 0.0
    arrivals, changes, end = stream_s.shape[0], control_s.shape[0], world[0].end_s
    while True:
        block_at = when[tree[1]]
        event_at = event_s[0] if world[0].events > 0 else NEVER
        arrival_at = stream_s[arrived] if arrived < arrivals else NEVER
        change_at = control_s[changed] if changed < changes else NEVER
        at = min(block_at, event_at, arrival_at)
        is_idle = at == NEVER and (change_at == NEVER or world[0].held == 0)
        if is_idle or min(at, change_at) > end:
            return now
        now = min(at, change_at)
        if block_at == now:
            end_block(s, tree[1], now)
        elif event_at == now:
            _next_event(s, now)
        elif arrival_at == now:
            dispatch(s, stream[arrived], now)
            arrived += 1
        else:
            change(s, control[changed, 1], control[changed, 0], now)
            changed += 1
