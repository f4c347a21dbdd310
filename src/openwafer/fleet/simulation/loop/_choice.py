# pyright: basic
"""Which replica takes a request: by session, by the shares of the period, by the rule of the pool."""

from __future__ import annotations

import numpy as np

from openwafer.fleet.simulation.loop._kernel import kernel
from openwafer.fleet.simulation.loop._state import LEAST, ROUND_ROBIN

TRIES = 4


@kernel
def _draw(seed, number, turn):
    """A number in [0, 1) that depends on its arguments only (SplitMix64)."""
    x = np.uint64(seed) + np.uint64(number) * np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64(turn) * np.uint64(0xD1B54A32D192ED03)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return float(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def is_open(replica):
    return replica.down == 0 and replica.drain == 0


@kernel
def _is_freer(replica, other):
    """Fewer tokens of prompts to read, or as many and fewer requests."""
    if replica.pending != other.pending:
        return replica.pending < other.pending
    return replica.load < other.load


@kernel
def _least(s, pool, most_waiting):
    best = -1
    for r in range(pool.first, pool.last):
        replica = s.replicas[r]
        fits = is_open(replica) and replica.waiting < most_waiting
        if fits and (best < 0 or _is_freer(replica, s.replicas[best])):
            best = r
    return best


@kernel
def _two_choices(s, pool, most_waiting, q):
    """The less loaded of two that are drawn; where those are closed or full, the least loaded of all."""
    best, count = -1, pool.last - pool.first
    moves = s.requests[q].moves
    found = 0
    for turn in range(TRIES):
        r = pool.first + int(_draw(s.world[0].seed, q, 1 + turn + 8 * moves) * count)
        replica = s.replicas[r]
        if not is_open(replica):
            continue
        if replica.waiting < most_waiting and (best < 0 or _is_freer(replica, s.replicas[best])):
            best = r
        found += 1
        if found == 2:
            break
    return best if best >= 0 else _least(s, pool, most_waiting)


@kernel
def _in_turn(s, pool, most_waiting):
    count = pool.last - pool.first
    for _ in range(count):
        r = pool.first + pool.turn % count
        pool.turn += 1
        if is_open(s.replicas[r]) and s.replicas[r].waiting < most_waiting:
            return r
    return -1


@kernel
def choose_in(s, p, q, most_waiting):
    """A replica of a pool by the pool's rule; -1 if none is open."""
    pool = s.pools[p]
    if pool.last == pool.first:
        return -1
    if pool.rule == ROUND_ROBIN:
        return _in_turn(s, pool, most_waiting)
    if pool.rule == LEAST or pool.last - pool.first <= 2:
        return _least(s, pool, most_waiting)
    return _two_choices(s, pool, most_waiting, q)


@kernel
def _of_session(s, q):
    """The replica that has the beginning of the conversation, if it is open and not crowded."""
    session = s.requests[q].session
    if session < 0 or s.sessions[session].replica < 0:
        return -1
    r = s.sessions[session].replica
    replica = s.replicas[r]
    is_fresh = replica.epoch == s.sessions[session].epoch
    return r if is_fresh and is_open(replica) and replica.waiting < s.pools[replica.pool].affinity else -1


@kernel
def choose(s, q, now):
    group = s.requests[q].group
    r = _of_session(s, q)
    if r >= 0:
        return r
    period = min(int(now / s.world[0].period_s), s.weights.shape[0] - 1)
    shares, routes = s.weights[period, group], s.routes[group]
    drawn, at = _draw(s.world[0].seed, q, 0), 0
    while at < routes.shape[0] - 1 and shares[at] <= drawn:
        at += 1
    most_waiting = s.groups[group].most_waiting
    r = choose_in(s, routes[at], q, most_waiting) if routes[at] >= 0 else -1
    other = 0
    while r < 0 and other < routes.shape[0] and routes[other] >= 0:
        r = choose_in(s, routes[other], q, most_waiting)
        other += 1
    return r
