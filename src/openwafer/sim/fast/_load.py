"""From an image to the arrays of the fast engine: by program and by color, never PE by PE."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from openwafer.codegen import CTX_WORDS, CompiledProgram, Ctx, bind_memory_op, code_of, compile_code
from openwafer.cost import timing_tables
from openwafer.image import Image
from openwafer.machine import Machine
from openwafer.sim._profile import check_profile_size, row_count
from openwafer.sim.fast import _state as st
from openwafer.sim.fast._arrivals import Arrivals
from openwafer.sim.fast._checked import IS_CHECKED, make_known
from openwafer.sim.fast._fifo import ACTIONS
from openwafer.sim.fast._routes import Routes, register_blocks
from openwafer.sim.fast._team import TEAM_BYTES
from openwafer.sim.fast.memory._entry import compiled_memory_op
from openwafer.tir import COUNTERS, Layout, Program
from openwafer.tir import lfsr as lfsr

Ints = NDArray[np.int64]
YIELD_LIMIT = 4096
DENSE_ABOVE_BYTES = 1 << 28
"""Memory of all PEs from which on each gets only what its data need, rather than all that a PE has."""
LINE_WORDS = 8
GAP_BYTES = 64
"""Between what belongs to two PEs, in a checked build."""
PART_ROWS = 8
"""The least rows of a part: fewer are not worth a thread."""
WIDE_ITEMS = 256
"""So many PEs or routers due in one cycle are worth several threads: an order takes as long as a dozen."""
OFFSETS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Where the neighbour at port W, E, N, S lies."""


def words(address: int | NDArray[Any]) -> int:
    """Address of an array."""
    if isinstance(address, int):
        return int(address)
    if IS_CHECKED:
        make_known(address)
    return int(address.ctypes.data)


def aligned_zeros(*shape: int) -> Ints:
    """Zeros that begin at a cache line; memory that is never touched is never taken."""
    line = np.zeros(int(np.prod(shape)) + LINE_WORDS, np.int64)
    skipped = -(words(line) // 8) % LINE_WORDS
    return line[skipped : skipped + int(np.prod(shape))].reshape(shape)


@dataclass(slots=True)
class Loaded:
    """One program with its machine code, and the bytes of memory that each of its PEs has."""

    program: Program
    compiled: CompiledProgram
    memory_bytes: int
    queue_bytes: int = 0


class LoadedWafer:
    """Owns all arrays. `parts` are the world records, `address` is that of the first, the leader's."""

    def __init__(self, image: Image, machine: Machine, threads: int = 1, *, profile: bool = False) -> None:
        self.machine, self.layout = machine, image.layout
        self.width, self.height = image.layout.width, image.layout.height
        self.pe_count = self.width * self.height
        self._keep: list[Any] = []
        self.programs = _load_programs(image.layout, machine, profile)
        count = max(min(threads, self.height // PART_ROWS), 1)
        self.parts = aligned_zeros(count, st.WORLD_BYTES // 8)
        self.address = words(self.parts)
        self.team = aligned_zeros(TEAM_BYTES // 8)
        self.pes = aligned_zeros(self.pe_count, st.PE_BYTES // 8)
        self.routers = aligned_zeros(self.pe_count, st.ROUTER_BYTES // 8)
        self.slots = aligned_zeros(st.SLOTS, self.pe_count, st.SLOT_BYTES // 8)
        self.program_records = np.zeros((len(self.programs), st.PROGRAM_BYTES // 8), np.int64)
        self.ctx = aligned_zeros(count, CTX_WORDS)
        self._fill_world()
        self._fill_parts()
        self._fill_programs()
        self._fill_pes()
        self._fill_channels()
        self._fill_ports()
        self.profile = self._make_profile() if profile else None

    def set(self, field: int, value: int) -> None:
        self.parts[:, field // 8] = value

    def get(self, field: int) -> int:
        return int(self.parts[0, field // 8])

    def total(self, field: int) -> int:
        """The sum over the parts."""
        return int(self.parts[:, field // 8].sum())

    def keep(self, array: NDArray[Any]) -> int:
        """Address of an array that must live as long as the world."""
        self._keep.append(array)
        return words(array)

    def queue_state(self, index: int, place: int) -> int:
        """The state word of a PE's queue at a place in its queue block."""
        address = int(self.pes[index, st.Pe.QUEUES // 8]) + place
        return ctypes.c_int64.from_address(address).value

    # --- profile -----------------------------------------------------------

    def _make_profile(self) -> NDArray[np.int64]:
        """Counters `[PE, row, counter]`, the head first. Diagnostics: profile-too-large."""
        rows = 1 + max((row_count(loaded.program) for loaded in self.programs), default=0)
        check_profile_size(self.pe_count * rows * COUNTERS * st.WORD)
        counters = aligned_zeros(self.pe_count, rows, COUNTERS)
        self.set(st.World.PROFILE, words(counters))
        self.set(st.World.PROFILE_STRIDE, rows * COUNTERS * st.WORD)
        for record, loaded in zip(self.program_records, self.programs, strict=True):
            first = 1 + len(loaded.program.locations)
            pairs = [(entry, first + function) for function, entry in loaded.compiled.entries.items()]
            record[st.Program.TASK_ROWS // 8] = self.keep(np.array(pairs or [(-1, 0)], np.int64))
            record[st.Program.TASK_COUNT // 8] = len(pairs)
            record[st.Program.COPY_ROW // 8] = first + len(loaded.program.functions)
        return counters

    # --- machine -----------------------------------------------------------

    def _fill_world(self) -> None:
        machine, fabric = self.machine, self.machine.fabric
        port_bytes = -(-(st.Queue.ENTRIES + st.ENTRY_BYTES * fabric.router_queue_depth) // 64) * 64
        facts = {
            st.World.PES: words(self.pes),
            st.World.ROUTERS: words(self.routers), st.World.SLOTS: words(self.slots),
            st.World.SLOT_STRIDE: self.pe_count * st.SLOT_BYTES,
            st.World.PROGRAMS: words(self.program_records),
            st.World.WIDTH: self.width, st.World.COLORS: fabric.colors,
            st.World.HOP: fabric.hop_cycles,
            st.World.RAMP_UP: fabric.ramp_up_cycles, st.World.RAMP_DOWN: fabric.ramp_down_cycles,
            st.World.FABRIC_SETUP: machine.dsd.fabric_setup_cycles,
            st.World.COMPLETION: machine.dsd.completion_cycles,
            st.World.DISPATCH: machine.task.dispatch_cycles,
            st.World.COPY_RATE: machine.host.copy_words_per_cycle,
            st.World.MICROTHREADS: machine.dsd.microthreads, st.World.PORT_BYTES: port_bytes,
            st.World.CHANNEL_BYTES: st.CHANNEL_HEAD_BYTES + 4 * port_bytes, st.World.PE_COUNT: self.pe_count,
        }  # fmt: skip
        for field, value in facts.items():
            self.set(field, value)
        self.set(st.World.REGISTERS, self.keep(register_blocks(fabric)))
        teardown = machine.task.teardown_id
        self.set(st.World.TEARDOWN_TASK, 0 if teardown is None else teardown + 1)
        timing = timing_tables(machine)
        self.ctx[:, Ctx.YIELD_LIMIT] = YIELD_LIMIT
        self.ctx[:, Ctx.TIMING_OPS] = self.keep(np.ascontiguousarray(timing.ops))
        self.ctx[:, Ctx.TIMING_FACTS] = self.keep(np.ascontiguousarray(timing.facts))

    def _fill_parts(self) -> None:
        """Bands of rows, the first ones of equal height."""
        count = len(self.parts)
        items = -(-self.height // count) * self.width
        self.part_addresses = words(self.parts) + np.arange(count) * st.WORLD_BYTES
        self.set(st.World.PARTS, words(self.part_addresses))
        self.set(st.World.PART_COUNT, count)
        self.set(st.World.PART_ITEMS, items)
        self.set(st.World.TEAM, words(self.team))
        self.set(st.World.WIDE, WIDE_ITEMS)
        for k, record in enumerate(self.parts):
            first, behind = k * items, min((k + 1) * items, self.pe_count)
            fields = {
                st.World.FIRST: first, st.World.INNER_FIRST: first + (self.width if k > 0 else 0),
                st.World.BEHIND: behind, st.World.INNER_BEHIND: behind - (self.width if k < count - 1 else 0),
                st.World.CTX: words(self.ctx[k]), st.World.PE_RING: self._ring(self.pes, st.Pe.WHEEL, items),
                st.World.ROUTER_RING: self._ring(self.routers, st.Router.WHEEL, items),
            }  # fmt: skip
            for field, value in fields.items():
                record[field // 8] = value

    def _ring(self, records: Ints, wheel: int, items: int) -> int:
        """The schedule of a part with so many items."""
        ring = aligned_zeros(-(-st.RING_BYTES // 64) * 8)
        capacity = 2 * items + 64
        fields = {
            st.Ring.COUNTS: self.keep(aligned_zeros(st.WHEEL_CYCLES)),
            st.Ring.LISTS: self.keep(np.zeros((st.WHEEL_CYCLES, items), np.int32)),
            st.Ring.ITEMS: items, st.Ring.RECORDS: words(records), st.Ring.RECORD_BYTES: records.shape[1] * 8,
            st.Ring.WHEEL: wheel,
            st.Ring.HEAP: self.keep(np.zeros((capacity, 2), np.int64)), st.Ring.HEAP_CAPACITY: capacity,
        }  # fmt: skip
        for field, value in fields.items():
            ring[field // 8] = value
        return self.keep(ring)

    # --- programs ----------------------------------------------------------

    def _fill_programs(self) -> None:
        for number, loaded in enumerate(self.programs):
            self._fill_program(self.program_records[number], number, loaded)

    def _fill_program(self, record: Ints, number: int, loaded: Loaded) -> None:
        program, compiled = loaded.program, loaded.compiled

        def put(field: int, value: int, index: int = 0) -> None:
            record[field // 8 + index] = value

        for field in (st.Program.TASK_QUEUE, st.Program.INPUT, st.Program.OUTPUT):
            record[
                field // 8 : field // 8 + (st.TASK_IDS if field == st.Program.TASK_QUEUE else st.QUEUE_IDS)
            ] = -1
        put(st.Program.NUMBER, number * st.WORD)
        put(st.Program.MEMORY_BYTES, loaded.memory_bytes)
        put(st.Program.FIFO_COUNT, len(program.fifos))
        put(st.Program.DSRS, compiled.dsr_offsets[0] if compiled.dsr_offsets else 0)
        place = 0
        for queue in program.queues:
            table = st.Program.INPUT if queue.direction == "in" else st.Program.OUTPUT
            if record[table // 8 + queue.id] < 0:
                put(table, place, queue.id)
                place += st.Queue.ENTRIES + st.ENTRY_BYTES * self.depth(queue.direction, queue.id)
            if queue.direction == "out":
                others = [q.color for q in program.queues if q.direction == "out" and q.id == queue.id]
                put(st.Program.OUTPUT_COLOR, others[0] if len(others) == 1 else -1, queue.id)
                record[st.Program.OUTPUTS_OF // 8 + queue.color] |= 1 << queue.id
        loaded.queue_bytes = place
        put(st.Program.PORT_COUNT, len(program.host_in) + len(program.host_out))
        put(st.Program.HOST_OUT, _mask(program.host_out))
        put(st.Program.HIGH, _mask(program.high))
        put(st.Program.MAIN_CLASS, program.main_priority)
        self._fill_tasks(record, program, compiled)

    def _fill_tasks(self, record: Ints, program: Program, compiled: CompiledProgram) -> None:
        bound = [queue for queue in program.queues if queue.direction == "in"]
        for id in {q.color if program.arch == "wse2" else q.id for q in bound}:
            record[st.Program.PLACES // 8] |= 1 << id
            place = record[st.Program.INPUT // 8 + self.data_queue(program, id)]
            record[st.Program.TASK_QUEUE // 8 + id] = place
        for task in program.tasks:
            entry = compiled.entries[task.function]
            if task.kind == "control":
                record[st.Program.CONTROL_ENTRY // 8 + task.id] = entry
            else:
                record[(st.Program.LOCAL if task.kind == "local" else st.Program.DATA) // 8] |= 1 << task.id
                record[st.Program.ENTRY // 8 + task.id] = entry

    def depth(self, direction: str, id: int) -> int:
        queues = self.machine.queues
        return (queues.input_depth if direction == "in" else queues.output_depth)[id]

    @staticmethod
    def data_queue(program: Program, id: int) -> int:
        """The input queue of a data task, whose id is a color on wse2 and the queue on wse3; -1: none is
        bound."""
        colors = {q.id: q.color for q in program.queues if q.direction == "in"}
        if program.arch != "wse2":
            return id if id in colors else -1
        return min((queue for queue, color in colors.items() if color == id), default=-1)

    # --- PEs ---------------------------------------------------------------

    def _column(self, rows: Ints, field: int, values: Any) -> None:
        self.pes[rows, field // 8] = values

    def _fill_pes(self) -> None:
        flat = self.layout.program_of.reshape(-1)
        cells = np.ascontiguousarray(self.layout.cells, dtype=np.uint32)
        cell_bytes = cells.shape[2] * 4
        cells_at = self.keep(cells)
        for number, loaded in enumerate(self.programs):
            rows = np.flatnonzero(flat == number)
            if len(rows):
                self._fill_pes_of(rows, number, loaded)
                self._column(rows, st.Pe.PARAMS, cells_at + rows * cell_bytes)

    def _fill_pes_of(self, rows: Ints, number: int, loaded: Loaded) -> None:
        program, compiled, count = loaded.program, loaded.compiled, len(rows)
        order = np.arange(count, dtype=np.int64)
        memory, memory_block = self._blocks(count, loaded.memory_bytes)
        for symbol in program.symbols:
            if symbol.init.strip(b"\0"):
                memory[:, symbol.address : symbol.address + len(symbol.init)] = np.frombuffer(
                    symbol.init, np.uint8
                )
        frame_bytes = -(-compiled.frame_bytes // 16) * 16
        queues, queue_block = self._blocks(count, loaded.queue_bytes)
        blocks = {
            st.Pe.MEMORY: memory_block,
            st.Pe.FRAME: self._blocks(count, frame_bytes)[1],
            st.Pe.QUEUES: queue_block,
        }
        for field, (address, stride) in blocks.items():
            self._column(rows, field, address + order * stride)
        self._fill_queues(queues.view(np.int64), number, loaded)
        if program.fifos:
            fifos = np.tile(_fifo_records(program), (count, 1))
            self._column(rows, st.Pe.FIFOS, self.keep(fifos) + order * len(program.fifos) * st.FIFO_BYTES)
        init = 0 if program.init is None else compiled.entries[program.init]
        values = {
            st.Pe.SEEN: -1, st.Pe.ACTIVE: _mask(program.activated), st.Pe.BLOCKED: _mask(program.blocked),
            st.Pe.PICKED: st.TASK_IDS - 1, st.Pe.ENTRY: init, st.Pe.TAKEN: -1, st.Pe.LFSR: lfsr.INITIAL_STATE,
            st.Pe.PROGRAM: words(self.program_records[number]),
            st.Pe.NEXT: st.NEVER, st.Pe.X: rows % self.width,
            st.Pe.Y: rows // self.width, st.Pe.INDEX: rows,
        }  # fmt: skip
        for field, value in values.items():
            self._column(rows, field, value)
        self.routers[rows, st.Router.PE // 8] = words(self.pes) + rows * st.PE_BYTES

    def _blocks(self, count: int, size: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """`size` bytes for each of `count` PEs, and their address and stride; a checked build sets them
        apart."""
        block = np.zeros((count, size + (GAP_BYTES if IS_CHECKED else 0)), np.uint8)
        self._keep.append(block)
        if IS_CHECKED:
            for row in block:
                make_known(row[:size])
        return block, (int(block.ctypes.data), block.shape[1])

    def _fill_queues(self, block: Ints, number: int, loaded: Loaded) -> None:
        record = self.program_records[number]
        for queue in loaded.program.queues:
            table = st.Program.INPUT if queue.direction == "in" else st.Program.OUTPUT
            place = int(record[table // 8 + queue.id]) // 8
            block[:, place] = self.depth(queue.direction, queue.id) << 32
            block[:, place + 1] = -1

    # --- host --------------------------------------------------------------

    def _fill_ports(self) -> None:
        """Host ports, for PEs whose programs have any."""
        depth = self.machine.fabric.router_queue_depth
        line = -(-(st.Port.QUEUE + st.Queue.ENTRIES + st.ENTRY_BYTES * depth) // st.LINE) * st.LINE
        self.set(st.World.PORT_RECORD_BYTES, line)
        self.set(st.World.HOST_RATE, self.machine.host.stream_words_per_cycle)
        self.set(st.World.STREAM_START, self.machine.host.stream_start_cycles)
        flat = self.layout.program_of.reshape(-1)
        for number, loaded in enumerate(self.programs):
            program = loaded.program
            colors = [(c, False) for c in sorted(program.host_in)] + [
                (c, True) for c in sorted(program.host_out)
            ]
            rows = np.flatnonzero(flat == number)
            if not colors or not len(rows):
                continue
            ports = aligned_zeros(len(rows), len(colors), line // 8)
            self._keep.append(ports)
            for k, (color, is_out) in enumerate(colors):
                ports[:, k, st.Port.IS_OUT // 8] = is_out
                ports[:, k, st.Port.COLOR // 8] = color
                ports[:, k, st.Port.TARGET // 8] = self._port_target(number, rows, color, is_out)
                ports[:, k, st.Port.QUEUE // 8] = depth << 32
                ports[:, k, (st.Port.QUEUE + st.Queue.POPPED) // 8] = -1
            self._column(rows, st.Pe.PORTS, words(ports) + np.arange(len(rows)) * len(colors) * line)

    def _port_target(self, number: int, rows: Ints, color: int, is_out: bool) -> int | Ints:
        """Port.TARGET of the ports of one color, on the PEs of one program."""
        if is_out:
            return int(self.program_records[number, st.Program.OUTPUTS_OF // 8 + color])
        bound = {q.id: q.color for q in self.programs[number].program.queues if q.direction == "in"}
        ids = [id for id, its_color in bound.items() if its_color == color]
        if not ids:
            return 0
        return (
            self.pes[rows, st.Pe.QUEUES // 8] + self.program_records[number, st.Program.INPUT // 8 + min(ids)]
        )

    # --- fabric ------------------------------------------------------------

    def _fill_channels(self) -> None:
        routes = Routes(self.layout, [loaded.program for loaded in self.programs])
        self.set(st.World.CONFIGS, self.keep(routes.switches))
        flat, has = routes.row_of, routes.has
        colors = flat.shape[1]
        count = has.sum(axis=1)
        first = np.cumsum(count) - count
        channel_bytes, port_bytes = self.get(st.World.CHANNEL_BYTES), self.get(st.World.PORT_BYTES)
        self.channels = aligned_zeros(int(count.sum()), channel_bytes // 8)
        base = words(self.channels)
        with_any = np.flatnonzero(count)
        self.routers[with_any, st.Router.CHANNELS // 8] = base + first[with_any] * channel_bytes
        bits = np.left_shift(1, np.arange(colors, dtype=np.int64))
        self.routers[with_any, st.Router.COLORS // 8] = (has[with_any] * bits).sum(axis=1)
        depth = self.machine.fabric.router_queue_depth << 32
        for port in range(4):
            place = (st.CHANNEL_HEAD_BYTES + port * port_bytes) // 8
            self.channels[:, place] = depth
            self.channels[:, place + 1] = -1
        channel_of = np.where(has, first[:, None] + np.cumsum(has, axis=1) - has, -1)
        arrivals = Arrivals(channel_of, routes.swaps())
        for color in range(colors):
            rows = np.flatnonzero(has[:, color])
            if len(rows):
                head = self.channels[:, : st.CHANNEL_HEAD_BYTES // 8]
                channels, row = channel_of[rows, color], flat[rows, color]
                head[channels, st.Channel.ROUTE // 8] = routes.live[row]
                head[channels, st.Channel.CONFIG // 8] = routes.config[row]
                self._fill_color(color, rows, channels, arrivals)

    def _fill_color(self, color: int, rows: Ints, channels: Ints, arrivals: Arrivals) -> None:
        head = self.channels[:, : st.CHANNEL_HEAD_BYTES // 8]
        grid = np.full((self.height + 2, self.width + 2), -1, np.int64)
        base = words(self.channels)
        channel_bytes, port_bytes = self.get(st.World.CHANNEL_BYTES), self.get(st.World.PORT_BYTES)
        y, x = np.divmod(rows, self.width)
        for port, (dx, dy) in enumerate(OFFSETS):
            if port % 2 == 0:
                grid[1:-1, 1:-1] = arrivals.codes(color, port).reshape(self.height, self.width)
            code = grid[y + 1 + dy, x + 1 + dx]
            place = base + (code >> 1) * channel_bytes + st.CHANNEL_HEAD_BYTES + (port ^ 1) * port_bytes
            head[channels, st.Channel.NEXT // 8 + port] = np.where(code >= 0, place | code & st.SWAPPED, 0)
        self._fill_inputs(color, rows, channels)

    def _fill_inputs(self, color: int, rows: Ints, channels: Ints) -> None:
        """The input queue of each PE that receives a color: of those bound to it, the lowest id."""
        program_of = self.layout.program_of.reshape(-1)[rows]
        for number, loaded in enumerate(self.programs):
            bound = {q.id: q.color for q in loaded.program.queues if q.direction == "in"}
            ids = [id for id, its_color in bound.items() if its_color == color]
            mine = program_of == number
            if ids and mine.any():
                place = int(self.program_records[number, st.Program.INPUT // 8 + min(ids)])
                queues = self.pes[rows[mine], st.Pe.QUEUES // 8]
                self.channels[channels[mine], st.Channel.INPUT // 8] = queues + place


def _fifo_records(program: Program) -> Ints:
    """The FIFOs of one PE at the start."""
    records = np.zeros((len(program.fifos), st.FIFO_BYTES // 8), np.int64)
    for record, fifo in zip(records, program.fifos, strict=True):
        tasks = [0 if id is None else id + 1 for id in (fifo.activate_push, fifo.activate_pop)]
        fields = {
            st.Fifo.ELEMENTS: fifo.elements, st.Fifo.ELEMENT_BYTES: fifo.element_bytes,
            st.Fifo.PLACE: program.symbols[fifo.symbol].address,
            st.Fifo.PUSH: tasks[0], st.Fifo.POP: tasks[1],
            st.Fifo.EMPTY: ACTIONS[fifo.empty], st.Fifo.FULL: ACTIONS[fifo.full],
        }  # fmt: skip
        for field, value in fields.items():
            record[field // 8] = value
    return records


def _mask(ids: tuple[int, ...]) -> int:
    return sum(1 << id for id in set(ids))


def _load_programs(layout: Layout, machine: Machine, profile: bool) -> list[Loaded]:
    """Programs that differ only in what machine code does not depend on share it."""
    bind_memory_op(compiled_memory_op().address)
    counts = np.bincount(layout.program_of.reshape(-1) + 1, minlength=len(layout.programs) + 1)[1:]
    whole = machine.memory.bytes_per_pe
    is_dense = int(counts.sum()) * whole > DENSE_ABOVE_BYTES
    loaded: list[Loaded] = []
    made: dict[bytes, CompiledProgram] = {}
    for program in layout.programs:
        code = code_of(program)
        key = msgspec.msgpack.encode(code)
        if key not in made:
            made[key] = compile_code(code, machine, profile=profile)
        end = max((s.address + s.size for s in program.symbols), default=0)
        loaded.append(Loaded(program, made[key], -(-end // 16) * 16 if is_dense else whole))
    return loaded
