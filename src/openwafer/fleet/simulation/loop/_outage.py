# pyright: basic
"""Replicas that go down, come back, drain and open; what was under way goes back to the router."""

from __future__ import annotations

from openwafer.fleet.simulation.loop._block import steps_until
from openwafer.fleet.simulation.loop._kernel import kernel
from openwafer.fleet.simulation.loop._meter import advance, measure_block
from openwafer.fleet.simulation.loop._router import pull
from openwafer.fleet.simulation.loop._state import DOWN, DRAIN, NEVER, UP
from openwafer.fleet.simulation.loop._tree import set_when
from openwafer.fleet.simulation.loop._waiting import come_again, drop_waiter, first_waiter


@kernel
def _send_back(s, q, at):
    """Its cache is lost; what its user has read is not, and is read again with the prompt."""
    s.requests[q].moves += 1
    come_again(s, q, at)


@kernel
def _stop(s, r, now):
    """Ends whatever a replica does; complete steps of the block count."""
    replica = s.replicas[r]
    if s.when[r] == NEVER:
        return
    whole = 0
    if replica.chunk < 0 and replica.partial < 0 and replica.block > 1:
        whole = steps_until(s, replica, now) - 1
    measure_block(s, r, now)
    advance(s, r, whole, now)
    set_when(s.when, s.tree, r, NEVER)


@kernel
def _go_down(s, r, now):
    replica = s.replicas[r]
    at = now + s.pools[replica.pool].failover_s
    _stop(s, r, now)
    for place in range(replica.batch):
        q = s.finish_i[r, place]
        s.requests[q].done = s.requests[q].output - (int(s.finish_s[r, place]) - replica.step)
        _send_back(s, q, at)
    q = replica.chunk
    while q >= 0:
        after = s.requests[q].after
        _send_back(s, q, at)
        q = after
    if replica.partial >= 0:
        _send_back(s, replica.partial, at)
    q = first_waiter(replica)
    while q >= 0:
        drop_waiter(s, r)
        _send_back(s, q, at)
        q = first_waiter(replica)
    replica.chunk, replica.partial, replica.block = -1, -1, 0
    replica.batch, replica.kv, replica.context, replica.load = 0, 0, 0, 0
    replica.pending, replica.read = 0, 0
    replica.epoch += 1


@kernel
def change(s, r, kind, now):
    """One event of a replica. It serves while it is neither down nor draining, whatever the causes."""
    replica = s.replicas[r]
    if kind == DOWN:
        if replica.down == 0:
            _go_down(s, r, now)
        replica.down += 1
    elif kind == UP:
        replica.down -= 1
    elif kind == DRAIN:
        replica.drain += 1
    else:
        replica.drain -= 1
    if s.when[r] == NEVER and s.world[0].held > 0:
        pull(s, r, now)
