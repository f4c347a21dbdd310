"""Queues and routers of the fast engine, in compiled code. The rules: docs/semantics.md, “Fabric”."""

from __future__ import annotations

from typing import Any

from openwafer.sim.fast._raw import kernel, load64, popcount, store64, trailing_zeros
from openwafer.sim.fast._schedule import schedule
from openwafer.sim.fast._state import (
    CHANNEL_HEAD_BYTES,
    COLOR_MASK,
    COLOR_SHIFT,
    CONFIG_TEARDOWN,
    CONTROL_BIT,
    ENTRY_BYTES,
    FAULT_UNROUTED,
    FILTERED_BIT,
    HALTED,
    IDLE,
    NEVER,
    PE_BYTES,
    RAMP_BIT,
    ROUTER_BYTES,
    SWAPPED,
    Channel,
    Pe,
    Program,
    Queue,
    Router,
    World,
)
from openwafer.sim.fast._switch import carry_out, count, outputs_of

RAMP_IN_USED = 1 << 5
"""In the mask of outputs used in a cycle: a wavelet left the PE's output queues."""


@kernel
def queue_count(queue: Any) -> Any:
    return load64(queue + Queue.STATE) & 0xFFFF


@kernel
def has_room(queue: Any) -> Any:
    state = load64(queue + Queue.STATE)
    return state & 0xFFFF < state >> 32


@kernel
def had_room(queue: Any, now: Any) -> Any:
    """Whether there was room at the start of this cycle."""
    state = load64(queue + Queue.STATE)
    freed = 1 if load64(queue + Queue.POPPED) == now else 0
    return (state & 0xFFFF) + freed < state >> 32


@kernel
def head_place(queue: Any) -> Any:
    return queue + Queue.ENTRIES + ENTRY_BYTES * ((load64(queue + Queue.STATE) >> 16) & 0xFFFF)


@kernel
def head_ready(queue: Any) -> Any:
    """The cycle from which the head may move; NEVER for an empty queue."""
    return NEVER if queue_count(queue) == 0 else load64(head_place(queue) + 8)


@kernel
def is_control(queue: Any) -> Any:
    """Whether there is a head and it is a control wavelet."""
    return queue_count(queue) != 0 and load64(head_place(queue)) & CONTROL_BIT != 0


@kernel
def push(queue: Any, data: Any, ready: Any) -> Any:
    """Appends to a queue with room; whether it was empty."""
    state = load64(queue + Queue.STATE)
    count, depth = state & 0xFFFF, state >> 32
    k = ((state >> 16) & 0xFFFF) + count
    if k >= depth:
        k -= depth
    place = queue + Queue.ENTRIES + ENTRY_BYTES * k
    store64(place, data)
    store64(place + 8, ready)
    store64(queue + Queue.STATE, state + 1)
    return count == 0


@kernel
def pop(queue: Any, now: Any) -> Any:
    """Takes the head off; whether the queue was full."""
    state = load64(queue + Queue.STATE)
    count, depth = state & 0xFFFF, state >> 32
    head = ((state >> 16) & 0xFFFF) + 1
    if head >= depth:
        head = 0
    store64(queue + Queue.STATE, depth << 32 | head << 16 | (count - 1))
    store64(queue + Queue.POPPED, now)
    return count == depth


@kernel
def fault(w: Any, kind: Any, pe: Any, loc: Any, detail: Any, now: Any) -> Any:
    """Halts a PE, and notes the first fault of the lowest one; the loop stops after the phase in which it was
    made."""
    store64(load64(w + World.PES) + pe * PE_BYTES + Pe.STATE, HALTED)
    if load64(w + World.FAULT) == 0 or pe < load64(w + World.FAULT_PE):
        store64(w + World.FAULT, kind)
        store64(w + World.FAULT_PE, pe)
        store64(w + World.FAULT_LOC, loc)
        store64(w + World.FAULT_DETAIL, detail)
        store64(w + World.FAULT_CYCLE, now)


@kernel
def router_record(w: Any, index: Any) -> Any:
    return load64(w + World.ROUTERS) + index * ROUTER_BYTES


@kernel
def channel_record(w: Any, router: Any, color: Any) -> Any:
    """The channel of a color that the router has."""
    before = load64(router + Router.COLORS) & ((1 << color) - 1)
    return load64(router + Router.CHANNELS) + popcount(before) * load64(w + World.CHANNEL_BYTES)


@kernel
def neighbour(w: Any, index: Any, port: Any) -> Any:
    """Index of the PE at a port, which must exist."""
    if port == 0:
        return index - 1
    if port == 1:
        return index + 1
    return index - load64(w + World.WIDTH) if port == 2 else index + load64(w + World.WIDTH)


@kernel
def home(w: Any, index: Any) -> Any:
    """The world record of the part that a PE or router belongs to."""
    if index >= load64(w + World.FIRST) and index < load64(w + World.BEHIND):
        return w
    return load64(load64(w + World.PARTS) + 8 * (index // load64(w + World.PART_ITEMS)))


@kernel
def wake_pe(w: Any, index: Any, pe: Any, cycle: Any, now: Any) -> Any:
    """Has a PE stepped in a cycle ≥ `now`, or earlier if that is wanted already."""
    if cycle < load64(pe + Pe.NEXT):
        store64(pe + Pe.NEXT, cycle)
        schedule(load64(home(w, index) + World.PE_RING), index, cycle, now)


@kernel
def _outputs_have_room(channel: Any, tx: Any, now: Any) -> Any:
    left = tx & 15
    while left:
        target = load64(channel + Channel.NEXT + 8 * trailing_zeros(left))
        left &= left - 1
        if target != 0 and not had_room(target & ~SWAPPED, now):
            return False
    if tx & RAMP_BIT:
        target = load64(channel + Channel.INPUT)
        return target != 0 and has_room(target)
    return True


@kernel
def _sent_on(w: Any, index: Any, color: Any, channel: Any, data: Any, now: Any) -> Any:
    """What a router sends of a wavelet, whose command, if it is a control wavelet, it carries out."""
    if (load64(channel + Channel.ROUTE) >> 8) & FILTERED_BIT:
        count(w, channel, data)
    if data & CONTROL_BIT == 0:
        return data
    word = carry_out(w, channel, data)
    if load64(channel + Channel.CONFIG) & CONFIG_TEARDOWN:
        _tear_down(w, index, color, now)
    return word


@kernel
def _tear_down(w: Any, index: Any, color: Any, now: Any) -> Any:
    """Tells a PE that a color of its router went into teardown mode."""
    pe, task = load64(router_record(w, index) + Router.PE), load64(w + World.TEARDOWN_TASK)
    if pe == 0:
        return
    store64(pe + Pe.TORN, load64(pe + Pe.TORN) | 1 << color)
    if task != 0:
        store64(pe + Pe.ACTIVE, load64(pe + Pe.ACTIVE) | 1 << (task - 1))
    wake_pe(w, index, pe, now, now)


@kernel
def _send(w: Any, index: Any, color: Any, channel: Any, tx: Any, data: Any, now: Any) -> Any:
    """Copies a wavelet to all outputs, which have room."""
    left = tx & 15
    while left:
        port = trailing_zeros(left)
        left &= left - 1
        target = load64(channel + Channel.NEXT + 8 * port)
        if target == 0:
            fault(w, FAULT_UNROUTED, index, -1, color | port << 8, now)
            return
        arrives_on = color ^ (target & SWAPPED)
        target &= ~SWAPPED
        ready = now + load64(w + World.HOP)
        store64(w + World.HOPS, load64(w + World.HOPS) + 1)
        if push(target, data, ready):
            other = neighbour(w, index, port)
            router = router_record(w, other)
            head = target - CHANNEL_HEAD_BYTES - (port ^ 1) * load64(w + World.PORT_BYTES)
            store64(head + Channel.PORTS, load64(head + Channel.PORTS) | 1 << (port ^ 1))
            store64(router + Router.COLORS_WAITING, load64(router + Router.COLORS_WAITING) | 1 << arrives_on)
            schedule(load64(home(w, other) + World.ROUTER_RING), other, ready, now)
    if tx & RAMP_BIT:
        ready = now + load64(w + World.RAMP_DOWN)
        pe = load64(w + World.PES) + index * PE_BYTES
        if data & CONTROL_BIT:
            store64(pe + Pe.CONTROLS, load64(pe + Pe.CONTROLS) + 1)
        was_empty = push(load64(channel + Channel.INPUT), data, ready)
        if was_empty and (load64(pe + Pe.USED) != 0 or load64(pe + Pe.STATE) == IDLE):
            wake_pe(w, index, pe, ready, now)


@kernel
def _outputs_waiting(router: Any, color: Any) -> Any:
    """Mask of the PE's output queues of a color that hold something."""
    waiting = load64(router + Router.OUT)
    if waiting == 0:
        return 0
    program = load64(load64(router + Router.PE) + Pe.PROGRAM)
    return waiting & load64(program + Program.OUTPUTS_OF + 8 * color)


@kernel
def _move_from_port(
    w: Any, index: Any, color: Any, channel: Any, port: Any, queue: Any, tx: Any, now: Any
) -> Any:
    data = load64(head_place(queue))
    if pop(queue, now):
        other = neighbour(w, index, port)
        schedule(load64(home(w, other) + World.ROUTER_RING), other, now + 1, now)
    if queue_count(queue) == 0:
        store64(channel + Channel.PORTS, load64(channel + Channel.PORTS) & ~(1 << port))
    _send(w, index, color, channel, tx, _sent_on(w, index, color, channel, data, now), now)


@kernel
def head_color(queue: Any) -> Any:
    """The color of the head of an output queue that is not empty."""
    return (load64(head_place(queue)) >> COLOR_SHIFT) & COLOR_MASK


@kernel
def note_next_sent(router: Any, id: Any, queue: Any, color: Any) -> Any:
    """Tells the router what stands in an output queue now that a wavelet of `color` has left it; whether that
    is of another color."""
    if queue_count(queue) == 0:
        store64(router + Router.OUT, load64(router + Router.OUT) & ~(1 << id))
        return False
    following = head_color(queue)
    if following == color:
        return False
    waiting = load64(router + Router.COLORS_WAITING)
    store64(router + Router.COLORS_WAITING, waiting | (1 << following & load64(router + Router.COLORS)))
    return True


@kernel
def _move_from_ramp(
    w: Any, index: Any, router: Any, color: Any, channel: Any, id: Any, queue: Any, tx: Any, now: Any
) -> Any:
    data = load64(head_place(queue))
    pop(queue, now)
    is_other = note_next_sent(router, id, queue, color)
    pe = load64(router + Router.PE)
    if (load64(pe + Pe.OUT_WAIT) >> id) & 1 or is_other:
        wake_pe(w, index, pe, now, now)
    _send(w, index, color, channel, tx, _sent_on(w, index, color, channel, data, now), now)


@kernel
def output_queue(pe: Any, id: Any) -> Any:
    return load64(pe + Pe.QUEUES) + load64(load64(pe + Pe.PROGRAM) + Program.OUTPUT + 8 * id)


@kernel
def _serve_color(w: Any, index: Any, router: Any, color: Any, used: Any, now: Any) -> Any:
    """Moves at most one wavelet of a color. Returns (outputs now used, when the next head becomes ready)."""
    channel = channel_record(w, router, color)
    route = load64(channel + Channel.ROUTE)
    rx, tx = route & 0xFF, route >> 8
    soonest = NEVER
    ports = load64(channel + Channel.PORTS) & rx
    while ports:
        port = trailing_zeros(ports)
        ports &= ports - 1
        queue = channel + CHANNEL_HEAD_BYTES + port * load64(w + World.PORT_BYTES)
        ready = load64(head_place(queue) + 8)
        outputs = outputs_of(w, channel, load64(head_place(queue)), tx)
        if ready > now:
            soonest = min(soonest, ready)
        elif used & outputs == 0 and _outputs_have_room(channel, outputs, now):
            _move_from_port(w, index, color, channel, port, queue, outputs, now)
            return used | outputs | 1 << 8, soonest
    if rx & RAMP_BIT:
        waiting = _outputs_waiting(router, color)
        while waiting:
            id = trailing_zeros(waiting)
            waiting &= waiting - 1
            queue = output_queue(load64(router + Router.PE), id)
            if head_color(queue) != color:
                continue
            ready = load64(head_place(queue) + 8)
            outputs = outputs_of(w, channel, load64(head_place(queue)), tx)
            if ready > now:
                soonest = min(soonest, ready)
            elif used & (outputs | RAMP_IN_USED) == 0 and _outputs_have_room(channel, outputs, now):
                _move_from_ramp(w, index, router, color, channel, id, queue, outputs, now)
                return used | outputs | RAMP_IN_USED | 1 << 8, soonest
    return used, soonest


@kernel
def serve_router(w: Any, index: Any, now: Any) -> Any:
    """One cycle of a router; whether a wavelet moved."""
    router = router_record(w, index)
    waiting, first = load64(router + Router.COLORS_WAITING), load64(router + Router.FIRST)
    used, soonest, first_moved = 0, NEVER, -1
    below = (1 << first) - 1
    for turn in range(2):
        colors = waiting & below if turn else waiting & ~below
        while colors:
            color = trailing_zeros(colors)
            colors &= colors - 1
            used, ready = _serve_color(w, index, router, color, used & 0xFF, now)
            soonest = min(soonest, ready)
            if used >> 8:
                if first_moved < 0:
                    first_moved = color
                channel = channel_record(w, router, color)
                if load64(channel + Channel.PORTS) == 0 and _outputs_waiting(router, color) == 0:
                    store64(
                        router + Router.COLORS_WAITING, load64(router + Router.COLORS_WAITING) & ~(1 << color)
                    )
    if first_moved >= 0:
        following = first_moved + 1
        store64(router + Router.FIRST, 0 if following == load64(w + World.COLORS) else following)
        if load64(router + Router.COLORS_WAITING) != 0:
            soonest = now + 1
    if soonest < NEVER:
        schedule(load64(w + World.ROUTER_RING), index, soonest, now)
    return first_moved >= 0
