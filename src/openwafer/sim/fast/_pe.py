"""What a PE of the fast engine does in a cycle: retire, datapath, main thread, pick. Compiled code.

The rules: docs/semantics.md, “PE”. Nothing here touches another PE, nor another router than the PE's own.
"""

from __future__ import annotations

from typing import Any

from openwafer.codegen import Ctx, Req, Status
from openwafer.sim.fast._commands import command_record, copy, for_program, is_done_by_one_more, next_command
from openwafer.sim.fast._config import serve_config
from openwafer.sim.fast._fabric import fault, head_ready, is_control, wake_pe
from openwafer.sim.fast._fifo import set_fifo_length
from openwafer.sim.fast._issue import IN_USE, STARTED_SYNCHRONOUS, WRONG, note_fifo_lengths, start_operation
from openwafer.sim.fast._ops import (
    UNSUPPORTED,
    miss_elements,
    next_step,
    retire,
    slot_ready,
    slot_record,
    step_slot,
    take_wavelet,
)
from openwafer.sim.fast._ports import ports_ready, serve_ports
from openwafer.sim.fast._profile import begin_task, end_task, line_rows, resume, wait
from openwafer.sim.fast._raw import call_entry, kernel, load32, load64, store64, trailing_zeros
from openwafer.sim.fast._state import (
    BUSY,
    CANDIDATES,
    CLASS_SHIFT,
    COMMAND_ID,
    COPY_END,
    END,
    FAULT_CONTROL_UNBOUND,
    FINISHING,
    HALTED,
    IDLE,
    LAUNCH,
    MAIN,
    NEVER,
    PE_BYTES,
    REQUEST,
    RUN,
    SYNCHRONOUS,
    TASK_IDS,
    TRY,
    WAITING,
    Command,
    Pe,
    Program,
    Slot,
    World,
)
from openwafer.sim.fast._switch import NO_TASK, task_id
from openwafer.sim.fast.memory._op import UNSUPPORTED_DETAIL

DONE, WAIT, ACTIVATE, BLOCK = int(Status.DONE), int(Status.WAIT), int(Status.ACTIVATE), int(Status.BLOCK)
UNBLOCK, DSD_OP, FAULT = int(Status.UNBLOCK), int(Status.DSD_OP), int(Status.FAULT)
SET_FIFO_LENGTH, PRINT = int(Status.SET_FIFO_LENGTH), int(Status.PRINT)
READ_CONFIG, WRITE_CONFIG = int(Status.READ_CONFIG), int(Status.WRITE_CONFIG)
ALL_TASKS = (1 << TASK_IDS) - 1


@kernel
def step_pe(w: Any, index: Any, now: Any) -> Any:
    """One cycle of a PE; whether something happened."""
    pe = load64(w + World.PES) + index * PE_BYTES
    if load64(pe + Pe.STATE) == BUSY and now > load64(pe + Pe.SEEN) + 1:
        store64(pe + Pe.FIRST, 0)
    store64(pe + Pe.SEEN, now)
    store64(pe + Pe.NEXT, NEVER)
    happened = load64(pe + Pe.PORTS) != 0 and serve_ports(w, pe, now)
    if load64(pe + Pe.USED) != 0:
        happened = _retire_slots(w, pe, now) or happened
        if load64(pe + Pe.FIFOS) != 0:
            happened = _miss_elements(w, pe, now) or happened
        if load64(pe + Pe.STATE) != HALTED:
            happened = _serve_datapath(w, pe, now) or happened
    elif load64(pe + Pe.STATE) == BUSY:
        store64(pe + Pe.FIRST, 0)
    while load64(pe + Pe.STATE) == BUSY and load64(pe + Pe.WAKE) <= now:
        if not _run_main(w, pe, now):
            break
        happened = True
    if load64(pe + Pe.STATE) == IDLE and _pick(w, pe, now):
        happened = True
    _schedule_next(w, index, pe, now)
    return happened


@kernel
def _retire_slots(w: Any, pe: Any, now: Any) -> Any:
    used, happened = load64(pe + Pe.USED), False
    left = used
    while left:
        number = trailing_zeros(left)
        left &= left - 1
        slot = slot_record(w, pe, number)
        if load64(slot + Slot.STATE) == FINISHING and load64(slot + Slot.DONE_AT) <= now:
            retire(pe, slot)
            used &= ~(1 << number)
            happened = True
            if number == SYNCHRONOUS:
                store64(pe + Pe.STATE, BUSY)
                store64(pe + Pe.WAKE, now)
                if load64(w + World.PROFILE) != 0:
                    resume(w, pe, now)
    store64(pe + Pe.USED, used)
    return happened


@kernel
def _miss_elements(w: Any, pe: Any, now: Any) -> Any:
    """Operations that lack elements or places of FIFOs; whether one ended by that."""
    left, happened = load64(pe + Pe.USED), False
    while left:
        slot = slot_record(w, pe, trailing_zeros(left))
        left &= left - 1
        happened = miss_elements(w, pe, slot, now) or happened
    return happened


@kernel
def _candidates(w: Any, pe: Any, now: Any) -> Any:
    """Mask of those of the highest class who could have the datapath: slots, the main thread. One that tries
    to start an operation is of no higher class than they."""
    ready, highest = 0, 0
    if load64(pe + Pe.STATE) == BUSY and load64(pe + Pe.ACTION) != TRY:
        ready, highest = 1 << MAIN, load64(load64(pe + Pe.PROGRAM) + Program.MAIN_CLASS)
    left = load64(pe + Pe.USED)
    while left:
        number = trailing_zeros(left)
        left &= left - 1
        slot = slot_record(w, pe, number)
        if slot_ready(pe, slot) <= now:
            its_class = load64(slot + Slot.FLAGS) >> CLASS_SHIFT
            if its_class > highest:
                ready, highest = 0, its_class
            if its_class == highest:
                ready |= 1 << number
    if load64(pe + Pe.STATE) != BUSY or load64(pe + Pe.ACTION) != TRY:
        return ready
    joins = ready == 0 or load64(load64(pe + Pe.PROGRAM) + Program.MAIN_CLASS) >= highest
    return ready | 1 << MAIN if joins else ready


@kernel
def _serve_datapath(w: Any, pe: Any, now: Any) -> Any:
    """Gives the datapath to a slot or to the main thread; whether a slot stepped."""
    ready = _candidates(w, pe, now)
    if ready == 0:
        return False
    first = load64(pe + Pe.FIRST)
    after = ready & ~((1 << first) - 1)
    winner = trailing_zeros(after if after else ready)
    store64(pe + Pe.FIRST, 0 if winner + 1 == CANDIDATES else winner + 1)
    if winner == MAIN:
        return False
    step_slot(w, pe, slot_record(w, pe, winner), now)
    if load64(pe + Pe.STATE) == BUSY:
        store64(pe + Pe.WAKE, max(load64(pe + Pe.WAKE), now) + 1)
        _count_busy(w, 1)
    return True


@kernel
def _count_busy(w: Any, cycles: Any) -> Any:
    store64(w + World.BUSY, load64(w + World.BUSY) + cycles)


@kernel
def _run_main(w: Any, pe: Any, now: Any) -> Any:
    """Lets the main thread go on by one action; whether it could."""
    action = load64(pe + Pe.ACTION)
    if action == RUN:
        call_code(w, pe, now)
    elif action in (END, COPY_END):
        store64(pe + Pe.STATE, IDLE)
        if load64(w + World.PROFILE) != 0:
            end_task(w, pe, now)
        if action == COPY_END:
            is_done_by_one_more(w, command_record(w, load64(pe + Pe.TAKEN)))
    else:
        return grant(w, pe, now)
    return True


@kernel
def call_code(w: Any, pe: Any, now: Any) -> Any:
    """Calls the task's machine code and notes what it asks for, once its cycles have passed."""
    ctx = load64(w + World.CTX)
    store64(ctx + 8 * Ctx.MEMORY, load64(pe + Pe.MEMORY))
    store64(ctx + 8 * Ctx.FRAME, load64(pe + Pe.FRAME))
    store64(ctx + 8 * Ctx.CYCLES, 0)
    store64(ctx + 8 * Ctx.NOW, now)
    store64(ctx + 8 * Ctx.PARAMS, load64(pe + Pe.PARAMS))
    store64(ctx + 8 * Ctx.X, load64(pe + Pe.X))
    store64(ctx + 8 * Ctx.Y, load64(pe + Pe.Y))
    store64(ctx + 8 * Ctx.MEMORY_BYTES, load64(load64(pe + Pe.PROGRAM) + Program.MEMORY_BYTES))
    store64(ctx + 8 * Ctx.LFSR, pe + Pe.LFSR)
    store64(ctx + 8 * Ctx.ARGS, load64(pe + Pe.ARGUMENT))
    if load64(w + World.PROFILE) != 0:
        store64(ctx + 8 * Ctx.PROFILE, line_rows(w, pe))
    taken = load64(pe + Pe.TAKEN)
    if taken >= 0:
        command = command_record(w, taken)
        for k in range(load64(command + Command.ARGUMENT_COUNT)):
            store64(ctx + 8 * Ctx.ARGS + 8 * k, load64(load64(command + Command.ARGUMENTS) + 8 * k))
    status = call_entry(load64(pe + Pe.ENTRY), ctx)
    cycles = load64(ctx + 8 * Ctx.CYCLES)
    if status == FAULT:
        kind, detail = load32(load64(pe + Pe.FRAME) + Req.A0), load64(ctx + 8 * Ctx.FAULT_DETAIL)
        if detail == UNSUPPORTED_DETAIL:
            kind = UNSUPPORTED
        fault(w, kind, load64(pe + Pe.INDEX), load64(ctx + 8 * Ctx.FAULT_LOC), detail, now)
        store64(pe + Pe.WAKE, NEVER)
        return
    store64(pe + Pe.WAKE, now + cycles)
    _count_busy(w, cycles)
    if status == DONE:
        store64(pe + Pe.ACTION, END)
    elif status == WAIT:
        store64(pe + Pe.ACTION, RUN)
    else:
        store64(pe + Pe.ACTION, REQUEST)
        store64(pe + Pe.STATUS, status)
        if status == DSD_OP and load64(pe + Pe.FIFOS) != 0:
            note_fifo_lengths(pe)


@kernel
def grant(w: Any, pe: Any, now: Any) -> Any:
    """Does what the code has asked for; False if a slot is in use, still."""
    status, id = load64(pe + Pe.STATUS), load32(load64(pe + Pe.FRAME) + Req.A0)
    is_new = load64(pe + Pe.ACTION) == REQUEST
    store64(pe + Pe.ACTION, RUN)
    store64(pe + Pe.WAKE, now)
    if status == ACTIVATE:
        store64(pe + Pe.ACTIVE, load64(pe + Pe.ACTIVE) | 1 << id)
    elif status == BLOCK:
        store64(pe + Pe.BLOCKED, load64(pe + Pe.BLOCKED) | 1 << id)
    elif status == UNBLOCK:
        store64(pe + Pe.BLOCKED, load64(pe + Pe.BLOCKED) & ~(1 << id))
    elif status == DSD_OP:
        said = start_operation(w, pe, now)
        if said == IN_USE:
            store64(pe + Pe.ACTION, TRY)
            store64(pe + Pe.WAKE, now + 1)
            return is_new
        if said == WRONG:
            store64(pe + Pe.WAKE, NEVER)
        elif said == STARTED_SYNCHRONOUS:
            store64(pe + Pe.STATE, WAITING)
            if load64(w + World.PROFILE) != 0:
                wait(w, pe, now)
    elif status == SET_FIFO_LENGTH:
        set_fifo_length(pe, id, load32(load64(pe + Pe.FRAME) + Req.INDEX) & 0xFFFF)
    elif status in (READ_CONFIG, WRITE_CONFIG):
        if not serve_config(w, pe, status == WRITE_CONFIG, id & 0xFFFF, now):
            store64(pe + Pe.WAKE, NEVER)
    elif status == PRINT:
        call_entry(load64(w + World.PRINT), pe)
    else:
        store64(pe + Pe.STREAM, 0)
    return True


@kernel
def _begin(w: Any, pe: Any, id: Any, entry: Any, now: Any) -> Any:
    """Starts a task's code after the time that a dispatch takes."""
    store64(pe + Pe.PICKED, id)
    store64(pe + Pe.ENTRY, entry)
    store64(pe + Pe.STATE, BUSY)
    store64(pe + Pe.ACTION, RUN)
    store64(pe + Pe.WAKE, now + load64(w + World.DISPATCH))
    _count_busy(w, load64(w + World.DISPATCH))
    if load64(w + World.PROFILE) != 0:
        begin_task(w, pe, entry, now)


@kernel
def _task_queue(pe: Any, program: Any, id: Any) -> Any:
    """Address of the queue whose wavelets are picked at the place of an id, 0 if none is bound."""
    place = load64(program + Program.TASK_QUEUE + 8 * id)
    return 0 if place < 0 else load64(pe + Pe.QUEUES) + place


@kernel
def _places(pe: Any, program: Any) -> Any:
    """Mask of the ids at whose places wavelets may be picked."""
    field = Program.DATA if load64(pe + Pe.CONTROLS) == 0 else Program.PLACES
    return load64(program + field) & ~load64(pe + Pe.BLOCKED) & ALL_TASKS


@kernel
def _is_served(w: Any, pe: Any, queue: Any) -> Any:
    """Whether an operation under way takes what comes in an input queue."""
    left = load64(pe + Pe.USED)
    while left:
        slot = slot_record(w, pe, trailing_zeros(left))
        left &= left - 1
        if queue in (load64(slot + Slot.IN0), load64(slot + Slot.IN1)):
            return True
    return False


@kernel
def _wavelet_ready(w: Any, pe: Any, program: Any, id: Any) -> Any:
    """When a wavelet can be picked at the place of an id as things are; NEVER if something must come
    first."""
    queue = _task_queue(pe, program, id)
    if queue == 0:
        return NEVER
    if is_control(queue):
        return NEVER if _is_served(w, pe, queue) else head_ready(queue)
    return head_ready(queue) if (load64(program + Program.DATA) >> id) & 1 else NEVER


@kernel
def _pick(w: Any, pe: Any, now: Any) -> Any:
    """Picks the next ready task or command; whether there was one."""
    program = load64(pe + Pe.PROGRAM)
    ready = load64(pe + Pe.ACTIVE) & load64(program + Program.LOCAL) & ~load64(pe + Pe.BLOCKED)
    places = _places(pe, program)
    while places:
        id = trailing_zeros(places)
        places &= places - 1
        if _wavelet_ready(w, pe, program, id) <= now:
            ready |= 1 << id
    if load64(pe + Pe.STREAM) == 0 and next_command(w, pe) >= 0:
        ready |= 1 << COMMAND_ID
    if ready == 0:
        return False
    high = ready & load64(program + Program.HIGH)
    ready = high if high != 0 else ready
    after = ready & ~((2 << load64(pe + Pe.PICKED)) - 1)
    id = trailing_zeros(after if after else ready)
    if id == COMMAND_ID:
        _take_command(w, pe, now)
        return True
    store64(pe + Pe.TAKEN, -1)
    if (load64(program + Program.LOCAL) >> id) & 1 and (load64(pe + Pe.ACTIVE) >> id) & 1:
        store64(pe + Pe.ACTIVE, load64(pe + Pe.ACTIVE) & ~(1 << id))
    elif is_control(_task_queue(pe, program, id)):
        _take_control(w, pe, program, id, now)
        return True
    else:
        store64(pe + Pe.ARGUMENT, take_wavelet(w, pe, _task_queue(pe, program, id), now))
    _begin(w, pe, id, load64(program + Program.ENTRY + 8 * id), now)
    return True


@kernel
def _take_control(w: Any, pe: Any, program: Any, id: Any, now: Any) -> Any:
    """Begins the control task that a control wavelet names, if it names one."""
    word = take_wavelet(w, pe, _task_queue(pe, program, id), now)
    entry = load64(program + Program.CONTROL_ENTRY + 8 * task_id(word))
    store64(pe + Pe.ARGUMENT, word & 0xFFFF)
    if entry != 0:
        _begin(w, pe, id, entry, now)
        return
    index = load64(pe + Pe.INDEX)
    store64(pe + Pe.PICKED, id)
    if task_id(word) != NO_TASK:
        fault(w, FAULT_CONTROL_UNBOUND, index, -1, task_id(word), now)
    wake_pe(w, index, pe, now + 1, now)


@kernel
def _take_command(w: Any, pe: Any, now: Any) -> Any:
    number = load64(pe + Pe.COMMAND)
    command = command_record(w, number)
    store64(pe + Pe.COMMAND, number + 1)
    store64(pe + Pe.TAKEN, number)
    store64(pe + Pe.PICKED, COMMAND_ID)
    if load64(command + Command.KIND) == LAUNCH:
        is_done_by_one_more(w, command)
        store64(pe + Pe.STREAM, 1)
        _begin(w, pe, COMMAND_ID, for_program(command, pe), now)
        return
    copy(w, pe, command, now)
    if load64(pe + Pe.STATE) == HALTED:
        return
    rate = load64(w + World.COPY_RATE)
    cycles = (load64(command + Command.WORDS) + rate - 1) // rate
    store64(pe + Pe.STATE, BUSY)
    store64(pe + Pe.ACTION, COPY_END)
    store64(pe + Pe.WAKE, now + cycles)
    _count_busy(w, cycles)
    if load64(w + World.PROFILE) != 0:
        begin_task(w, pe, 0, now)


@kernel
def _schedule_next(w: Any, index: Any, pe: Any, now: Any) -> Any:
    """Has the PE stepped when it can next do something by itself; wavelets, room and commands wake it,
    too."""
    soonest = NEVER
    state = load64(pe + Pe.STATE)
    if state == BUSY and not (
        load64(pe + Pe.ACTION) == TRY and (load64(pe + Pe.USED) >> load64(pe + Pe.WANTED)) & 1
    ):
        soonest = load64(pe + Pe.WAKE)
    store64(pe + Pe.OUT_WAIT, 0)
    left = load64(pe + Pe.USED)
    while left:
        slot = slot_record(w, pe, trailing_zeros(left))
        left &= left - 1
        soonest = min(soonest, load64(slot + Slot.DONE_AT), next_step(pe, slot))
    if state == IDLE:
        program = load64(pe + Pe.PROGRAM)
        places = _places(pe, program)
        while places:
            soonest = min(soonest, _wavelet_ready(w, pe, program, trailing_zeros(places)))
            places &= places - 1
    if load64(pe + Pe.PORTS) != 0:
        soonest = min(soonest, ports_ready(w, pe))
    if soonest < NEVER:
        wake_pe(w, index, pe, max(soonest, now + 1), now)
