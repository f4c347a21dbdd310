# pyright: basic
"""The router: which replica takes a request, what happens when none does, and at the end of an answer."""

from __future__ import annotations

import numpy as np

from openwafer.fleet.simulation._block import (
    advance,
    begin_block,
    count_prompt,
    is_room,
    join,
    leave_batch,
    measure_block,
    shorten_block,
)
from openwafer.fleet.simulation._kernel import kernel
from openwafer.fleet.simulation._state import (
    LEAST,
    NEVER,
    PREFILL,
    REFUSED,
    ROUND_ROBIN,
    SERVED,
    SHED,
    TOO_LONG,
    TRANSFER,
    UNDER_WAY,
)
from openwafer.fleet.simulation._waiting import append_waiter, come_again, first_waiter, hold, schedule

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
def _is_open(replica):
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
        fits = _is_open(replica) and replica.waiting < most_waiting
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
        if not _is_open(replica):
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
        if _is_open(s.replicas[r]) and s.replicas[r].waiting < most_waiting:
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
    return r if is_fresh and _is_open(replica) and replica.waiting < s.pools[replica.pool].affinity else -1


@kernel
def _choose(s, q, now):
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


@kernel
def _prefix(s, r, q, now):
    """Tokens of the prompt that a replica has in its cache."""
    request, replica = s.requests[q], s.replicas[r]
    found = request.shared
    if request.session >= 0:
        session = s.sessions[request.session]
        kept = now - session.last_s <= s.pools[replica.pool].keep_s
        if session.replica == r and session.epoch == replica.epoch and kept:
            found = max(found, min(request.cached, session.tokens))
    return min(found, request.prompt - 1)


@kernel
def enqueue(s, r, q, now, has_cache):
    """A request comes to a replica, with its cache or without."""
    request, replica = s.requests[q], s.replicas[r]
    pool = s.pools[replica.pool]
    longest = request.prompt if pool.role == PREFILL else request.prompt + request.output
    if longest > pool.room:
        request.status = TOO_LONG
        return
    request.status = UNDER_WAY
    if np.isnan(request.sent_s):
        request.sent_s = now
    request.replica, request.pool = r, replica.pool
    request.todo = 0
    if not has_cache:
        request.reused = _prefix(s, r, q, now)
        request.todo = request.prompt + request.done - request.reused
    append_waiter(s, r, q)
    replica.load += 1
    replica.pending += request.todo
    if s.when[r] == NEVER:
        begin_block(s, r, now)
    elif replica.block > 1 and first_waiter(replica) == q and is_room(s, replica, request, 0):
        shorten_block(s, r, now)


@kernel
def dispatch(s, q, now):
    """A request comes to the router."""
    r = _choose(s, q, now)
    if r >= 0:
        enqueue(s, r, q, now, False)
    elif s.groups[s.requests[q].group].may_hold:
        hold(s, q)
    else:
        s.requests[q].status = REFUSED


@kernel
def deliver(s, q, now):
    """The cache of a prompt has come to the decode pool; without an open replica it is lost."""
    target = s.pools[s.requests[q].pool].target
    r = choose_in(s, target, q, 1 << 62)
    if r >= 0:
        enqueue(s, r, q, now, True)
    else:
        s.requests[q].moves += 1
        come_again(s, q, now + s.pools[target].failover_s)


@kernel
def _serves(s, group, p):
    for at in range(s.routes.shape[1]):  # noqa: SIM110, compiled code has no generators
        if s.routes[group, at] == p:
            return True
    return False


@kernel
def pull(s, r, now):
    """A replica at which nobody waits takes a request that the router holds."""
    replica = s.replicas[r]
    if not _is_open(replica) or replica.waiting > 0:
        return
    for g in range(s.groups.shape[0]):
        group = s.groups[g]
        while group.held_first >= 0 and replica.waiting == 0 and _serves(s, g, replica.pool):
            q = group.held_first
            group.held_first = s.requests[q].after
            s.world[0].held -= 1
            if now - s.requests[q].arrival_s > group.most_held_s:
                s.requests[q].status = SHED
            else:
                enqueue(s, r, q, now, False)


@kernel
def _keep(s, r, q, tokens, now):
    """The replica keeps what it has of a conversation."""
    session = s.requests[q].session
    if session >= 0:
        s.sessions[session].replica, s.sessions[session].epoch = r, s.replicas[r].epoch
        s.sessions[session].tokens, s.sessions[session].last_s = tokens, now


@kernel
def _complete(s, r, q, now):
    request, replica = s.requests[q], s.replicas[r]
    pool = s.pools[replica.pool]
    request.done = request.output
    request.end_s = now + pool.delay_s
    request.status = SERVED
    replica.load -= 1
    if request.session >= 0 and s.sessions[request.session].replica == r:
        _keep(s, r, q, request.prompt + request.output, now)
    if request.then >= 0:
        at = request.end_s + request.think_s
        s.requests[request.then].arrival_s = at
        come_again(s, request.then, at)


@kernel
def _hand_over(s, r, q, now):
    """Sends the cache of a prompt to the decode pool; a replica's link carries one at a time."""
    request, replica = s.requests[q], s.replicas[r]
    pool = s.pools[replica.pool]
    replica.kv -= request.held
    replica.load -= 1
    free = max(now, replica.link_s) + request.prompt * pool.transfer_token_s
    replica.link_s = free
    schedule(s, free + pool.transfer_s, TRANSFER, q)


@kernel
def _end_prompt(s, r, q, now):
    """A prompt is read: its first token is there."""
    request, replica = s.requests[q], s.replicas[r]
    pool = s.pools[replica.pool]
    count_prompt(s, replica, request, now)
    if np.isnan(request.first_s):
        request.first_s = now + pool.delay_s
    _keep(s, r, q, request.prompt + request.done, now)
    request.done += 1
    if request.done >= request.output:
        replica.kv -= request.held
        _complete(s, r, q, now)
    elif pool.role == PREFILL:
        _hand_over(s, r, q, now)
    else:
        join(s, r, q)


@kernel
def end_block(s, r, now):
    """A block is over: tokens are out, sequences end, prompts are read. The next one begins."""
    replica = s.replicas[r]
    measure_block(s, r, now)
    advance(s, r, replica.block, now)
    replica.pending -= replica.read
    replica.read = 0
    while replica.batch > 0 and s.finish_s[r, 0] <= replica.step:
        _complete(s, r, leave_batch(s, r), now)
    q = replica.chunk
    while q >= 0:
        after = s.requests[q].after
        _end_prompt(s, r, q, now)
        q = after
    if s.world[0].held > 0:
        replica.block = 0
        pull(s, r, now)
    begin_block(s, r, now)
