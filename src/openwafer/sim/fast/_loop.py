"""The loop over cycles of the fast engine. Compiled code."""

from __future__ import annotations

from typing import Any

from openwafer.sim.fast._commands import command_record, concerns, count_open
from openwafer.sim.fast._fabric import channel_record, fault, router_record, serve_router, wake_pe
from openwafer.sim.fast._ops import UNSUPPORTED, slot_record
from openwafer.sim.fast._pe import DSD_OP, call_code, grant, step_pe
from openwafer.sim.fast._ports import start_stream
from openwafer.sim.fast._raw import kernel, load64, prefetch, store64, trailing_zeros
from openwafer.sim.fast._schedule import (
    clear,
    count,
    is_due,
    next_cycle,
    peek,
    pull_due,
    put_back,
    take,
    unwind,
)
from openwafer.sim.fast._state import (
    CHANNEL_HEAD_BYTES,
    DONE,
    END,
    FAULT_LONG_INIT,
    FAULTED,
    IDLE,
    LIMIT,
    LINE,
    MORE,
    NEVER,
    PE_BYTES,
    QUIET,
    RAMP_BIT,
    REQUEST,
    STREAM_IN,
    Channel,
    Command,
    Pe,
    Router,
    Slot,
    World,
)
from openwafer.sim.fast._team import (
    PES,
    ROUTERS,
    STOP,
    TEAM_ARRIVED,
    TEAM_NOW,
    TEAM_PHASE,
    atomic_add,
    await_helpers,
    give_order,
    merge_faults,
    next_order,
    part,
)
from openwafer.sim.fast.memory._operand import PLACE
from openwafer.tir import MOST_INIT_CYCLES

AHEAD, NEAR, NEXT = 8, 4, 2
"""How many items ahead memory is asked for: records, what they point to, and what that points to."""


@kernel
def _prefetch_router(w: Any, ring: Any, bucket: Any, k: Any, n: Any) -> Any:
    if k + AHEAD < n:
        prefetch(router_record(w, peek(ring, bucket, k + AHEAD)))
    if k + NEAR < n:
        router = router_record(w, peek(ring, bucket, k + NEAR))
        waiting = load64(router + Router.COLORS_WAITING)
        if waiting != 0:
            channel = channel_record(w, router, trailing_zeros(waiting))
            prefetch(channel)
            prefetch(channel + CHANNEL_HEAD_BYTES)
            prefetch(channel + CHANNEL_HEAD_BYTES + load64(w + World.PORT_BYTES))
    if k + NEXT < n:
        router = router_record(w, peek(ring, bucket, k + NEXT))
        waiting = load64(router + Router.COLORS_WAITING)
        if waiting != 0:
            channel = channel_record(w, router, trailing_zeros(waiting))
            tx = load64(channel + Channel.ROUTE) >> 8
            prefetch(
                load64(
                    channel
                    + (Channel.INPUT if tx & RAMP_BIT else Channel.NEXT + 8 * trailing_zeros(tx | RAMP_BIT))
                )
            )


@kernel
def _prefetch_pe(w: Any, ring: Any, bucket: Any, k: Any, n: Any) -> Any:
    pes = load64(w + World.PES)
    if k + AHEAD < n:
        pe = pes + peek(ring, bucket, k + AHEAD) * PE_BYTES
        prefetch(pe)
        prefetch(pe + LINE)
    if k + NEAR < n:
        pe = pes + peek(ring, bucket, k + NEAR) * PE_BYTES
        left = load64(pe + Pe.USED)
        while left:
            slot = slot_record(w, pe, trailing_zeros(left))
            left &= left - 1
            prefetch(slot)
            prefetch(slot + LINE)
            prefetch(slot + Slot.WALKERS)
            prefetch(slot + Slot.WALKERS + LINE)
        queues = load64(pe + Pe.QUEUES)
        prefetch(queues)
        prefetch(queues + LINE)
    if k + NEXT < n:
        pe = pes + peek(ring, bucket, k + NEXT) * PE_BYTES
        memory, left = load64(pe + Pe.MEMORY), load64(pe + Pe.USED)
        while left:
            slot = slot_record(w, pe, trailing_zeros(left))
            left &= left - 1
            prefetch(memory + load64(slot + Slot.WALKERS + PLACE))
            prefetch(memory + load64(slot + Slot.WALKERS + LINE + PLACE))


@kernel
def _serve_routers(w: Any, first: Any, behind: Any, now: Any) -> Any:
    """Serves the routers of a part that are due, except that it puts those before `first` and from `behind`
    on aside; whether a wavelet moved."""
    ring, bucket, happened, aside = load64(w + World.ROUTER_RING), now & 63, False, 0
    pull_due(ring, now, NEVER)
    n = count(ring, bucket)
    for k in range(n):
        _prefetch_router(w, ring, bucket, k, n)
        index = take(ring, bucket, k)
        if index < first or index >= behind:
            put_back(ring, bucket, aside, index)
            aside += 1
        elif serve_router(w, index, now):
            happened = True
    clear(ring, bucket)
    store64(w + World.ASIDE, aside)
    return happened


@kernel
def _serve_aside(w: Any, now: Any) -> Any:
    """Serves the routers that were put aside; whether a wavelet moved."""
    happened = False
    for k in range(load64(w + World.ASIDE)):
        if serve_router(w, peek(load64(w + World.ROUTER_RING), now & 63, k), now):
            happened = True
    return happened


@kernel
def _step_pes(w: Any, now: Any) -> Any:
    """Steps the PEs of a part that are due; whether something happened. PEs whose time has been put off since
    are left out."""
    ring, bucket, happened = load64(w + World.PE_RING), now & 63, False
    pull_due(ring, now, NEVER)
    n = count(ring, bucket)
    pes = load64(w + World.PES)
    for k in range(n):
        _prefetch_pe(w, ring, bucket, k, n)
        index = take(ring, bucket, k)
        due = load64(pes + index * PE_BYTES + Pe.NEXT)
        if due == now:
            if step_pe(w, index, now):
                happened = True
        elif due < NEVER and due > now:
            store64(pes + index * PE_BYTES + Pe.NEXT, NEVER)
            wake_pe(w, index, pes + index * PE_BYTES, due, now)
    clear(ring, bucket)
    return happened


@kernel
def _do(w: Any, phase: Any, now: Any) -> Any:
    """One part's share of a phase that all threads work on."""
    if phase == ROUTERS:
        happened = _serve_routers(w, load64(w + World.INNER_FIRST), load64(w + World.INNER_BEHIND), now)
    else:
        happened = _step_pes(w, now)
    store64(w + World.HAPPENED, 1 if happened else 0)


@kernel
def _help(w: Any, seen: Any) -> Any:
    """What a helper does: its part of each phase, until told to stop."""
    team = load64(w + World.TEAM)
    while True:
        seen = next_order(team, seen)
        phase = load64(team + TEAM_PHASE)
        if phase == STOP:
            return
        _do(w, phase, load64(team + TEAM_NOW))
        atomic_add(team + TEAM_ARRIVED, 1)


@kernel
def _do_together(w: Any, phase: Any, now: Any) -> Any:
    """A phase on all threads; then the leader serves the routers at the edges between parts."""
    give_order(w, phase, now)
    _do(w, phase, now)
    await_helpers(w)
    happened = False
    for k in range(load64(w + World.PART_COUNT)):
        happened = load64(part(w, k) + World.HAPPENED) != 0 or happened
        if phase == ROUTERS:
            happened = _serve_aside(part(w, k), now) or happened
    return happened


@kernel
def _do_alone(w: Any, phase: Any, now: Any) -> Any:
    """A phase on the leader's thread."""
    happened = False
    for k in range(load64(w + World.PART_COUNT)):
        if phase == ROUTERS:
            happened = _serve_routers(part(w, k), 0, NEVER, now) or happened
        else:
            happened = _step_pes(part(w, k), now) or happened
    return happened


@kernel
def _size(w: Any, ring: Any, now: Any) -> Any:
    """How many items are due, as far as it matters."""
    size, wide = 0, load64(w + World.WIDE)
    for k in range(load64(w + World.PART_COUNT)):
        its = load64(part(w, k) + ring)
        pull_due(its, now, wide)
        size += count(its, now & 63)
        if is_due(its, now):
            size += wide
    return size


@kernel
def _phase(w: Any, phase: Any, now: Any) -> Any:
    """Whether something happened in a phase; `merge_faults` tells what went wrong."""
    size = _size(w, World.ROUTER_RING if phase == ROUTERS else World.PE_RING, now)
    store64(w + World.ITEMS, load64(w + World.ITEMS) + size)
    if size >= load64(w + World.WIDE):
        store64(w + World.WIDE_ITEMS, load64(w + World.WIDE_ITEMS) + size)
        if load64(w + World.HELPERS) != 0:
            return _do_together(w, phase, now)
    return _do_alone(w, phase, now)


@kernel
def _next(w: Any) -> Any:
    """The next cycle in which something is due, NEVER if there is none."""
    now, soonest = load64(w + World.TIME), NEVER
    for k in range(load64(w + World.PART_COUNT)):
        routers, pes = load64(part(w, k) + World.ROUTER_RING), load64(part(w, k) + World.PE_RING)
        soonest = min(soonest, min(next_cycle(routers, now), next_cycle(pes, now)))
    return soonest


@kernel
def _cycle(w: Any, now: Any) -> Any:
    """Simulates one cycle; whether something went wrong, which ends it after the phase."""
    happened = _phase(w, ROUTERS, now)
    is_wrong = merge_faults(w)
    if not is_wrong:
        happened = _phase(w, PES, now) or happened
        is_wrong = merge_faults(w)
    store64(w + World.TIME, now + 1)
    if load64(w + World.RELEASED) < load64(w + World.COMMAND_COUNT):
        _release(w, now + 1)
    if happened or is_wrong:
        store64(w + World.NOW, now + 1)
    return is_wrong


@kernel
def _run(w: Any, ticket: Any, limit: Any, budget: Any) -> Any:
    """Simulates cycles < `limit` until command `ticket` (-1: none) is done, nothing is left, or `budget`
    items have been served; returns which."""
    cycles = 0
    store64(w + World.ITEMS, 0)
    store64(w + World.WIDE_ITEMS, 0)
    while True:
        if ticket >= 0 and load64(command_record(w, ticket) + Command.LEFT) == 0:
            return DONE
        now = _next(w)
        if now == NEVER:
            return QUIET
        if now >= limit:
            return LIMIT
        if cycles + load64(w + World.ITEMS) > budget:
            return MORE
        cycles += 1
        if _cycle(w, now):
            return FAULTED


@kernel
def _run_round(w: Any, ticket: Any, limit: Any, budget: Any) -> Any:
    said = _run(w, ticket, limit, budget)
    give_order(w, STOP, 0)
    return said


@kernel
def _rewind(w: Any) -> Any:
    """Sets the time back to NOW, after cycles in which nothing happened."""
    time, now = load64(w + World.TIME), load64(w + World.NOW)
    if now < time:
        for k in range(load64(w + World.PART_COUNT)):
            unwind(load64(part(w, k) + World.ROUTER_RING), time)
            unwind(load64(part(w, k) + World.PE_RING), time)
        store64(w + World.TIME, now)


@kernel
def _wake_concerned(w: Any, command: Any, now: Any) -> Any:
    """Has the PEs that a command concerns look at it; how many there are."""
    concerned = 0
    for index in range(load64(w + World.PE_COUNT)):
        pe = load64(w + World.PES) + index * PE_BYTES
        if load64(pe + Pe.PROGRAM) != 0 and concerns(command, pe):
            concerned += 1
            if load64(pe + Pe.STATE) == IDLE:
                wake_pe(w, index, pe, now, now)
    return concerned


@kernel
def _release(w: Any, now: Any) -> Any:
    """Releases the commands that can be taken from cycle `now` on: a stream waits for all commands before
    it, the others wait for streams."""
    number = load64(w + World.RELEASED)
    while number < load64(w + World.COMMAND_COUNT):
        command = command_record(w, number)
        is_stream = load64(command + Command.KIND) >= STREAM_IN
        if load64(w + (World.OPEN if is_stream else World.OPEN_STREAMS)) != 0:
            return
        number += 1
        for k in range(load64(w + World.PART_COUNT)):
            store64(part(w, k) + World.RELEASED, number)
        concerned = start_stream(w, number - 1, now) if is_stream else _wake_concerned(w, command, now)
        store64(command + Command.LEFT, concerned)
        if concerned != 0:
            count_open(w, command, 1)


@kernel
def _run_init(w: Any, pe: Any) -> Any:
    """Runs the code at Pe.ENTRY to its end, before the first cycle."""
    spent = 0
    while load64(w + World.FAULT) == 0:
        call_code(w, pe, 0)
        spent += load64(pe + Pe.WAKE)
        if load64(w + World.FAULT) == 0 and spent > MOST_INIT_CYCLES:
            fault(w, FAULT_LONG_INIT, load64(pe + Pe.INDEX), -1, 0, 0)
        action = load64(pe + Pe.ACTION)
        if action == END or load64(w + World.FAULT) != 0:
            return
        if action == REQUEST:
            if load64(pe + Pe.STATUS) == DSD_OP:
                fault(w, UNSUPPORTED, load64(pe + Pe.INDEX), -1, 0, 0)
                return
            grant(w, pe, 0)


@kernel
def _initialize(w: Any) -> Any:
    """Runs `init` (at Pe.ENTRY, 0 for none) on all PEs, and has every PE with code stepped in cycle 0."""
    for index in range(load64(w + World.PE_COUNT)):
        pe = load64(w + World.PES) + index * PE_BYTES
        if load64(pe + Pe.PROGRAM) == 0:
            continue
        if load64(pe + Pe.ENTRY) != 0:
            _run_init(w, pe)
        store64(pe + Pe.WAKE, 0)
        if load64(pe + Pe.ACTIVE) != 0:
            wake_pe(w, index, pe, 0, 0)
    store64(w + World.BUSY, 0)


def openwafer_engine(what: Any, w: Any, a: Any, b: Any, c: Any) -> Any:
    """The way in from Python; `_entry` compiles it."""
    if what == RUN_CYCLES:
        return _run_round(w, a, b, c)
    if what == HELP:
        _help(w, a)
    elif what == REWIND:
        _rewind(w)
    elif what == SUBMIT:
        _release(w, load64(w + World.TIME))
    else:
        _initialize(w)
    return 0


RUN_CYCLES, REWIND, SUBMIT, INITIALIZE, HELP = 0, 1, 2, 3, 4
"""What `openwafer_engine` does; its other arguments are those of the functions above."""
