"""Host commands as a PE of the fast engine takes them. Compiled code."""

from __future__ import annotations

from typing import Any

from openwafer.codegen import Fault
from openwafer.sim.fast._fabric import fault
from openwafer.sim.fast._raw import kernel, load16, load32, load64, store32, store64
from openwafer.sim.fast._state import COMMAND_BYTES, COPY_OUT, PRESENT, STREAM_IN, Command, Pe, Program, World
from openwafer.sim.fast._team import atomic_add, part
from openwafer.sim.fast.memory._element_step import read_place, write_place

OUT_OF_MEMORY = int(Fault.MEMORY)


@kernel
def command_record(w: Any, number: Any) -> Any:
    return load64(w + World.COMMANDS) + number * COMMAND_BYTES


@kernel
def for_program(command: Any, pe: Any) -> Any:
    return load64(load64(command + Command.TABLE) + load64(load64(pe + Pe.PROGRAM) + Program.NUMBER))


@kernel
def concerns(command: Any, pe: Any) -> Any:
    """Whether a PE with code has to do a command: it lies in the area, and its program exports the name."""
    x, y = load64(pe + Pe.X), load64(pe + Pe.Y)
    if x < load64(command + Command.X0) or x >= load64(command + Command.X1):
        return False
    if y < load64(command + Command.Y0) or y >= load64(command + Command.Y1):
        return False
    return load64(command + Command.KIND) < STREAM_IN and for_program(command, pe) != 0


@kernel
def next_command(w: Any, pe: Any) -> Any:
    """Number of the first command that this PE has yet to do, -1 if there is none."""
    number, count = load64(pe + Pe.COMMAND), load64(w + World.RELEASED)
    while number < count and not concerns(command_record(w, number), pe):
        number += 1
    store64(pe + Pe.COMMAND, number)
    return number if number < count else -1


@kernel
def is_done_by_one_more(w: Any, command: Any) -> Any:
    """Counts that one PE has done a command."""
    if atomic_add(command + Command.LEFT, -1) == 1:
        count_open(w, command, -1)


@kernel
def count_open(w: Any, command: Any, more: Any) -> Any:
    """Counts released commands that are not done."""
    leader = part(w, 0)
    atomic_add(leader + World.OPEN, more)
    if load64(command + Command.KIND) >= STREAM_IN:
        atomic_add(leader + World.OPEN_STREAMS, more)


@kernel
def copy(w: Any, pe: Any, command: Any, now: Any) -> Any:
    """Moves this PE's part of a copy from or to the host."""
    memory = load64(pe + Pe.MEMORY)
    memory_bytes = load64(load64(pe + Pe.PROGRAM) + Program.MEMORY_BYTES)
    target = for_program(command, pe) & (PRESENT - 1)
    address, size = target >> 1, load64(command + Command.ELEMENT_BYTES)
    if target & 1:
        address = load16(memory + address)
    data = load64(command + Command.DATA)
    data += (load64(pe + Pe.Y) - load64(command + Command.Y0)) * load64(command + Command.STRIDE_Y)
    data += (load64(pe + Pe.X) - load64(command + Command.X0)) * load64(command + Command.STRIDE_X)
    is_out = load64(command + Command.KIND) == COPY_OUT
    step = load64(command + Command.STRIDE_I)
    for i in range(load64(command + Command.WORDS)):
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
            fault(w, OUT_OF_MEMORY, load64(pe + Pe.INDEX), -1, place, now)
            return
