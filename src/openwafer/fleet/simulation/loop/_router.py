# pyright: basic
"""The router: what becomes of a request that no replica takes, and at the end of a prompt or an answer."""

from __future__ import annotations

import numpy as np

from openwafer.fleet.simulation.loop._block import begin_block, is_room, join, leave_batch, shorten_block
from openwafer.fleet.simulation.loop._choice import choose, choose_in, is_open
from openwafer.fleet.simulation.loop._kernel import kernel
from openwafer.fleet.simulation.loop._meter import advance, count_prompt, measure_block
from openwafer.fleet.simulation.loop._state import (
    NEVER,
    PREFILL,
    REFUSED,
    SERVED,
    SHED,
    TOO_LONG,
    TRANSFER,
    UNDER_WAY,
)
from openwafer.fleet.simulation.loop._waiting import append_waiter, come_again, first_waiter, hold, schedule


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
    r = choose(s, q, now)
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
    if not is_open(replica) or replica.waiting > 0:
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
