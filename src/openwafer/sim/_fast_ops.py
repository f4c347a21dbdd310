"""DSD operations with fabric operands in the fast engine: start, step, end. Compiled code."""

from __future__ import annotations

from typing import Any

from openwafer.codegen._abi import Fault, Req
from openwafer.codegen._alu import ADDC16, alu
from openwafer.codegen._element_step import (
    OUT_OF_BOUNDS,
    initial_scalar,
    read_operand,
    scalar_bits,
    write_place,
)
from openwafer.codegen._memory_op import dest_bytes, is_reduction, reduces_wrongly, src0_bytes, src1_bytes
from openwafer.codegen._operand import (
    ENDLESS_EXTENT,
    FABIN,
    FABOUT,
    FIFO,
    KIND,
    NONE,
    PLACE,
    POINTER,
    RECORD_ACTIONS,
    RECORD_BASE,
    RECORD_FLAGS,
    SCALAR,
    advance_walker,
    base_after,
    record_length,
    start_walker,
)
from openwafer.codegen._raw import kernel, load16, load32, load64, store16, store32, store64
from openwafer.csl._tir import DsdFlag
from openwafer.sim._fast_fabric import (
    fault,
    has_room,
    head_place,
    head_ready,
    pop,
    push,
    router_record,
)
from openwafer.sim._fast_schedule import schedule
from openwafer.sim._fast_state import (
    CONTROL_BIT,
    ENDLESS,
    FAULT_NO_OWN_ROUTE,
    FAULT_UNBOUND_OUTPUT,
    FINISHING,
    FREE,
    G_DSRS,
    G_HOST_OUT,
    G_INPUT,
    G_MEMORY_BYTES,
    G_OUTPUT,
    G_OUTPUT_COLOR,
    NEVER,
    P_ACTIVE,
    P_BLOCKED,
    P_FRAME,
    P_INDEX,
    P_MEMORY,
    P_OUT_WAIT,
    P_PROGRAM,
    P_QUEUES,
    P_USED,
    P_WANTED,
    PACKED,
    QUEUE_IDS,
    R_COLORS,
    R_COLORS_WAITING,
    R_OUT,
    REDUCES0,
    REDUCES1,
    S_ACTIVATE,
    S_DONE_AT,
    S_FLAGS,
    S_IN0,
    S_IN1,
    S_INDEX,
    S_LEFT,
    S_LOC,
    S_OP,
    S_OUT,
    S_OUT_ID,
    S_SAVED,
    S_SCALAR,
    S_START,
    S_STATE,
    S_TOTAL,
    S_UNBLOCK,
    S_WALKERS,
    SENDS_CONTROL,
    SENDS_INDEX,
    SLOT_BYTES,
    STEPPING,
    SYNCHRONOUS,
    UNBOUND,
    W_COMPLETION,
    W_ELEMENTS,
    W_FABRIC_SETUP,
    W_MICROTHREADS,
    W_RAMP_UP,
    W_ROUTER_RING,
    W_SLOT_STRIDE,
    W_SLOTS,
    W_STEPS,
)

SIMD_32, CONTROL, WAVELET_INDEX = int(DsdFlag.SIMD_32), int(DsdFlag.CONTROL), int(DsdFlag.WAVELET_INDEX)
ASYNC, SAVE_ADDRESS = int(DsdFlag.ASYNC), int(DsdFlag.SAVE_ADDRESS)
UNSUPPORTED, OUT_OF_MEMORY = int(Fault.UNSUPPORTED), int(Fault.MEMORY)
WALKER_BYTES = 64
STARTED, STARTED_SYNCHRONOUS, IN_USE, WRONG = 0, 1, 2, 3
"""What `start_operation` says."""


@kernel
def slot_record(w: Any, pe: Any, number: Any) -> Any:
    return load64(w + W_SLOTS) + number * load64(w + W_SLOT_STRIDE) + load64(pe + P_INDEX) * SLOT_BYTES


@kernel
def _queue_of(pe: Any, record: Any, table: Any) -> Any:
    """Address of the queue that a fabric operand names; UNBOUND if it is not bound."""
    id = load16(record + RECORD_BASE)
    if id >= QUEUE_IDS:
        return UNBOUND
    place = load64(load64(pe + P_PROGRAM) + table + 8 * id)
    return UNBOUND if place < 0 else load64(pe + P_QUEUES) + place


@kernel
def _is_wrong(kind: Any, is_dest: Any) -> Any:
    if kind in (NONE, FIFO) or kind > POINTER:
        return True
    return kind in (FABIN, SCALAR) if is_dest else kind == FABOUT


@kernel
def _slot_number(w: Any, request: Any, dest: Any, src0: Any, src1: Any) -> Any:
    """SYNCHRONOUS, or the microthread of an asynchronous operation (which may be too large)."""
    flags = load16(dest + RECORD_FLAGS) if load32(request + Req.DEST_DSR) else 0
    flags |= load16(src0 + RECORD_FLAGS) if load32(request + Req.SRC0_DSR) else 0
    if src1 != 0 and load32(request + Req.SRC1_DSR):
        flags |= load16(src1 + RECORD_FLAGS)
    if load32(request + Req.IS_ASYNC) == 0 and flags & ASYNC == 0:
        return SYNCHRONOUS
    given = load32(request + Req.UT)
    if given != 0:
        number = given - 1
    elif load16(dest) == FABOUT:
        number = load16(dest + RECORD_BASE)
    else:
        number = load16((src0 if load16(src0) == FABIN else src1) + RECORD_BASE)
    return -1 if number >= load64(w + W_MICROTHREADS) else number


@kernel
def _length(dest: Any, src0: Any, src1: Any) -> Any:
    """Elements of the operation, or ENDLESS."""
    record = src0
    if record_length(record) == 0:
        record = src1
        if record_length(record) == 0:
            record = dest
    n = record_length(record)
    if n == ENDLESS_EXTENT:
        kind = load16(record)
        if kind in (FABIN, FABOUT):
            return ENDLESS
    return max(n, 1)


@kernel
def _is_packed(op: Any, dest: Any, src0: Any, src1: Any) -> Any:
    """simd_32: some fabric operand has the flag, and all fabric operands have 16-bit elements."""
    wanted = 0
    narrow = True
    if load16(dest) == FABOUT:
        wanted |= load16(dest + RECORD_FLAGS)
        narrow = narrow and dest_bytes(op) == 2
    if load16(src0) == FABIN:
        wanted |= load16(src0 + RECORD_FLAGS)
        narrow = narrow and src0_bytes(op) == 2
    if src1 != 0 and load16(src1) == FABIN:
        wanted |= load16(src1 + RECORD_FLAGS)
        narrow = narrow and src1_bytes(op) == 2
    return narrow and wanted & SIMD_32 != 0


@kernel
def _flags(op: Any, dest: Any, src0: Any, src1: Any) -> Any:
    flags = 0
    kind0, kind1 = load16(src0), (load16(src1) if src1 != 0 else NONE)
    if is_reduction(load16(dest), kind0, kind1):
        flags |= REDUCES0 if kind0 == SCALAR else REDUCES1
    if _is_packed(op, dest, src0, src1):
        flags |= PACKED
    if load16(dest) == FABOUT:
        given = load16(dest + RECORD_FLAGS)
        if given & CONTROL:
            flags |= SENDS_CONTROL
        if given & WAVELET_INDEX and dest_bytes(op) == 2:
            flags |= SENDS_INDEX
    return flags


@kernel
def _first_action(request: Any, field: Any, shift: Any, dest: Any, src0: Any, src1: Any) -> Any:
    """Task id + 1 (0: none): the operation's, else that of the first DSR with one."""
    given = load32(request + field)
    if given == 0 and load32(request + Req.DEST_DSR):
        given = (load16(dest + RECORD_ACTIONS) >> shift) & 0xFF
    if given == 0 and load32(request + Req.SRC0_DSR):
        given = (load16(src0 + RECORD_ACTIONS) >> shift) & 0xFF
    if given == 0 and src1 != 0 and load32(request + Req.SRC1_DSR):
        given = (load16(src1 + RECORD_ACTIONS) >> shift) & 0xFF
    return given


@kernel
def _saved(pe: Any, request: Any, field: Any, record: Any) -> Any:
    """What S_SAVED holds for one operand."""
    dsr = load32(request + field)
    if dsr == 0 or record == 0 or load16(record + RECORD_FLAGS) & SAVE_ADDRESS == 0:
        return 0
    kind = load16(record)
    base = load16(record + RECORD_BASE) if kind >= FABIN else base_after(record)
    place = load64(pe + P_FRAME) + load64(load64(pe + P_PROGRAM) + G_DSRS) + 32 * (dsr - 1)
    return place << 16 | base


@kernel
def start_operation(w: Any, pe: Any, now: Any) -> Any:
    """Starts the operation in the PE's request area; STARTED, STARTED_SYNCHRONOUS, IN_USE or WRONG."""
    request = load64(pe + P_FRAME)
    op, loc = load32(request + Req.OP), load32(request + Req.LOC)
    dest, src0, src1 = request + Req.DEST, request + Req.SRC0, request + Req.SRC1
    if src1_bytes(op) == 0:
        src1 = 0
    index = load64(pe + P_INDEX)
    wrong = _is_wrong(load16(dest), True) or _is_wrong(load16(src0), False)
    wrong = wrong or (src1 != 0 and _is_wrong(load16(src1), False))
    if src1 != 0 and load16(src0) == FABIN and load16(src1) == FABIN:
        wrong = wrong or load16(src0 + RECORD_BASE) == load16(src1 + RECORD_BASE)
    wrong = wrong or reduces_wrongly(op, load16(dest), load16(src0), load16(src1) if src1 != 0 else NONE)
    number = -1 if wrong else _slot_number(w, request, dest, src0, src1)
    if number < 0:
        fault(w, UNSUPPORTED, index, loc, op, now)
        return WRONG
    used = load64(pe + P_USED)
    if (used >> number) & 1:
        store64(pe + P_WANTED, number)
        return IN_USE
    out = _queue_of(pe, dest, G_OUTPUT) if load16(dest) == FABOUT else 0
    if out == UNBOUND:
        fault(w, FAULT_UNBOUND_OUTPUT, index, loc, load16(dest + RECORD_BASE), now)
        return WRONG
    store64(pe + P_USED, used | 1 << number)
    slot = slot_record(w, pe, number)
    store64(slot + S_STATE, STEPPING)
    store64(slot + S_OP, op)
    store64(slot + S_LOC, loc)
    store64(slot + S_LEFT, _length(dest, src0, src1))
    store64(slot + S_START, now + load64(w + W_FABRIC_SETUP))
    store64(slot + S_DONE_AT, NEVER)
    store64(slot + S_ACTIVATE, _first_action(request, Req.ACTIVATE, 0, dest, src0, src1))
    store64(slot + S_UNBLOCK, _first_action(request, Req.UNBLOCK, 8, dest, src0, src1))
    store64(slot + S_SCALAR, initial_scalar(op, load32(request + Req.SCALAR)))
    store64(slot + S_INDEX, load32(request + Req.INDEX) & 0xFFFF)
    store64(slot + S_FLAGS, _flags(op, dest, src0, src1))
    store64(slot + S_IN0, _queue_of(pe, src0, G_INPUT) if load16(src0) == FABIN else 0)
    store64(slot + S_IN1, _queue_of(pe, src1, G_INPUT) if src1 != 0 and load16(src1) == FABIN else 0)
    store64(slot + S_OUT, out)
    store64(slot + S_OUT_ID, load16(dest + RECORD_BASE))
    store64(slot + S_SAVED, _saved(pe, request, Req.DEST_DSR, dest))
    store64(slot + S_SAVED + 8, _saved(pe, request, Req.SRC0_DSR, src0))
    store64(slot + S_SAVED + 16, _saved(pe, request, Req.SRC1_DSR, src1))
    _start_slot_walkers(slot, dest, src0, src1)
    store32(request + Req.RESULT, 1)
    return STARTED_SYNCHRONOUS if number == SYNCHRONOUS else STARTED


@kernel
def _start_slot_walkers(slot: Any, dest: Any, src0: Any, src1: Any) -> Any:
    start_walker(slot + S_WALKERS, dest)
    start_walker(slot + S_WALKERS + WALKER_BYTES, src0)
    start_walker(slot + S_WALKERS + 2 * WALKER_BYTES, src1)
    flags, op = load64(slot + S_FLAGS), load64(slot + S_OP)
    if flags & REDUCES0:
        store64(slot + S_TOTAL, scalar_bits(slot + S_WALKERS + WALKER_BYTES, src0_bytes(op)))
    elif flags & REDUCES1:
        store64(slot + S_TOTAL, scalar_bits(slot + S_WALKERS + 2 * WALKER_BYTES, src1_bytes(op)))


@kernel
def slot_ready(pe: Any, slot: Any) -> Any:
    """The first cycle in which a slot could step as things are; NEVER if something must come first."""
    if load64(slot + S_STATE) != STEPPING:
        return NEVER
    ready = load64(slot + S_START)
    queue = load64(slot + S_IN0)
    if queue != 0:
        ready = max(ready, NEVER if queue == UNBOUND else head_ready(queue))
    queue = load64(slot + S_IN1)
    if queue != 0:
        ready = max(ready, NEVER if queue == UNBOUND else head_ready(queue))
    queue = load64(slot + S_OUT)
    if queue != 0 and not has_room(queue):
        id = load64(slot + S_OUT_ID)
        store64(pe + P_OUT_WAIT, load64(pe + P_OUT_WAIT) | 1 << id)
        return NEVER
    return ready


@kernel
def take_wavelet(w: Any, pe: Any, queue: Any, now: Any) -> Any:
    """Data of the head of an input queue, popped; its router may use the place from the next cycle on."""
    data = load64(head_place(queue)) & 0xFFFFFFFF
    if pop(queue, now):
        schedule(load64(w + W_ROUTER_RING), load64(pe + P_INDEX), now + 1, now)
    return data


@kernel
def _send_wavelet(w: Any, pe: Any, slot: Any, data: Any, now: Any) -> Any:
    """Puts a wavelet into the output queue of a slot."""
    id, queue, index = load64(slot + S_OUT_ID), load64(slot + S_OUT), load64(pe + P_INDEX)
    color = load64(load64(pe + P_PROGRAM) + G_OUTPUT_COLOR + 8 * id)
    router = router_record(w, index)
    has_route = (load64(router + R_COLORS) >> color) & 1 != 0
    if not has_route and (load64(load64(pe + P_PROGRAM) + G_HOST_OUT) >> color) & 1 == 0:
        fault(w, FAULT_NO_OWN_ROUTE, index, load64(slot + S_LOC), color, now)
        return
    if load64(slot + S_FLAGS) & SENDS_CONTROL:
        data |= CONTROL_BIT
    ready = now + 1 + load64(w + W_RAMP_UP)
    if push(queue, data, ready) and has_route:
        store64(router + R_OUT, load64(router + R_OUT) | 1 << id)
        store64(router + R_COLORS_WAITING, load64(router + R_COLORS_WAITING) | 1 << color)
        schedule(load64(w + W_ROUTER_RING), index, ready, now)


@kernel
def _source(w: Any, pe: Any, slot: Any, k: Any, size: Any, received: Any, half: Any) -> Any:
    """Element of source `k` (0 or 1): `received` is the wavelet popped in this step, `half` which part of
    it."""
    flags = load64(slot + S_FLAGS)
    if flags & (REDUCES0 << k):
        return load64(slot + S_TOTAL)
    if load64(slot + S_IN0 + 8 * k) != 0:
        data = received >> (16 * half)
        return data if size == 4 else data & 0xFFFF
    memory_bytes = load64(load64(pe + P_PROGRAM) + G_MEMORY_BYTES)
    return read_operand(load64(pe + P_MEMORY), memory_bytes, slot + S_WALKERS + (k + 1) * WALKER_BYTES, size)


@kernel
def _store_result(pe: Any, slot: Any, bits: Any) -> Any:
    """Writes an element to a destination in memory; whether that is within it."""
    walker = slot + S_WALKERS
    memory_bytes = load64(load64(pe + P_PROGRAM) + G_MEMORY_BYTES)
    size = dest_bytes(load64(slot + S_OP))
    if not write_place(load64(pe + P_MEMORY), memory_bytes, load64(walker + PLACE), size, bits):
        return False
    advance_walker(walker)
    return True


@kernel
def step_slot(w: Any, pe: Any, slot: Any, now: Any) -> Any:
    """One step of a slot that is ready: one element, two if packed."""
    op, flags, left = load64(slot + S_OP), load64(slot + S_FLAGS), load64(slot + S_LEFT)
    count = 2 if flags & PACKED and left != 1 else 1
    in0, in1, out = load64(slot + S_IN0), load64(slot + S_IN1), load64(slot + S_OUT)
    wavelet0 = take_wavelet(w, pe, in0, now) if in0 != 0 else 0
    wavelet1 = take_wavelet(w, pe, in1, now) if in1 != 0 else 0
    sent, is_inside = 0, True
    for half in range(count):
        a = _source(w, pe, slot, 0, src0_bytes(op), wavelet0, half)
        b = _source(w, pe, slot, 1, src1_bytes(op), wavelet1, half) if src1_bytes(op) > 0 else 0
        is_inside = is_inside and a != OUT_OF_BOUNDS and b != OUT_OF_BOUNDS
        result = alu(op, a, b, load64(slot + S_SCALAR))
        if op == ADDC16:
            store64(slot + S_SCALAR, result >> 16)
            result &= 0xFFFF
        if flags & (REDUCES0 | REDUCES1):
            store64(slot + S_TOTAL, result)
        elif out != 0:
            sent |= result << (16 * half)
        else:
            is_inside = is_inside and _store_result(pe, slot, result)
    if out != 0:
        if flags & SENDS_INDEX and flags & PACKED == 0:
            sent |= load64(slot + S_INDEX) << 16
        _send_wavelet(w, pe, slot, sent, now)
    store64(w + W_STEPS, load64(w + W_STEPS) + 1)
    store64(w + W_ELEMENTS, load64(w + W_ELEMENTS) + count)
    if left != ENDLESS:
        store64(slot + S_LEFT, left - count)
        if left == count:
            if flags & (REDUCES0 | REDUCES1):
                is_inside = is_inside and _store_result(pe, slot, load64(slot + S_TOTAL))
            store64(slot + S_STATE, FINISHING)
            store64(slot + S_DONE_AT, now + 1 + load64(w + W_COMPLETION))
    if not is_inside:
        fault(w, OUT_OF_MEMORY, load64(pe + P_INDEX), load64(slot + S_LOC), _first_outside(pe, slot), now)


@kernel
def _first_outside(pe: Any, slot: Any) -> Any:
    """The address to name in a fault: of the first operand in memory that lies outside."""
    memory_bytes = load64(load64(pe + P_PROGRAM) + G_MEMORY_BYTES)
    for k in (1, 2, 0):
        walker = slot + S_WALKERS + k * WALKER_BYTES
        kind, place = load64(walker + KIND), load64(walker + PLACE)
        if ((kind != NONE and kind < FABIN) or kind == POINTER) and place + 2 > memory_bytes:
            return place
    return load64(slot + S_WALKERS + PLACE)


@kernel
def retire(pe: Any, slot: Any) -> Any:
    """Ends an operation: saves addresses, frees the slot, activates, then unblocks."""
    for k in range(3):
        saved = load64(slot + S_SAVED + 8 * k)
        if saved != 0:
            store16((saved >> 16) + RECORD_BASE, saved & 0xFFFF)
    store64(slot + S_STATE, FREE)
    activate, unblock = load64(slot + S_ACTIVATE), load64(slot + S_UNBLOCK)
    if activate > 0:
        store64(pe + P_ACTIVE, load64(pe + P_ACTIVE) | 1 << (activate - 1))
    if unblock > 0:
        store64(pe + P_BLOCKED, load64(pe + P_BLOCKED) & ~(1 << (unblock - 1)))
