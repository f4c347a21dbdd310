"""Diagnostics of the fast engine: what went wrong, on which PE, in which cycle, at which line."""

from __future__ import annotations

from openwafer.codegen import Fault
from openwafer.diag import DiagnosticError, error
from openwafer.sim.fast import _state as st
from openwafer.sim.fast._load import OFFSETS, LoadedWafer
from openwafer.tir import MOST_INIT_CYCLES, Program

SHOWN_PES = 10
"""How many waiting PEs a deadlock describes."""


def line(program: Program, loc: int) -> str:
    if not 0 <= loc < len(program.locations):
        return "unknown line"
    file, number = program.locations[loc]
    return f"{file}:{number}"


def fault(world: LoadedWafer) -> DiagnosticError:
    """The diagnostic for the fault that the world has noted."""
    kind, detail = world.get(st.World.FAULT), world.get(st.World.FAULT_DETAIL)
    y, x = divmod(world.get(st.World.FAULT_PE), world.width)
    number = int(world.layout.program_of[y, x])
    place = f"PE ({x}, {y}), cycle {world.get(st.World.FAULT_CYCLE)}"
    loaded = world.programs[number] if number >= 0 else None
    if loaded is not None and kind != st.FAULT_UNROUTED:
        place += f", {line(loaded.program, world.get(st.World.FAULT_LOC))}"
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
        case st.FAULT_FIFO:
            message = "a FIFO is empty or full, and its action is `fault`"
            return error("fifo-fault", message, notes=[place])
        case st.FAULT_CONTROL_UNBOUND:
            message = f"a control wavelet for task {detail}, which is not bound"
            return error("control-task-not-bound", message, notes=[place])
        case st.FAULT_NO_REGISTER:
            message = f"no configuration register at word address {detail:#x}"
            return error("no-such-register", message, notes=[place])
        case st.FAULT_LONG_INIT:
            message = f"what runs before the first cycle takes more than {MOST_INIT_CYCLES:,} cycles"
            return error("init-too-long", message, notes=[place])
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
