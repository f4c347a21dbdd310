"""How a DSD operation that takes time begins in the fast engine: from a request to a slot. Compiled code."""

from __future__ import annotations

from typing import Any

from openwafer.codegen import Req
from openwafer.sim.fast._fabric import fault
from openwafer.sim.fast._fifo import fifo_record
from openwafer.sim.fast._ops import NO_RESULT, UNSUPPORTED, WALKER_BYTES, slot_record
from openwafer.sim.fast._profile import begin_operation
from openwafer.sim.fast._raw import kernel, load16, load32, load64, store16, store32, store64
from openwafer.sim.fast._state import (
    ASYNCHRONOUS,
    CLASS_SHIFT,
    ENDLESS,
    ENDS_BY_CONTROL,
    FAULT_UNBOUND_OUTPUT,
    NEVER,
    ONCE,
    OUT_COLOR_SHIFT,
    PACKED,
    QUEUE_IDS,
    REDUCES0,
    REDUCES1,
    SENDS_CONTROL,
    SENDS_INDEX,
    STEPPING,
    SYNCHRONOUS,
    UNBOUND,
    USES_FIFO,
    Fifo,
    Pe,
    Program,
    Slot,
    World,
)
from openwafer.sim.fast.memory._element_step import initial_scalar, scalar_bits
from openwafer.sim.fast.memory._op import dest_bytes, is_reduction, reduces_wrongly, src0_bytes, src1_bytes
from openwafer.sim.fast.memory._operand import (
    ENDLESS_EXTENT,
    FABIN,
    FABOUT,
    FIFO,
    NONE,
    POINTER,
    RECORD_ACTIONS,
    RECORD_BASE,
    RECORD_EXTENTS,
    RECORD_FLAGS,
    RECORD_MICROTHREAD,
    RECORD_START,
    SCALAR,
    base_after,
    fit,
    move_walker,
    record_length,
    start_walker,
)
from openwafer.tir import MEDIUM, DsdFlag

SIMD = int(DsdFlag.SIMD_32 | DsdFlag.SIMD_64)
CONTROL, WAVELET_INDEX = int(DsdFlag.CONTROL), int(DsdFlag.WAVELET_INDEX)
ASYNC, SAVE_ADDRESS = int(DsdFlag.ASYNC), int(DsdFlag.SAVE_ADDRESS)
PRIORITY_LOW, PRIORITY_HIGH = int(DsdFlag.PRIORITY_LOW), int(DsdFlag.PRIORITY_HIGH)
HIGH, LOW = 5, 1
"""Priority classes; MEDIUM lies between."""
STARTED, STARTED_SYNCHRONOUS, IN_USE, WRONG = 0, 1, 2, 3
"""What `start_operation` says."""


@kernel
def _queue_of(pe: Any, record: Any, table: Any) -> Any:
    """Address of the queue that a fabric operand names; UNBOUND if it is not bound."""
    id = load16(record + RECORD_BASE)
    if id >= QUEUE_IDS:
        return UNBOUND
    place = load64(load64(pe + Pe.PROGRAM) + table + 8 * id)
    return UNBOUND if place < 0 else load64(pe + Pe.QUEUES) + place


@kernel
def _has_no_fifo(pe: Any, record: Any) -> Any:
    """Whether an operand names a FIFO that its PE has not."""
    return load16(record) == FIFO and load16(record + RECORD_BASE) >= load64(
        load64(pe + Pe.PROGRAM) + Program.FIFO_COUNT
    )


@kernel
def _fifo_of(pe: Any, record: Any) -> Any:
    """Address of the FIFO that an operand is; 0 if it is something else."""
    if load16(record) != FIFO or _has_no_fifo(pe, record):
        return 0
    return fifo_record(pe, load16(record + RECORD_BASE))


@kernel
def note_fifo_lengths(pe: Any) -> Any:
    """Puts the lengths of FIFOs, as they are now, into the records of the request area."""
    request = load64(pe + Pe.FRAME)
    fifo = _fifo_of(pe, request + Req.DEST)
    if fifo != 0:
        store16(request + Req.DEST + RECORD_EXTENTS, load64(fifo + Fifo.WRITE))
    for source in (Req.SRC0, Req.SRC1):
        fifo = _fifo_of(pe, request + source)
        if fifo != 0:
            store16(request + source + RECORD_EXTENTS, load64(fifo + Fifo.READ))


@kernel
def _is_wrong(kind: Any, is_dest: Any) -> Any:
    if kind == NONE or kind > POINTER:
        return True
    return kind in (FABIN, SCALAR) if is_dest else kind == FABOUT


@kernel
def _microthread(request: Any, dest: Any, src0: Any, src1: Any) -> Any:
    """Id + 1 of the microthread that the operation names, else that the first DSR with one names; 0: none."""
    given = load32(request + Req.UT)
    if given == 0 and load32(request + Req.DEST_DSR):
        given = load16(dest + RECORD_MICROTHREAD)
    if given == 0 and load32(request + Req.SRC0_DSR):
        given = load16(src0 + RECORD_MICROTHREAD)
    if given == 0 and src1 != 0 and load32(request + Req.SRC1_DSR):
        given = load16(src1 + RECORD_MICROTHREAD)
    return given


@kernel
def _slot_number(w: Any, request: Any, dest: Any, src0: Any, src1: Any) -> Any:
    """SYNCHRONOUS, or the microthread of an asynchronous operation (which may be too large)."""
    flags = load16(dest + RECORD_FLAGS) if load32(request + Req.DEST_DSR) else 0
    flags |= load16(src0 + RECORD_FLAGS) if load32(request + Req.SRC0_DSR) else 0
    if src1 != 0 and load32(request + Req.SRC1_DSR):
        flags |= load16(src1 + RECORD_FLAGS)
    if load32(request + Req.IS_ASYNC) == 0 and flags & ASYNC == 0:
        return SYNCHRONOUS
    given = _microthread(request, dest, src0, src1)
    if load16(dest) == FABOUT:
        number = load16(dest + RECORD_BASE)
    elif load16(src0) == FABIN:
        number = load16(src0 + RECORD_BASE)
    elif src1 != 0 and load16(src1) == FABIN:
        number = load16(src1 + RECORD_BASE)
    else:
        return SYNCHRONOUS
    if given != 0:
        number = given - 1
    return -1 if number >= load64(w + World.MICROTHREADS) else number


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
    """Some fabric operand has a SIMD flag, and all fabric operands have 16-bit elements."""
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
    return narrow and wanted & SIMD != 0


@kernel
def _class(dest: Any, src0: Any, src1: Any) -> Any:
    """The priority that the operands on the fabric and the FIFOs give."""
    given = load16(dest + RECORD_FLAGS) if _is_stepped(load16(dest)) else 0
    given |= load16(src0 + RECORD_FLAGS) if _is_stepped(load16(src0)) else 0
    if src1 != 0 and _is_stepped(load16(src1)):
        given |= load16(src1 + RECORD_FLAGS)
    if given & PRIORITY_HIGH:
        return HIGH
    return LOW if given & PRIORITY_LOW else MEDIUM


@kernel
def _is_stepped(kind: Any) -> Any:
    return kind >= FABIN and kind <= FIFO


@kernel
def _flags(op: Any, dest: Any, src0: Any, src1: Any) -> Any:
    flags = _class(dest, src0, src1) << CLASS_SHIFT
    kind0, kind1 = load16(src0), (load16(src1) if src1 != 0 else NONE)
    if FIFO in (load16(dest), kind0, kind1):
        flags |= USES_FIFO
    if load16(dest) == POINTER and FIFO in (kind0, kind1):
        flags |= ONCE
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
    """What Slot.SAVED holds for one operand."""
    dsr = load32(request + field)
    if dsr == 0 or record == 0 or load16(record + RECORD_FLAGS) & SAVE_ADDRESS == 0:
        return 0
    kind = load16(record)
    base = load16(record + RECORD_BASE) if kind >= FABIN else base_after(record)
    place = load64(pe + Pe.FRAME) + load64(load64(pe + Pe.PROGRAM) + Program.DSRS) + 32 * (dsr - 1)
    return place << 16 | base


@kernel
def start_operation(w: Any, pe: Any, now: Any) -> Any:
    """Starts the operation in the PE's request area; STARTED, STARTED_SYNCHRONOUS, IN_USE or WRONG."""
    request = load64(pe + Pe.FRAME)
    op, loc = load32(request + Req.OP), load32(request + Req.LOC)
    dest, src0, src1 = request + Req.DEST, request + Req.SRC0, request + Req.SRC1
    fit(dest, dest_bytes(op))
    fit(src0, src0_bytes(op))
    fit(src1, src1_bytes(op))
    if src1_bytes(op) == 0:
        src1 = 0
    index = load64(pe + Pe.INDEX)
    wrong = _is_wrong(load16(dest), True) or _is_wrong(load16(src0), False)
    wrong = wrong or (src1 != 0 and _is_wrong(load16(src1), False))
    wrong = wrong or _has_no_fifo(pe, dest) or _has_no_fifo(pe, src0)
    wrong = wrong or (src1 != 0 and _has_no_fifo(pe, src1))
    if src1 != 0 and load16(src0) == FABIN and load16(src1) == FABIN:
        wrong = wrong or load16(src0 + RECORD_BASE) == load16(src1 + RECORD_BASE)
    if src1 != 0 and load16(src0) == FIFO and load16(src1) == FIFO:
        wrong = wrong or load16(src0 + RECORD_BASE) == load16(src1 + RECORD_BASE)
    wrong = wrong or reduces_wrongly(op, load16(dest), load16(src0), load16(src1) if src1 != 0 else NONE)
    number = -1 if wrong else _slot_number(w, request, dest, src0, src1)
    if number < 0:
        fault(w, UNSUPPORTED, index, loc, op, now)
        return WRONG
    used = load64(pe + Pe.USED)
    if (used >> number) & 1:
        store64(pe + Pe.WANTED, number)
        return IN_USE
    out = _queue_of(pe, dest, Program.OUTPUT) if load16(dest) == FABOUT else 0
    if out == UNBOUND:
        fault(w, FAULT_UNBOUND_OUTPUT, index, loc, load16(dest + RECORD_BASE), now)
        return WRONG
    store64(pe + Pe.USED, used | 1 << number)
    slot = slot_record(w, pe, number)
    store64(slot + Slot.STATE, STEPPING)
    store64(slot + Slot.OP, op)
    store64(slot + Slot.LOC, loc)
    store64(slot + Slot.LEFT, _length(dest, src0, src1))
    store64(slot + Slot.START, now + load64(w + World.FABRIC_SETUP))
    store64(slot + Slot.DONE_AT, NEVER)
    store64(slot + Slot.ACTIVATE, _first_action(request, Req.ACTIVATE, 0, dest, src0, src1))
    store64(slot + Slot.UNBLOCK, _first_action(request, Req.UNBLOCK, 8, dest, src0, src1))
    store64(slot + Slot.SCALAR, initial_scalar(op, load32(request + Req.SCALAR)))
    store64(slot + Slot.INDEX, load32(request + Req.INDEX) & 0xFFFF)
    flags = _flags(op, dest, src0, src1) | (0 if number == SYNCHRONOUS else ASYNCHRONOUS)
    if load32(request + Req.ON_CONTROL) != 0:
        flags |= ENDS_BY_CONTROL
        unblock = load32(request + Req.CONTROL_UNBLOCK)
        store64(slot + Slot.ON_CONTROL, load32(request + Req.CONTROL_ACTIVATE) | unblock << 32)
    store64(slot + Slot.FLAGS, flags)
    store64(slot + Slot.IN0, _queue_of(pe, src0, Program.INPUT) if load16(src0) == FABIN else 0)
    store64(slot + Slot.IN1, _queue_of(pe, src1, Program.INPUT) if src1 != 0 and load16(src1) == FABIN else 0)
    store64(slot + Slot.OUT, out)
    store64(slot + Slot.FIFO_IN0, _fifo_of(pe, src0))
    store64(slot + Slot.FIFO_IN1, _fifo_of(pe, src1) if src1 != 0 else 0)
    store64(slot + Slot.FIFO_OUT, _fifo_of(pe, dest))
    store64(slot + Slot.OUT_ID, 0)
    if out != 0:
        id = load16(dest + RECORD_BASE)
        color = load64(load64(pe + Pe.PROGRAM) + Program.OUTPUT_COLOR + 8 * id)
        color = color if color >= 0 else load16(dest + RECORD_START)
        store64(slot + Slot.OUT_ID, id | color << OUT_COLOR_SHIFT)
    store64(slot + Slot.SAVED, _saved(pe, request, Req.DEST_DSR, dest))
    store64(slot + Slot.SAVED + 8, _saved(pe, request, Req.SRC0_DSR, src0))
    store64(slot + Slot.SAVED + 16, _saved(pe, request, Req.SRC1_DSR, src1))
    _start_slot_walkers(slot, dest, src0, src1)
    if load64(w + World.PROFILE) != 0:
        begin_operation(w, pe, slot)
    store32(request + Req.RESULT, 1)
    return STARTED_SYNCHRONOUS if number == SYNCHRONOUS else STARTED


@kernel
def _start_slot_walkers(slot: Any, dest: Any, src0: Any, src1: Any) -> Any:
    start_walker(slot + Slot.WALKERS, dest)
    start_walker(slot + Slot.WALKERS + WALKER_BYTES, src0)
    start_walker(slot + Slot.WALKERS + 2 * WALKER_BYTES, src1)
    index = load64(slot + Slot.INDEX)
    if index != 0:
        move_walker(slot + Slot.WALKERS, dest, index)
        move_walker(slot + Slot.WALKERS + WALKER_BYTES, src0, index)
        move_walker(slot + Slot.WALKERS + 2 * WALKER_BYTES, src1, index)
    flags, op = load64(slot + Slot.FLAGS), load64(slot + Slot.OP)
    if flags & REDUCES0:
        store64(slot + Slot.TOTAL, scalar_bits(slot + Slot.WALKERS + WALKER_BYTES, src0_bytes(op)))
    elif flags & REDUCES1:
        store64(slot + Slot.TOTAL, scalar_bits(slot + Slot.WALKERS + 2 * WALKER_BYTES, src1_bytes(op)))
    elif flags & ONCE:
        store64(slot + Slot.TOTAL, NO_RESULT)
