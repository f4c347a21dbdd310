"""Diagnostics of the fast engine: what went wrong, on which PE, in which cycle, at which line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from openwafer.codegen._abi import Fault
from openwafer.csl._dsd_ops import DSD_OPS_BY_NUMBER
from openwafer.csl._tir import Program
from openwafer.diag import DiagnosticError, error
from openwafer.sim import _fast_state as st
from openwafer.sim._engine import Command, command_text
from openwafer.sim._fast_load import OFFSETS, Ints, World

SHOWN_PES = 10
"""How many waiting PEs a deadlock describes."""


def line(program: Program, loc: int) -> str:
    if not 0 <= loc < len(program.locations):
        return "unknown line"
    file, number = program.locations[loc]
    return f"{file}:{number}"


def fault(world: World) -> DiagnosticError:
    """The diagnostic for the fault that the world has noted."""
    kind, detail = world.get(st.W_FAULT), world.get(st.W_FAULT_DETAIL)
    y, x = divmod(world.get(st.W_FAULT_PE), world.width)
    number = int(world.layout.program_of[y, x])
    place = f"PE ({x}, {y}), cycle {world.get(st.W_FAULT_CYCLE)}"
    loaded = world.programs[number] if number >= 0 else None
    if loaded is not None and kind != st.FAULT_UNROUTED:
        place += f", {line(loaded.program, world.get(st.W_FAULT_LOC))}"
    match kind:
        case st.FAULT_UNROUTED:
            dx, dy = OFFSETS[detail >> 8]
            message = f"no route for color {detail & 255} at PE ({x + dx}, {y + dy}), to which a wavelet goes"
            return error("unrouted-wavelet", message, notes=[place])
        case st.FAULT_NO_OWN_ROUTE:
            message = f"no route for color {detail} at PE ({x}, {y}), which sends on it"
            return error("unrouted-wavelet", message, notes=[place])
        case st.FAULT_UNBOUND_OUTPUT:
            return error("unrouted-wavelet", f"output queue {detail} is not bound to a color", notes=[place])
        case Fault.MEMORY:
            message = f"access at address {detail} of {loaded.memory_bytes if loaded else 0}"
            return error("memory-access", message, notes=[place])
        case Fault.ASSERT:
            messages = loaded.compiled.messages if loaded else ()
            message = messages[detail] if 0 <= detail < len(messages) else "assertion failed"
            return error("assert-failed", message, notes=[place])
        case Fault.DIVIDE_BY_ZERO:
            return error("divide-by-zero", "integer division by zero", notes=[place])
        case _:
            return error("unsupported", "operands of a DSD operation", notes=[place])


def deadlock(world: World, command: Command) -> DiagnosticError:
    """Nothing can happen any more; the notes say what the first PEs that wait are waiting for."""
    used = world.pes[:, st.P_USED // 8] != 0
    busy = world.pes[:, st.P_STATE // 8] != st.IDLE
    stuck = (world.pes[:, st.P_STREAM // 8] != 0) & (world.pes[:, st.P_PROGRAM // 8] != 0)
    waiting = np.flatnonzero(used | busy | stuck)
    cycle = world.get(st.W_NOW)
    notes = [f"{len(waiting)} PEs wait"]
    for index in waiting[:SHOWN_PES]:
        y, x = divmod(int(index), world.width)
        notes += [f"PE ({x}, {y}), cycle {cycle}, {wait}" for wait in _waits(world, int(index), command)]
    message = f"nothing can happen any more, and the {command_text(command)} is not done"
    return error("deadlock", message, notes=notes)


def _waits(world: World, index: int, command: Command) -> Iterator[str]:
    pe = world.pes[index]
    y, x = divmod(index, world.width)
    program = world.programs[int(world.layout.program_of[y, x])].program
    for number in range(st.SLOTS):
        if pe[st.P_USED // 8] >> number & 1:
            slot = world.slots[number, index]
            name = DSD_OPS_BY_NUMBER[int(slot[st.S_OP // 8])].name
            place, wait = line(program, int(slot[st.S_LOC // 8])), _wait(world, program, index, slot)
            yield f"{place}: `{name}` in slot {number} {wait}"
    if pe[st.P_STATE // 8] == st.BUSY and pe[st.P_ACTION // 8] == st.TRY:
        yield "the main thread waits for a microthread that is in use"
    elif pe[st.P_STATE // 8] == st.IDLE and pe[st.P_STREAM // 8]:
        yield f"the command stream is blocked: the {command_text(command)} waits for `unblock_cmd_stream()`"


def _wait(world: World, program: Program, index: int, slot: Ints) -> str:
    queues = int(world.pes[index, st.P_QUEUES // 8])
    record = world.program_records[int(world.layout.program_of.reshape(-1)[index])]
    for field in (st.S_IN0, st.S_IN1):
        address = int(slot[field // 8])
        if address == st.UNBOUND:
            return "waits for a wavelet in an input queue that is bound to no color"
        if address and world.queue_state(index, address - queues) & 0xFFFF == 0:
            id = next(i for i in range(st.QUEUE_IDS) if record[st.G_INPUT // 8 + i] == address - queues)
            color = next(q.color for q in program.queues if q.direction == "in" and q.id == id)
            return f"waits for a wavelet in input queue {id}, color {color}"
    if slot[st.S_OUT // 8]:
        id = int(slot[st.S_OUT_ID // 8])
        color = int(record[st.G_OUTPUT_COLOR // 8 + id])
        return f"waits for room in output queue {id}, color {color}"
    return "is under way"
