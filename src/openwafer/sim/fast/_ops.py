"""DSD operations that take time in the fast engine: when they step, step, end. Compiled code."""

from __future__ import annotations

from typing import Any

from openwafer.codegen import Fault, Req
from openwafer.sim.fast import _profile as profile
from openwafer.sim.fast._fabric import (
    fault,
    has_room,
    head_place,
    head_ready,
    is_control,
    pop,
    push,
    router_record,
)
from openwafer.sim.fast._fifo import (
    ENDS_TRUE,
    FAULTS,
    GOES_ON,
    keep_lengths,
    lacking,
    miss,
    miss_changes,
    pop_element,
    push_element,
    step_count,
)
from openwafer.sim.fast._raw import kernel, load64, store16, store32, store64
from openwafer.sim.fast._schedule import schedule
from openwafer.sim.fast._state import (
    ASYNCHRONOUS,
    COLOR_MASK,
    COLOR_SHIFT,
    CONTROL_BIT,
    ENDLESS,
    ENDS_BY_CONTROL,
    FAULT_FIFO,
    FAULT_NO_OWN_ROUTE,
    FINISHING,
    FREE,
    NEVER,
    ONCE,
    OUT_COLOR_SHIFT,
    OUT_ID_MASK,
    PACKED,
    REDUCES0,
    REDUCES1,
    SENDS_CONTROL,
    SENDS_INDEX,
    SLOT_BYTES,
    STEPPING,
    UNBOUND,
    USES_FIFO,
    Pe,
    Program,
    Router,
    Slot,
    World,
)
from openwafer.sim.fast.memory._alu import ADDC16, alu
from openwafer.sim.fast.memory._element_step import OUT_OF_BOUNDS, read_operand, write_place
from openwafer.sim.fast.memory._op import dest_bytes, src0_bytes, src1_bytes
from openwafer.sim.fast.memory._operand import FABIN, KIND, NONE, PLACE, POINTER, RECORD_BASE, advance_walker

UNSUPPORTED, OUT_OF_MEMORY = int(Fault.UNSUPPORTED), int(Fault.MEMORY)
WALKER_BYTES = 64
NO_RESULT = -1
"""Slot.TOTAL before the first element of a destination that is written once."""


@kernel
def slot_record(w: Any, pe: Any, number: Any) -> Any:
    return (
        load64(w + World.SLOTS) + number * load64(w + World.SLOT_STRIDE) + load64(pe + Pe.INDEX) * SLOT_BYTES
    )


@kernel
def slot_ready(pe: Any, slot: Any) -> Any:
    """The first cycle in which a slot could step as things are; NEVER if something must come first."""
    if load64(slot + Slot.STATE) != STEPPING:
        return NEVER
    flags = load64(slot + Slot.FLAGS)
    if flags & ENDS_BY_CONTROL:
        control = control_ready(slot)
        if control < NEVER:
            return max(control, load64(slot + Slot.START))
    ready = fabric_ready(pe, slot)
    return NEVER if flags & USES_FIFO and ready < NEVER and lacking(slot) != 0 else ready


@kernel
def next_step(pe: Any, slot: Any) -> Any:
    """As `slot_ready`, or when a FIFO that lacks something will change something."""
    if load64(slot + Slot.FLAGS) & USES_FIFO and load64(slot + Slot.STATE) == STEPPING:
        mask = lacking(slot)
        if mask != 0 and miss_changes(slot, mask):
            return min(fabric_ready(pe, slot), slot_ready(pe, slot))
    return slot_ready(pe, slot)


@kernel
def _control_at(queue: Any) -> Any:
    """When a control wavelet at the head of an input queue (0: none) is ready."""
    if queue == 0 or queue == UNBOUND or not is_control(queue):
        return NEVER
    return head_ready(queue)


@kernel
def control_ready(slot: Any) -> Any:
    """When a control wavelet can end an operation that lets itself be ended."""
    return min(_control_at(load64(slot + Slot.IN0)), _control_at(load64(slot + Slot.IN1)))


@kernel
def fabric_ready(pe: Any, slot: Any) -> Any:
    """As `slot_ready`, of a slot that steps, apart from control wavelets and FIFOs."""
    ready = load64(slot + Slot.START)
    queue = load64(slot + Slot.IN0)
    if queue != 0:
        ready = max(ready, NEVER if queue == UNBOUND else head_ready(queue))
    queue = load64(slot + Slot.IN1)
    if queue != 0:
        ready = max(ready, NEVER if queue == UNBOUND else head_ready(queue))
    queue = load64(slot + Slot.OUT)
    if queue != 0 and not has_room(queue):
        id = load64(slot + Slot.OUT_ID) & OUT_ID_MASK
        store64(pe + Pe.OUT_WAIT, load64(pe + Pe.OUT_WAIT) | 1 << id)
        return NEVER
    return ready


@kernel
def take_wavelet(w: Any, pe: Any, queue: Any, now: Any) -> Any:
    """Data of the head of an input queue, popped; its router may use the place from the next cycle on."""
    data = load64(head_place(queue))
    if pop(queue, now):
        schedule(load64(w + World.ROUTER_RING), load64(pe + Pe.INDEX), now + 1, now)
    if data & CONTROL_BIT:
        store64(pe + Pe.CONTROLS, load64(pe + Pe.CONTROLS) - 1)
    return data & 0xFFFFFFFF


@kernel
def _send_wavelet(w: Any, pe: Any, slot: Any, data: Any, now: Any) -> Any:
    """Puts a wavelet into the output queue of a slot; False if the PE has no route for it."""
    id, queue, index = load64(slot + Slot.OUT_ID), load64(slot + Slot.OUT), load64(pe + Pe.INDEX)
    color, id = id >> OUT_COLOR_SHIFT, id & OUT_ID_MASK
    router = router_record(w, index)
    is_color = color <= COLOR_MASK
    has_route = is_color and (load64(router + Router.COLORS) >> color) & 1 != 0
    to_host = is_color and (load64(load64(pe + Pe.PROGRAM) + Program.HOST_OUT) >> color) & 1 != 0
    if not has_route and not to_host:
        fault(w, FAULT_NO_OWN_ROUTE, index, load64(slot + Slot.LOC), color, now)
        return False
    if load64(slot + Slot.FLAGS) & SENDS_CONTROL:
        data |= CONTROL_BIT
    ready = now + 1 + load64(w + World.RAMP_UP)
    if push(queue, data | color << COLOR_SHIFT, ready) and has_route:
        store64(router + Router.OUT, load64(router + Router.OUT) | 1 << id)
        store64(router + Router.COLORS_WAITING, load64(router + Router.COLORS_WAITING) | 1 << color)
        schedule(load64(w + World.ROUTER_RING), index, ready, now)
    return True


@kernel
def _source(w: Any, pe: Any, slot: Any, k: Any, size: Any, received: Any, half: Any) -> Any:
    """Element of source `k` (0 or 1): `received` is the wavelet popped in this step, `half` which part of
    it."""
    flags = load64(slot + Slot.FLAGS)
    if flags & (REDUCES0 << k):
        return load64(slot + Slot.TOTAL)
    if load64(slot + Slot.IN0 + 8 * k) != 0:
        data = received >> (16 * half)
        return data if size == 4 else data & 0xFFFF
    fifo = load64(slot + Slot.FIFO_IN0 + 8 * k)
    if fifo != 0:
        return pop_element(pe, fifo)
    memory_bytes = load64(load64(pe + Pe.PROGRAM) + Program.MEMORY_BYTES)
    return read_operand(
        load64(pe + Pe.MEMORY), memory_bytes, slot + Slot.WALKERS + (k + 1) * WALKER_BYTES, size
    )


@kernel
def _store_result(pe: Any, slot: Any, bits: Any) -> Any:
    """Writes an element to a destination in memory; whether that is within it."""
    walker = slot + Slot.WALKERS
    memory_bytes = load64(load64(pe + Pe.PROGRAM) + Program.MEMORY_BYTES)
    size = dest_bytes(load64(slot + Slot.OP))
    if not write_place(load64(pe + Pe.MEMORY), memory_bytes, load64(walker + PLACE), size, bits):
        return False
    advance_walker(walker)
    return True


@kernel
def step_slot(w: Any, pe: Any, slot: Any, now: Any) -> Any:
    """One step of a slot that is ready: one element, two if packed."""
    op, flags, left = load64(slot + Slot.OP), load64(slot + Slot.FLAGS), load64(slot + Slot.LEFT)
    if load64(w + World.PROFILE) != 0:
        is_end = flags & ENDS_BY_CONTROL and control_ready(slot) <= now
        profile.step(w, pe, slot, 0 if is_end else step_count(slot), now)
    if flags & ENDS_BY_CONTROL and control_ready(slot) <= now:
        _end_by_control(w, pe, slot, now)
        return
    count = step_count(slot)
    in0, in1, out = load64(slot + Slot.IN0), load64(slot + Slot.IN1), load64(slot + Slot.OUT)
    wavelet0 = take_wavelet(w, pe, in0, now) if in0 != 0 else 0
    wavelet1 = take_wavelet(w, pe, in1, now) if in1 != 0 else 0
    sent, is_inside, fifo = 0, True, load64(slot + Slot.FIFO_OUT)
    for half in range(count):
        a = _source(w, pe, slot, 0, src0_bytes(op), wavelet0, half)
        b = _source(w, pe, slot, 1, src1_bytes(op), wavelet1, half) if src1_bytes(op) > 0 else 0
        is_inside = is_inside and a != OUT_OF_BOUNDS and b != OUT_OF_BOUNDS
        result = alu(op, a, b, load64(slot + Slot.SCALAR))
        if op == ADDC16:
            store64(slot + Slot.SCALAR, result >> 16)
            result &= 0xFFFF
        if flags & (REDUCES0 | REDUCES1 | ONCE):
            store64(slot + Slot.TOTAL, result)
        elif out != 0:
            sent |= result << (16 * half)
        elif fifo == 0:
            is_inside = is_inside and _store_result(pe, slot, result)
        elif is_inside:
            push_element(pe, fifo, result)
    store64(w + World.STEPS, load64(w + World.STEPS) + 1)
    if is_inside and left == count:
        is_inside = _write_once(pe, slot)
    if not is_inside:
        fault(w, OUT_OF_MEMORY, load64(pe + Pe.INDEX), load64(slot + Slot.LOC), _first_outside(pe, slot), now)
        return
    if out != 0:
        if flags & SENDS_INDEX and flags & PACKED == 0:
            sent |= load64(slot + Slot.INDEX) << 16
        if not _send_wavelet(w, pe, slot, sent, now):
            return
    store64(w + World.ELEMENTS, load64(w + World.ELEMENTS) + count)
    if left != ENDLESS:
        store64(slot + Slot.LEFT, left - count)
        if left == count:
            finish(w, pe, slot, now)


@kernel
def finish(w: Any, pe: Any, slot: Any, now: Any) -> Any:
    """The operation makes no step after cycle `now`."""
    if load64(w + World.PROFILE) != 0:
        profile.end_operation(w, pe, slot)
    store64(slot + Slot.STATE, FINISHING)
    store64(slot + Slot.DONE_AT, now + 1 + load64(w + World.COMPLETION))


@kernel
def _write_once(pe: Any, slot: Any) -> Any:
    """At the end, writes what a pointer receives only then; whether that is within the memory."""
    if (
        load64(slot + Slot.FLAGS) & (REDUCES0 | REDUCES1 | ONCE) == 0
        or load64(slot + Slot.TOTAL) == NO_RESULT
    ):
        return True
    return _store_result(pe, slot, load64(slot + Slot.TOTAL))


@kernel
def _end_by_control(w: Any, pe: Any, slot: Any, now: Any) -> Any:
    """The step in which a control wavelet ends an operation."""
    queue = load64(slot + Slot.IN0)
    take_wavelet(w, pe, queue if _control_at(queue) <= now else load64(slot + Slot.IN1), now)
    action = load64(slot + Slot.ON_CONTROL)
    store64(slot + Slot.ACTIVATE, action & 0xFFFFFFFF)
    store64(slot + Slot.UNBLOCK, action >> 32)
    store64(w + World.STEPS, load64(w + World.STEPS) + 1)
    finish(w, pe, slot, now)
    if not _write_once(pe, slot):
        fault(w, OUT_OF_MEMORY, load64(pe + Pe.INDEX), load64(slot + Slot.LOC), _first_outside(pe, slot), now)


@kernel
def miss_elements(w: Any, pe: Any, slot: Any, now: Any) -> Any:
    """Does what follows when a slot lacks nothing but FIFO elements or places; whether that ended it."""
    if load64(slot + Slot.STATE) != STEPPING:
        return False
    if load64(slot + Slot.FLAGS) & ENDS_BY_CONTROL and control_ready(slot) <= now:
        return False
    mask = lacking(slot)
    if mask == 0 or fabric_ready(pe, slot) > now:
        return False
    said = miss(slot, mask)
    if said == FAULTS:
        fault(w, FAULT_FIFO, load64(pe + Pe.INDEX), load64(slot + Slot.LOC), mask, now)
    elif said != GOES_ON:
        keep_lengths(slot)
        if load64(w + World.PROFILE) != 0:
            profile.step(w, pe, slot, 0, now)
        finish(w, pe, slot, now)
        if load64(slot + Slot.FLAGS) & ASYNCHRONOUS == 0:
            store32(load64(pe + Pe.FRAME) + Req.RESULT, 1 if said == ENDS_TRUE else 0)
        return True
    return False


@kernel
def _first_outside(pe: Any, slot: Any) -> Any:
    """The address to name in a fault: of the first operand in memory that lies outside."""
    memory_bytes = load64(load64(pe + Pe.PROGRAM) + Program.MEMORY_BYTES)
    for k in (1, 2, 0):
        walker = slot + Slot.WALKERS + k * WALKER_BYTES
        kind, place = load64(walker + KIND), load64(walker + PLACE)
        if ((kind != NONE and kind < FABIN) or kind == POINTER) and place + 2 > memory_bytes:
            return place
    return load64(slot + Slot.WALKERS + PLACE)


@kernel
def retire(pe: Any, slot: Any) -> Any:
    """Ends an operation: saves addresses, frees the slot, activates, then unblocks."""
    for k in range(3):
        saved = load64(slot + Slot.SAVED + 8 * k)
        if saved != 0:
            store16((saved >> 16) + RECORD_BASE, saved & 0xFFFF)
    store64(slot + Slot.STATE, FREE)
    activate, unblock = load64(slot + Slot.ACTIVATE), load64(slot + Slot.UNBLOCK)
    if activate > 0:
        store64(pe + Pe.ACTIVE, load64(pe + Pe.ACTIVE) | 1 << (activate - 1))
    if unblock > 0:
        store64(pe + Pe.BLOCKED, load64(pe + Pe.BLOCKED) & ~(1 << (unblock - 1)))
