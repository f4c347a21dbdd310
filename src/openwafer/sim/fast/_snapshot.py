"""The snapshot of the fast engine: its records, read back."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np

from openwafer.codegen import Req
from openwafer.sim._engine import Command, Launch, StreamIn, StreamOut
from openwafer.sim.fast import _state as st
from openwafer.sim.fast._load import Ints, LoadedWafer
from openwafer.sim.fast.memory._operand import PLACE, WALKER_WORDS
from openwafer.sim.standstill import _snapshot as snap
from openwafer.sim.standstill._snapshot import Place
from openwafer.tir import DSD_OPS_BY_NUMBER, Program

SHOWN_PLACES = 256
OCCUPIED_PLACES = 4096
COUNT_BITS = 0xFFFF
DEPTH_SHIFT = 32
MAIN = {st.IDLE: "idle", st.WAITING: "waiting"}


def snapshot(world: LoadedWafer, commands: list[Command], records: Ints) -> snap.Snapshot:
    """The state as it is; what is made later from it is that of a later moment."""
    reader = _Reader(world, commands, records)
    has_code = np.flatnonzero(world.pes[:, st.Pe.PROGRAM // 8])
    everywhere = range(world.pe_count)
    waiting = world.routers[:, st.Router.COLORS_WAITING // 8]
    return snap.Snapshot(
        world.get(st.World.NOW), world.width, world.height,
        snap.Lazy(lambda: reader.places(has_code), reader.pe),
        snap.Lazy(lambda: reader.places(everywhere), reader.router),
        tuple(reader.command(number) for number in range(len(commands))),
        tuple(reader.places(np.flatnonzero(waiting)[:OCCUPIED_PLACES])),
        world.layout.sources,
    )  # fmt: skip


def _word(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


def _bits(mask: int) -> frozenset[int]:
    return frozenset(i for i in range(mask.bit_length()) if mask >> i & 1)


def _queue(address: int, color: int, *, is_output: bool = False) -> snap.Queue:
    state = _word(address + st.Queue.STATE)
    count = state & COUNT_BITS
    head = address + st.Queue.ENTRIES + st.ENTRY_BYTES * (state >> 16 & COUNT_BITS)
    if is_output and count:
        color = _word(head) >> st.COLOR_SHIFT & st.COLOR_MASK
    return snap.Queue(color, count, state >> DEPTH_SHIFT, count > 0 and bool(_word(head) & st.CONTROL_BIT))


class _Reader:
    def __init__(self, world: LoadedWafer, commands: list[Command], records: Ints) -> None:
        self.world, self.commands, self.records = world, commands, records
        self.released = world.get(st.World.RELEASED)

    def places(self, indices: Ints | range) -> Iterator[Place]:
        for index in indices:
            y, x = divmod(int(index), self.world.width)
            yield x, y

    # --- commands --------------------------------------------------------------------------

    def command(self, number: int) -> snap.CommandState:
        command, missing = self.commands[number], int(self.records[number, st.Command.LEFT // 8])
        if number >= self.released or not missing:
            return snap.CommandState(number, command, number < self.released, missing)
        if isinstance(command, (StreamIn, StreamOut)):
            parts = list(self._parts(number, command))
            moved, length = parts[0][1:] if parts else (0, 0)
            places = tuple(place for place, _, _ in parts[:SHOWN_PLACES])
            return snap.CommandState(number, command, True, missing, places, moved, length)
        places = tuple(self.places(self._takers(number)[:SHOWN_PLACES]))
        return snap.CommandState(number, command, True, missing, places)

    def _takers(self, number: int) -> Ints:
        """The PEs that have not taken a command of the list, or are carrying it out."""
        concerned = self._concerned(number)
        pes = self.world.pes
        ahead = pes[:, st.Pe.COMMAND // 8] <= number
        at_it = (pes[:, st.Pe.TAKEN // 8] == number) & (pes[:, st.Pe.STATE // 8] != st.IDLE)
        at_it &= not isinstance(self.commands[number], Launch)
        return np.flatnonzero(concerned & (ahead | at_it))

    def _concerned(self, number: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which PEs a command of the list is for."""
        world, record = self.world, self.records[number]
        x0, y0, x1, y1 = (
            int(record[field // 8]) for field in (st.Command.X0, st.Command.Y0, st.Command.X1, st.Command.Y1)
        )
        table = [_word(int(record[st.Command.TABLE // 8]) + 8 * i) != 0 for i in range(len(world.programs))]
        inside = np.zeros((world.height, world.width), np.bool_)
        inside[max(y0, 0) : y1, max(x0, 0) : x1] = True
        return inside.reshape(-1) & np.array([*table, False])[world.layout.program_of.reshape(-1)]

    def _parts(self, number: int, command: StreamIn | StreamOut) -> Iterator[tuple[Place, int, int]]:
        """PEs whose part of a stream is not done, with the wavelets moved and all of them."""
        height, width, _ = command.data.shape
        for place in ((command.x0 + x, command.y0 + y) for y in range(height) for x in range(width)):
            for address, _, _ in self._ports(*place):
                left = _word(address + st.Port.LEFT)
                if _word(address + st.Port.COMMAND) == number and left:
                    done = _word(address + st.Port.DONE)
                    yield place, done, done + left

    # --- PEs --------------------------------------------------------------------------------

    def pe(self, x: int, y: int) -> snap.PeState:
        index = y * self.world.width + x
        pe, program = self.world.pes[index], self._program(x, y)
        state, is_trying = int(pe[st.Pe.STATE // 8]), int(pe[st.Pe.ACTION // 8]) == st.TRY
        main = MAIN.get(state) or ("trying" if is_trying else "running")
        frame = int(pe[st.Pe.FRAME // 8])
        ports = list(self._ports(x, y))
        return snap.PeState(
            x=x,
            y=y,
            program=program,
            main=main,  # pyright: ignore[reportArgumentType]
            function=self._function(x, y) if main != "idle" else "",
            loc=ctypes.c_int32.from_address(frame + Req.LOC).value if frame and main != "idle" else -1,
            wanted=int(pe[st.Pe.WANTED // 8]) if main == "trying" else None,
            operations=tuple(
                self._operation(x, y, number) for number in sorted(_bits(int(pe[st.Pe.USED // 8])))
            ),
            inputs=self._queues(x, y, "in"),
            outputs=self._queues(x, y, "out"),
            host_in={c: _queue(a + st.Port.QUEUE, c) for a, c, is_out in ports if not is_out},
            host_out={c: _queue(a + st.Port.QUEUE, c) for a, c, is_out in ports if is_out},
            fifos=tuple(self._fifos(index)),
            active=_bits(int(pe[st.Pe.ACTIVE // 8])),
            blocked=_bits(int(pe[st.Pe.BLOCKED // 8])),
            is_stream_blocked=bool(pe[st.Pe.STREAM // 8]),
            launched=self._launched(index),
            pending=tuple(self._pending(index)),
        )

    def _program(self, x: int, y: int) -> Program:
        return self.world.programs[int(self.world.layout.program_of[y, x])].program

    def _function(self, x: int, y: int) -> str:
        """The function that the main thread runs: that of its entry; "" for a copy."""
        loaded = self.world.programs[int(self.world.layout.program_of[y, x])]
        pe = self.world.pes[y * self.world.width + x]
        taken = int(pe[st.Pe.TAKEN // 8])
        if taken >= 0 and not isinstance(self.commands[taken], Launch):
            return ""
        entry = int(pe[st.Pe.ENTRY // 8])
        numbers = (number for number, address in loaded.compiled.entries.items() if address == entry)
        number = next(numbers, None)
        return "" if number is None else loaded.program.functions[number].name

    def _launched(self, index: int) -> str:
        """The function of the last launch that the PE has taken."""
        for number in range(int(self.world.pes[index, st.Pe.COMMAND // 8]) - 1, -1, -1):
            command = self.commands[number]
            if isinstance(command, Launch) and self._concerned(number)[index]:
                return command.name
        return ""

    def _pending(self, index: int) -> Iterator[int]:
        for number in range(int(self.world.pes[index, st.Pe.COMMAND // 8]), self.released):
            is_stream = isinstance(self.commands[number], (StreamIn, StreamOut))
            if not is_stream and self._concerned(number)[index]:
                yield number

    def _queues(self, x: int, y: int, direction: str) -> dict[int, snap.Queue]:
        number = int(self.world.layout.program_of[y, x])
        table = st.Program.INPUT if direction == "in" else st.Program.OUTPUT
        base = int(self.world.pes[y * self.world.width + x, st.Pe.QUEUES // 8])
        record = self.world.program_records[number]
        queues = self.world.programs[number].program.queues
        return {
            q.id: _queue(base + int(record[table // 8 + q.id]), q.color, is_output=direction == "out")
            for q in queues
            if q.direction == direction
        }

    def _ports(self, x: int, y: int) -> Iterator[tuple[int, int, bool]]:
        """Address, color and whether it goes out, of each host port."""
        address = int(self.world.pes[y * self.world.width + x, st.Pe.PORTS // 8])
        if not address:
            return
        program, size = self._program(x, y), self.world.get(st.World.PORT_RECORD_BYTES)
        colors = [(c, False) for c in sorted(program.host_in)] + [(c, True) for c in sorted(program.host_out)]
        for k, (color, is_out) in enumerate(colors):
            yield address + k * size, color, is_out

    def _operation(self, x: int, y: int, number: int) -> snap.Operation:
        index = y * self.world.width + x
        slot = self.world.slots[number, index]
        left, activate, unblock = (
            int(slot[f // 8]) for f in (st.Slot.LEFT, st.Slot.ACTIVATE, st.Slot.UNBLOCK)
        )
        ends_on_control = bool(int(slot[st.Slot.FLAGS // 8]) & st.ENDS_BY_CONTROL)
        control = int(slot[st.Slot.ON_CONTROL // 8]) if ends_on_control else 0
        width = 2 if int(slot[st.Slot.FLAGS // 8]) & st.PACKED else 1
        return snap.Operation(
            number, DSD_OPS_BY_NUMBER[int(slot[st.Slot.OP // 8])].name, int(slot[st.Slot.LOC // 8]),
            None if left == st.ENDLESS else left, width if left == st.ENDLESS else min(width, left),
            tuple(self._operands(x, y, slot)),
            _ids(activate, control & 0xFFFFFFFF), _ids(unblock, control >> 32), ends_on_control,
        )  # fmt: skip

    def _operands(self, x: int, y: int, slot: Ints) -> Iterator[snap.Operand]:
        fifos = int(self.world.pes[y * self.world.width + x, st.Pe.FIFOS // 8])
        for number, queue, fifo in ((1, st.Slot.IN0, st.Slot.FIFO_IN0), (2, st.Slot.IN1, st.Slot.FIFO_IN1)):
            if int(slot[queue // 8]):
                place = st.Slot.WALKERS + 8 * WALKER_WORDS * number + PLACE
                yield snap.Operand("fabin", int(slot[place // 8]))
            if address := int(slot[fifo // 8]):
                yield snap.Operand("pop", (address - fifos) // st.FIFO_BYTES)
        if int(slot[st.Slot.OUT // 8]):
            yield snap.Operand("fabout", int(slot[st.Slot.OUT_ID // 8]) & st.OUT_ID_MASK)
        if address := int(slot[st.Slot.FIFO_OUT // 8]):
            yield snap.Operand("push", (address - fifos) // st.FIFO_BYTES)

    def _fifos(self, index: int) -> Iterator[snap.Fifo]:
        y, x = divmod(index, self.world.width)
        address = int(self.world.pes[index, st.Pe.FIFOS // 8])
        for number in range(len(self._program(x, y).fifos)):
            place = address + number * st.FIFO_BYTES
            yield snap.Fifo(_word(place + st.Fifo.COUNT), _word(place + st.Fifo.ELEMENTS))

    # --- routers ------------------------------------------------------------------------------

    def router(self, x: int, y: int) -> snap.RouterState:
        router = self.world.routers[y * self.world.width + x]
        channels, size = int(router[st.Router.CHANNELS // 8]), self.world.get(st.World.CHANNEL_BYTES)
        routes: dict[int, snap.Route] = {}
        queues: dict[tuple[int, int], snap.Queue] = {}
        for k, color in enumerate(sorted(_bits(int(router[st.Router.COLORS // 8])))):
            address = channels + k * size
            masks = _word(address + st.Channel.ROUTE)
            switch, torn = (
                self._switch(address),
                bool(_word(address + st.Channel.CONFIG) & st.CONFIG_TEARDOWN),
            )
            rejected, swap = (
                _word(switch + st.Switch.REJECTED),
                _word(switch + st.Switch.COUNTS) >> st.SWAP_SHIFT,
            )
            tx = masks >> 8 & ~st.FILTERED_BIT
            routes[color] = snap.Route(masks & 0xFF, tx, tuple(_positions(switch)), torn, rejected, swap)
            for port in range(snap.RAMP):
                place = address + st.CHANNEL_HEAD_BYTES + port * self.world.get(st.World.PORT_BYTES)
                queue = _queue(place, color)
                queues |= {(color, port): queue} if queue.count else {}
        return snap.RouterState(x, y, routes, queues)

    def _switch(self, channel: int) -> int:
        """The row of the table of switches that a channel has."""
        row = _word(channel + st.Channel.CONFIG) >> st.CONFIG_SHIFT
        return self.world.get(st.World.CONFIGS) + row * st.SWITCH_BYTES


def _positions(switch: int) -> Iterator[tuple[int, int]]:
    """Masks of the valid positions."""
    for position in range(st.POSITIONS):
        route = _word(switch + st.Switch.ROUTES + st.WORD * position)
        if route >= 0:
            yield route & 0xFF, route >> 8 & ~st.FILTERED_BIT


def _ids(*numbers: int) -> frozenset[int]:
    """Task ids of numbers that are 1 more, 0 for none."""
    return frozenset(number - 1 for number in numbers if number)
