"""Host commands as records for compiled code. See `_state`, “Command”."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.sim._engine import Command, CopyIn, CopyOut, Launch, StreamIn, StreamOut
from openwafer.sim.fast import _state as st
from openwafer.sim.fast._load import Loaded, LoadedWafer, words
from openwafer.tir import Program

Ints = NDArray[np.int64]
SHARED = {"": st.BY_PE, "row": st.BY_ROW, "column": st.BY_COLUMN}


def command_record(world: LoadedWafer, command: Command) -> tuple[Ints, Ints, Ints]:
    """The record, and the arrays to which it points. Diagnostics: stream-without-queue."""
    table = np.array([_target(loaded, command) for loaded in world.programs], np.int64)
    arguments = np.array(command.args if isinstance(command, Launch) else (), np.int64)
    fields: dict[int, int] = {
        st.Command.TABLE: words(table),
        st.Command.ARGUMENTS: words(arguments), st.Command.ARGUMENT_COUNT: len(arguments),
        st.Command.LEFT: 1,
    }  # fmt: skip
    match command:
        case Launch():
            fields |= {st.Command.KIND: st.LAUNCH, st.Command.X1: world.width, st.Command.Y1: world.height}
        case CopyIn() | CopyOut():
            kind = st.COPY_IN if isinstance(command, CopyIn) else st.COPY_OUT
            fields |= {
                st.Command.KIND: kind,
                st.Command.ELEMENT_BYTES: command.element_bytes,
                **_area(command),
            }
        case StreamIn() | StreamOut():
            _check_ports(world, command, table)
            kind = st.STREAM_IN if isinstance(command, StreamIn) else st.STREAM_OUT
            shared = SHARED[command.shared] if isinstance(command, StreamIn) else st.BY_PE
            fields |= {
                st.Command.KIND: kind,
                st.Command.SHARED: shared,
                st.Command.CHANNELS: command.channels,
                **_area(command),
            }
    record = np.zeros(st.COMMAND_BYTES // 8, np.int64)
    for field, value in fields.items():
        record[field // 8] = value
    return record, table, arguments


def _area(command: CopyIn | CopyOut | StreamIn | StreamOut) -> dict[int, int]:
    """Where the PEs and their data lie."""
    height, width, count = command.data.shape
    stride_y, stride_x, stride_i = command.data.strides
    return {
        st.Command.X0: command.x0, st.Command.Y0: command.y0,
        st.Command.X1: command.x0 + width, st.Command.Y1: command.y0 + height,
        st.Command.WORDS: count, st.Command.DATA: words(command.data),
        st.Command.STRIDE_Y: stride_y, st.Command.STRIDE_X: stride_x, st.Command.STRIDE_I: stride_i,
    }  # fmt: skip


def _target(loaded: Loaded, command: Command) -> int:
    """What the command means to one program: Command.TABLE's word."""
    program = loaded.program
    if isinstance(command, (StreamIn, StreamOut)):
        return _port(program, command)
    export = next((e for e in program.exports if e.name == command.name), None)
    if export is None or (export.kind == "func") != isinstance(command, Launch):
        return 0
    if export.kind == "func":
        return loaded.compiled.entries[export.target]
    return st.PRESENT | program.symbols[export.target].address << 1 | (export.kind == "ptr")


def _port(program: Program, stream: StreamIn | StreamOut) -> int:
    """1 + the number of a stream's host port; 0 without a port or a queue for its color."""
    direction = "in" if isinstance(stream, StreamIn) else "out"
    if not any(q.direction == direction and q.color == stream.color for q in program.queues):
        return 0
    ports = [("in", c) for c in sorted(program.host_in)] + [("out", c) for c in sorted(program.host_out)]
    return ports.index((direction, stream.color)) + 1 if (direction, stream.color) in ports else 0


def _check_ports(world: LoadedWafer, stream: StreamIn | StreamOut, table: Ints) -> None:
    height, width, _ = stream.data.shape
    numbers = np.full((height, width), -1, np.int64)
    x0, y0 = stream.x0, stream.y0
    inside = world.layout.program_of[y0 : y0 + height, x0 : x0 + width]
    numbers[: inside.shape[0], : inside.shape[1]] = inside
    missing = np.argwhere((numbers < 0) | (np.append(table, 0)[numbers] == 0))
    if len(missing):
        y, x = missing[0]
        direction = "from" if isinstance(stream, StreamIn) else "to"
        place = (int(x0 + x), int(y0 + y))
        message = f"PE {place} has no queue for the stream {direction} the host on color {stream.color}"
        raise error("stream-without-queue", message)
