"""Host commands as a PE of the fast engine takes them. Compiled code."""

from __future__ import annotations

from typing import Any

from openwafer.codegen import Fault
from openwafer.sim.fast._fabric import fault
from openwafer.sim.fast._raw import kernel, load16, load32, load64, store32, store64
from openwafer.sim.fast._state import (
    COMMAND_BYTES,
    COPY_OUT,
    G_MEMORY_BYTES,
    G_NUMBER,
    K_DATA,
    K_ELEMENT_BYTES,
    K_KIND,
    K_LEFT,
    K_STRIDE_I,
    K_STRIDE_X,
    K_STRIDE_Y,
    K_TABLE,
    K_WORDS,
    K_X0,
    K_X1,
    K_Y0,
    K_Y1,
    P_COMMAND,
    P_INDEX,
    P_MEMORY,
    P_PROGRAM,
    P_X,
    P_Y,
    PRESENT,
    STREAM_IN,
    W_COMMANDS,
    W_OPEN,
    W_OPEN_STREAMS,
    W_RELEASED,
)
from openwafer.sim.fast._team import atomic_add, part
from openwafer.sim.fast.memory._element_step import read_place, write_place

OUT_OF_MEMORY = int(Fault.MEMORY)


@kernel
def command_record(w: Any, number: Any) -> Any:
    return load64(w + W_COMMANDS) + number * COMMAND_BYTES


@kernel
def for_program(command: Any, pe: Any) -> Any:
    return load64(load64(command + K_TABLE) + load64(load64(pe + P_PROGRAM) + G_NUMBER))


@kernel
def concerns(command: Any, pe: Any) -> Any:
    """Whether a PE with code has to do a command: it lies in the area, and its program exports the name."""
    x, y = load64(pe + P_X), load64(pe + P_Y)
    if x < load64(command + K_X0) or x >= load64(command + K_X1):
        return False
    if y < load64(command + K_Y0) or y >= load64(command + K_Y1):
        return False
    return load64(command + K_KIND) < STREAM_IN and for_program(command, pe) != 0


@kernel
def next_command(w: Any, pe: Any) -> Any:
    """Number of the first command that this PE has yet to do, -1 if there is none."""
    number, count = load64(pe + P_COMMAND), load64(w + W_RELEASED)
    while number < count and not concerns(command_record(w, number), pe):
        number += 1
    store64(pe + P_COMMAND, number)
    return number if number < count else -1


@kernel
def is_done_by_one_more(w: Any, command: Any) -> Any:
    """Counts that one PE has done a command."""
    if atomic_add(command + K_LEFT, -1) == 1:
        count_open(w, command, -1)


@kernel
def count_open(w: Any, command: Any, more: Any) -> Any:
    """Counts released commands that are not done."""
    leader = part(w, 0)
    atomic_add(leader + W_OPEN, more)
    if load64(command + K_KIND) >= STREAM_IN:
        atomic_add(leader + W_OPEN_STREAMS, more)


@kernel
def copy(w: Any, pe: Any, command: Any, now: Any) -> Any:
    """Moves this PE's part of a copy from or to the host."""
    memory = load64(pe + P_MEMORY)
    memory_bytes = load64(load64(pe + P_PROGRAM) + G_MEMORY_BYTES)
    target = for_program(command, pe) & (PRESENT - 1)
    address, size = target >> 1, load64(command + K_ELEMENT_BYTES)
    if target & 1:
        address = load16(memory + address)
    data = load64(command + K_DATA)
    data += (load64(pe + P_Y) - load64(command + K_Y0)) * load64(command + K_STRIDE_Y)
    data += (load64(pe + P_X) - load64(command + K_X0)) * load64(command + K_STRIDE_X)
    is_out = load64(command + K_KIND) == COPY_OUT
    step = load64(command + K_STRIDE_I)
    for i in range(load64(command + K_WORDS)):
        place = (address + i * size) & 0xFFFF
        is_inside = True
        if is_out:
            bits = read_place(memory, memory_bytes, place, size)
            is_inside = bits >= 0
            if is_inside:
                store32(data + i * step, bits)
        else:
            is_inside = write_place(memory, memory_bytes, place, size, load32(data + i * step))
        if not is_inside:
            fault(w, OUT_OF_MEMORY, load64(pe + P_INDEX), -1, place, now)
            return
