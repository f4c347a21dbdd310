"""Host ports of the fast engine: where the host's streams meet a PE's queues. Compiled code.

The rules: docs/semantics.md, “Streams from and to the host”.
"""

from __future__ import annotations

from typing import Any

from openwafer.sim.fast._commands import command_record, for_program, is_done_by_one_more
from openwafer.sim.fast._fabric import (
    has_room,
    head_color,
    head_place,
    head_ready,
    note_next_sent,
    output_queue,
    pop,
    push,
    queue_count,
    router_record,
    wake_pe,
)
from openwafer.sim.fast._raw import kernel, load32, load64, store32, store64, trailing_zeros
from openwafer.sim.fast._schedule import schedule
from openwafer.sim.fast._state import BY_COLUMN, BY_ROW, NEVER, PE_BYTES, Command, Pe, Port, Program, World


@kernel
def _due(port: Any) -> Any:
    """The first cycle in which the stream's next wavelet may move; NEVER without one."""
    if load64(port + Port.LEFT) == 0:
        return NEVER
    before = load64(port + Port.DONE) * load64(port + Port.COUNT) + load64(port + Port.PLACE)
    return load64(port + Port.START) + before // load64(port + Port.RATE)


@kernel
def _advance(w: Any, port: Any) -> Any:
    command = command_record(w, load64(port + Port.COMMAND))
    left = load64(port + Port.LEFT) - 1
    store64(port + Port.DATA, load64(port + Port.DATA) + load64(command + Command.STRIDE_I))
    store64(port + Port.DONE, load64(port + Port.DONE) + 1)
    store64(port + Port.LEFT, left)
    if left == 0:
        is_done_by_one_more(w, command)


@kernel
def serve_ports(w: Any, pe: Any, now: Any) -> Any:
    """One cycle of a PE's host ports; whether a wavelet moved."""
    happened = False
    port = load64(pe + Pe.PORTS)
    for _ in range(load64(load64(pe + Pe.PROGRAM) + Program.PORT_COUNT)):
        moved = _serve_output(w, pe, port, now) if load64(port + Port.IS_OUT) else _serve_input(w, port, now)
        happened = happened or moved
        port += load64(w + World.PORT_RECORD_BYTES)
    return happened


@kernel
def _serve_input(w: Any, port: Any, now: Any) -> Any:
    queue, target, moved = port + Port.QUEUE, load64(port + Port.TARGET), False
    if target != 0 and queue_count(queue) != 0 and has_room(target):
        push(target, load64(head_place(queue)), now + load64(w + World.RAMP_DOWN))
        pop(queue, now)
        moved = True
    if _due(port) <= now and has_room(queue):
        push(queue, load32(load64(port + Port.DATA)), now)
        _advance(w, port)
        moved = True
    return moved


@kernel
def _serve_output(w: Any, pe: Any, port: Any, now: Any) -> Any:
    queue, moved = port + Port.QUEUE, False
    if _due(port) <= now and queue_count(queue) != 0:
        store32(load64(port + Port.DATA), load64(head_place(queue)) & 0xFFFFFFFF)
        pop(queue, now)
        _advance(w, port)
        moved = True
    if not has_room(queue):
        return moved
    left = load64(port + Port.TARGET)
    while left:
        id = trailing_zeros(left)
        left &= left - 1
        sender = output_queue(pe, id)
        if head_ready(sender) <= now and head_color(sender) == load64(port + Port.COLOR):
            push(queue, load64(head_place(sender)), now)
            pop(sender, now)
            index = load64(pe + Pe.INDEX)
            if note_next_sent(router_record(w, index), id, sender, load64(port + Port.COLOR)):
                schedule(load64(w + World.ROUTER_RING), index, now + 1, now)
            return True
    return moved


@kernel
def ports_ready(w: Any, pe: Any) -> Any:
    """The first cycle in which a wavelet could move at a port as things are; it may lie in the past."""
    soonest, port = NEVER, load64(pe + Pe.PORTS)
    for _ in range(load64(load64(pe + Pe.PROGRAM) + Program.PORT_COUNT)):
        queue, target = port + Port.QUEUE, load64(port + Port.TARGET)
        is_empty, can_take = queue_count(queue) == 0, has_room(queue)
        if load64(port + Port.IS_OUT):
            if not is_empty:
                soonest = min(soonest, _due(port))
            while can_take and target:
                sender = output_queue(pe, trailing_zeros(target))
                if queue_count(sender) != 0 and head_color(sender) == load64(port + Port.COLOR):
                    soonest = min(soonest, head_ready(sender))
                target &= target - 1
        else:
            if not is_empty and target != 0 and has_room(target):
                soonest = 0
            if can_take:
                soonest = min(soonest, _due(port))
        port += load64(w + World.PORT_RECORD_BYTES)
    return soonest


@kernel
def _place_and_count(command: Any, x: Any, y: Any) -> Any:
    """Which of how many PEs this is for the host's link."""
    width = load64(command + Command.X1) - load64(command + Command.X0)
    height = load64(command + Command.Y1) - load64(command + Command.Y0)
    shared = load64(command + Command.SHARED)
    if shared == BY_ROW:
        return y, height
    if shared == BY_COLUMN:
        return x, width
    return y * width + x, width * height


@kernel
def start_stream(w: Any, number: Any, now: Any) -> Any:
    """Gives each PE of a stream's rectangle its part; the stream has its turn in cycle `now`."""
    start = now + load64(w + World.STREAM_START)
    command = command_record(w, number)
    x0, y0, words = (
        load64(command + Command.X0),
        load64(command + Command.Y0),
        load64(command + Command.WORDS),
    )
    if words == 0:
        return 0
    pes = 0
    for y in range(load64(command + Command.Y1) - y0):
        for x in range(load64(command + Command.X1) - x0):
            index = (y0 + y) * load64(w + World.WIDTH) + x0 + x
            pe = load64(w + World.PES) + index * PE_BYTES
            ports_before = for_program(command, pe) - 1
            port = load64(pe + Pe.PORTS) + ports_before * load64(w + World.PORT_RECORD_BYTES)
            place, count = _place_and_count(command, x, y)
            data = load64(command + Command.DATA) + y * load64(command + Command.STRIDE_Y)
            store64(port + Port.COMMAND, number)
            store64(port + Port.DATA, data + x * load64(command + Command.STRIDE_X))
            store64(port + Port.LEFT, words)
            store64(port + Port.DONE, 0)
            store64(port + Port.START, start)
            store64(port + Port.PLACE, place)
            store64(port + Port.COUNT, count)
            store64(port + Port.RATE, load64(command + Command.CHANNELS) * load64(w + World.HOST_RATE))
            wake_pe(w, index, pe, max(ports_ready(w, pe), now), now)
            pes += 1
    return pes
