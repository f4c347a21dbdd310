# pyright: basic
"""Lists of requests: who waits at a replica, by level, and who is held by the router."""

from __future__ import annotations

from openwafer.fleet.simulation.loop._heap import push
from openwafer.fleet.simulation.loop._kernel import kernel
from openwafer.fleet.simulation.loop._state import HELD, RETURN


@kernel
def append_waiter(s, r, q):
    replica, level = s.replicas[r], s.groups[s.requests[q].group].level
    s.requests[q].after = -1
    last = replica.last0 if level == 0 else replica.last1 if level == 1 else replica.last2
    first = replica.first0 if level == 0 else replica.first1 if level == 1 else replica.first2
    if first >= 0:
        s.requests[last].after = q
    _set(replica, level, first if first >= 0 else q, q)
    replica.waiting += 1


@kernel
def put_first(s, r, q):
    """Before all others of its level: it was interrupted."""
    replica, level = s.replicas[r], s.groups[s.requests[q].group].level
    last = replica.last0 if level == 0 else replica.last1 if level == 1 else replica.last2
    first = replica.first0 if level == 0 else replica.first1 if level == 1 else replica.first2
    s.requests[q].after = first
    _set(replica, level, q, last if first >= 0 else q)
    replica.waiting += 1


@kernel
def _set(replica, level, first, last):
    if level == 0:
        replica.first0, replica.last0 = first, last
    elif level == 1:
        replica.first1, replica.last1 = first, last
    else:
        replica.first2, replica.last2 = first, last


@kernel
def first_waiter(replica):
    """The next to be served; -1 if nobody waits."""
    if replica.first0 >= 0:
        return replica.first0
    return replica.first1 if replica.first1 >= 0 else replica.first2


@kernel
def drop_waiter(s, r):
    """The first waiter leaves the list."""
    replica = s.replicas[r]
    if replica.first0 >= 0:
        replica.first0 = s.requests[replica.first0].after
    elif replica.first1 >= 0:
        replica.first1 = s.requests[replica.first1].after
    else:
        replica.first2 = s.requests[replica.first2].after
    replica.waiting -= 1


@kernel
def hold(s, q):
    """The router keeps a request until a replica has nobody waiting."""
    group = s.groups[s.requests[q].group]
    s.requests[q].after = -1
    s.requests[q].status = HELD
    if group.held_first >= 0:
        s.requests[group.held_last].after = q
    else:
        group.held_first = q
    group.held_last = q
    s.world[0].held += 1


@kernel
def schedule(s, time, kind, q):
    """A request has at most one event; those of the past would be an error of the caller."""
    push(s.event_s, s.event_i, s.world[0].events, time, q * 2 + kind)
    s.world[0].events += 1


@kernel
def come_again(s, q, time):
    schedule(s, time, RETURN, q)
