# pyright: basic
"""Iterations of one replica, as an inference server does them.

A step makes one token of each sequence of the batch and reads up to `budget` tokens of prompts. Steps that
are alike are one block: until a sequence ends, the KV cache is full, or a request comes that fits.
"""

from __future__ import annotations

import math

from openwafer.fleet.simulation.loop._heap import drop_first, push
from openwafer.fleet.simulation.loop._kernel import kernel
from openwafer.fleet.simulation.loop._state import NEVER
from openwafer.fleet.simulation.loop._tree import set_when
from openwafer.fleet.simulation.loop._waiting import drop_waiter, first_waiter, put_first


@kernel
def block_s(s, replica, count):
    """Seconds of `count` steps without prompts; the context grows by a token of each sequence and step."""
    base, each = s.steps[replica.pool, 0, replica.batch], s.steps[replica.pool, 1, replica.batch]
    grown = replica.batch * (count * (count - 1) * 0.5)
    return count * base + each * (count * replica.context + grown)


@kernel
def need_of(s, replica, request):
    """Tokens of KV cache that a request takes when it is admitted."""
    if s.pools[replica.pool].reserves:
        return request.prompt + request.output
    return request.prompt + request.done - (request.todo == 0)


@kernel
def is_room(s, replica, request, joining):
    """Whether a waiter fits beside the batch, with a token to grow for each sequence."""
    pool, need = s.pools[replica.pool], need_of(s, replica, request)
    if replica.batch + joining >= pool.most_sequences:
        return False
    grow = 0 if pool.reserves else replica.batch + joining + 1
    return replica.kv + need + grow <= pool.room


@kernel
def join(s, r, q):
    """A request whose prompt is read becomes one of the batch."""
    replica, request = s.replicas[r], s.requests[q]
    s.world[0].order += 1
    request.order = s.world[0].order
    push(s.finish_s[r], s.finish_i[r], replica.batch, replica.step + request.output - request.done, q)
    replica.batch += 1
    replica.context += request.seen


@kernel
def _newest(s, r):
    """Place in the heap of the sequence that joined last."""
    best = 0
    for at in range(1, s.replicas[r].batch):
        if s.requests[s.finish_i[r, at]].order > s.requests[s.finish_i[r, best]].order:
            best = at
    return best


@kernel
def _drop_at(s, r, at):
    """The heap of a batch loses the sequence at a place."""
    last = s.replicas[r].batch - 1
    s.finish_s[r, at], s.finish_i[r, at] = s.finish_s[r, last], s.finish_i[r, last]
    for count in range(last):
        push(s.finish_s[r], s.finish_i[r], count, s.finish_s[r, count], s.finish_i[r, count])


@kernel
def _preempt_newest(s, r):
    """The last that joined gives its cache back and waits, before all others, to be read again."""
    replica = s.replicas[r]
    at = _newest(s, r)
    q = s.finish_i[r, at]
    request = s.requests[q]
    left = int(s.finish_s[r, at]) - replica.step
    made = request.output - request.done - left
    _drop_at(s, r, at)
    replica.batch -= 1
    replica.context -= request.seen + made
    replica.kv -= request.held + made
    request.done += made
    request.todo = request.prompt + request.done
    request.reused = 0
    request.moves += 1
    replica.pending += request.todo
    put_first(s, r, q)


@kernel
def _make_room(s, r):
    """Every sequence of the batch needs a place for its next token."""
    replica = s.replicas[r]
    pool = s.pools[replica.pool]
    while not pool.reserves and replica.batch > 0 and replica.kv + replica.batch > pool.room:
        if replica.partial >= 0:
            q = replica.partial
            replica.partial = -1
            replica.kv -= s.requests[q].held
            replica.pending += s.requests[q].prompt + s.requests[q].done - s.requests[q].todo
            s.requests[q].todo = s.requests[q].prompt + s.requests[q].done
            s.requests[q].reused = 0
            s.requests[q].moves += 1
            put_first(s, r, q)
        else:
            _preempt_newest(s, r)


@kernel
def _read(s, r, q, budget):
    """Reads a piece of a prompt in this step; the tokens of it."""
    replica, request = s.replicas[r], s.requests[q]
    pool = s.pools[replica.pool]
    tokens = min(request.todo, budget)
    before = request.prompt + request.done - request.todo
    replica.prompt_s += tokens * (pool.token_s + pool.pair_s * (before + 0.5 * tokens))
    request.todo -= tokens
    replica.read += tokens
    if request.todo > 0:
        replica.partial = q
        return tokens
    replica.partial = -1
    request.after = -1
    if replica.chunk >= 0:
        s.requests[replica.chunk_last].after = q
    else:
        replica.chunk = q
    replica.chunk_last = q
    return tokens


@kernel
def _admit(s, r):
    """Gives the step its prompts: the one under way, then waiters in their order. The tokens of it."""
    replica = s.replicas[r]
    budget = s.pools[replica.pool].budget - replica.batch
    read, joining = 0, 0
    if replica.partial >= 0 and budget > 0:
        read = _read(s, r, replica.partial, budget)
        joining = 1
    while read < budget and replica.partial < 0:
        q = first_waiter(replica)
        if q < 0 or not is_room(s, replica, s.requests[q], joining):
            break
        drop_waiter(s, r)
        request = s.requests[q]
        request.held = need_of(s, replica, request)
        request.seen = request.prompt + request.done - (request.todo == 0)
        replica.kv += request.held
        if request.todo == 0:
            join(s, r, q)
            budget -= 1
        else:
            read += _read(s, r, q, budget - read)
            joining += 1
    return read


@kernel
def begin_block(s, r, now):
    """Forms the next block of a replica that is between steps; without work it sleeps."""
    replica = s.replicas[r]
    pool = s.pools[replica.pool]
    replica.chunk = -1
    replica.prompt_s = 0.0
    replica.start_s = now
    if replica.waiting > 0 or replica.partial >= 0 or replica.batch > 0:
        _make_room(s, r)
        read = _admit(s, r)
    else:
        read = 0
    if read == 0 and replica.batch == 0:
        replica.block = 0
        set_when(s.when, s.tree, r, NEVER)
        return
    replica.block = 1
    if read == 0 and replica.partial < 0:
        replica.block = int(s.finish_s[r, 0]) - replica.step
        if not pool.reserves:
            replica.block = min(replica.block, (pool.room - replica.kv) // replica.batch)
    set_when(s.when, s.tree, r, now + block_s(s, replica, replica.block) + replica.prompt_s)


@kernel
def steps_until(s, replica, now):
    """The fewest steps of the block under way, at least one, that end at `now` or later."""
    gone = now - replica.start_s
    base, each = s.steps[replica.pool, 0, replica.batch], s.steps[replica.pool, 1, replica.batch]
    square, line = 0.5 * each * replica.batch, base + each * (replica.context - 0.5 * replica.batch)
    count = int(2.0 * gone / (line + math.sqrt(line * line + 4.0 * square * gone)))
    count = min(max(count, 1), replica.block)
    while count > 1 and replica.start_s + block_s(s, replica, count - 1) >= now:
        count -= 1
    while count < replica.block and replica.start_s + block_s(s, replica, count) < now:
        count += 1
    return count


@kernel
def shorten_block(s, r, now):
    """Lets a block without prompts end with the step that is under way."""
    replica = s.replicas[r]
    count = steps_until(s, replica, now)
    if count < replica.block:
        replica.block = count
        set_when(s.when, s.tree, r, replica.start_s + block_s(s, replica, count))


@kernel
def leave_batch(s, r):
    """The sequence that ends first goes; its request."""
    replica = s.replicas[r]
    q = s.finish_i[r, 0]
    request = s.requests[q]
    drop_first(s.finish_s[r], s.finish_i[r], replica.batch)
    replica.batch -= 1
    made = request.output - request.done
    replica.context -= request.seen + made
    replica.kv -= request.held + (0 if s.pools[replica.pool].reserves else made)
    return q
