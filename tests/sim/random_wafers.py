"""Seeded random wafers that draw every feature there is, and a host's script for each.

A wafer has what `random_tiles` puts on a PE, and streams between PEs and to the host, switches, filters,
control wavelets, color swaps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from engine_cases import Case, machine_of
from random_programs import Flow, random_flow
from random_tiles import BOOL_SLOT, PRIORITIES, Statements, Tile

from openwafer import tir
from openwafer.image import Image
from openwafer.sim import _control as control
from openwafer.sim._engine import Command, CopyIn, CopyOut, Engine, Launch, StreamIn, StreamOut
from openwafer.tir import DSD_OPS, ELEMENT_BYTES, SWAP_X, ColorConfig, DsdFlag, DsdKind, Filter, FilterKind
from tir_kit import RAMP, E, W, binary, const, dsd_op, image, local, mem1d, record, u16

ENDLESS = 0x7FFF
HOST_IN, HOST_OUT = 21, 22
CONTROL_TASKS = (40, 41)
MOST_CYCLES = 60_000
Place = tuple[int, int]
SIZES = ((1, 1), (2, 1), (2, 1), (1, 2), (3, 1), (1, 3), (2, 2), (3, 2))
SENDERS = {
    type: [n for n, row in DSD_OPS.items() if row.dest == type] for type in ("u16", "u32", "f16", "f32")
}
TAKERS = {
    type: [
        n
        for n, row in DSD_OPS.items()
        if row.src0 == type and row.dest in ("u16", "i16", "u32", "f16", "f32")
    ]
    for type in SENDERS
}
"""By the type of what a stream carries: operations whose destination it can be, and whose first source."""


class Stream(Flow):
    """A flow of `length` wavelets that carry elements of a type, two each if packed."""

    type: str = "u32"
    is_packed: bool = False

    @property
    def elements(self) -> int:
        return 2 * self.length if self.is_packed else self.length


class Wafer:
    def __init__(self, rng: random.Random) -> None:
        self.rng, self.arch = rng, rng.choice(("wse2", "wse3"))
        self.width, self.height = rng.choice(SIZES)
        places = [(x, y) for y in range(self.height) for x in range(self.width)]
        self.arguments = rng.choice([0, 0, 1, 3])
        self.tiles = {place: Tile(rng, self.arch, f"pe{place}", self.arguments) for place in places}
        self.routes: dict[Place, dict[int, tuple[int, int] | ColorConfig]] = {place: {} for place in places}
        self.streams: list[Stream] = []
        self.relays = iter(range(10, 20))
        self.host_out: dict[Place, int] = {}
        self.host_in: dict[Place, int] = {}

    def image(self) -> Image:
        for color in range(self.rng.randrange(7)):
            self.add(color)
        if self.rng.random() < 0.4:
            self.host()
        if self.arch == "wse2" and self.rng.random() < 0.3:
            self.swap()
        for place, of_color in self.routes.items():
            self.tiles[place].colors = list(of_color)
        if self.rng.random() < 0.03:
            self.forget_a_route()
        programs = {place: self.program(tile) for place, tile in self.tiles.items()}
        rows = [[programs[x, y] for x in range(self.width)] for y in range(self.height)]
        cells = {place: [self.rng.randrange(1 << 32), self.rng.randrange(1 << 16)] for place in programs}
        return image(rows, self.routes, cells=cells)

    def program(self, tile: Tile) -> tir.Program | None:
        """The tile's program; some PEs at which no stream begins or ends have none."""
        is_idle = not tile.groups and not tile.kit.queues
        return None if is_idle and self.rng.random() < 0.3 and len(self.tiles) > 1 else tile.finish()

    def forget_a_route(self) -> None:
        place = self.rng.choice(list(self.routes))
        if self.routes[place]:
            del self.routes[place][self.rng.choice(list(self.routes[place]))]

    # --- streams ----------------------------------------------------------------------------

    def add(self, color: int) -> None:
        """A stream on a color, from its sender to its takers."""
        rng = self.rng
        drawn = random_flow(color, self.width, self.height, rng)
        stream = Stream(color, drawn.path, drawn.takers, drawn.length, drawn.routes)
        stream.type = rng.choice(["u16", "u16", "u32", "u32", "f16", "f32"])
        stream.is_packed = ELEMENT_BYTES[stream.type] == 2 and rng.random() < 0.3
        self.open(stream)

    def open(self, stream: Stream) -> None:
        self.streams.append(stream)
        for place, route in stream.routes.items():
            self.routes[place][stream.color] = self.config(stream, place, route)
        self.send(stream)
        for place in stream.takers:
            self.take(place, stream)

    def config(self, stream: Stream, place: Place, route: tuple[int, int]) -> tuple[int, int] | ColorConfig:
        """The route, sometimes with switch positions, a filter, teardown."""
        rng, (rx, tx) = self.rng, route
        if rng.random() < 0.75:
            return route
        others = [(rx, tx), (rx, tx & RAMP or tx), (tir.INHERITED, tx), (rx, tir.INHERITED), None, None]
        positions = (route, *(rng.choice(others) for _ in range(3)))
        current = rng.choice([i for i in range(4) if positions[i]]) if rng.random() < 0.3 else 0
        filters = self.filter() if tx & RAMP and rng.random() < 0.5 else None
        return ColorConfig(
            stream.color,
            positions,
            current,
            rng.random() < 0.5,
            rng.randrange(4),
            rng.random() < 0.05,
            filters,
        )

    def filter(self) -> Filter:
        rng = self.rng
        kind = rng.choice([FilterKind.COUNTER, FilterKind.SPARSE_COUNTER, FilterKind.RANGE])
        limits = [rng.randint(0, 5), rng.choice([None, 3]) if kind == FilterKind.SPARSE_COUNTER else None]
        flags = [rng.random() < chance for chance in (0.8, 0.5, 0.1)]
        return Filter(kind, flags[0], flags[1], flags[2], rng.randint(0, 3), *limits, rng.randint(0, 9))

    def fabric(
        self, kind: DsdKind, queue: int, stream: Stream, flags: int = 0, n: int | None = None
    ) -> tir.DsdMake:
        flags |= self.rng.choice(PRIORITIES)
        flags |= self.rng.choice([int(DsdFlag.SIMD_32), int(DsdFlag.SIMD_64)]) if stream.is_packed else 0
        extent = stream.elements if n is None else n
        return record(kind, base=queue, extent0=extent, color=stream.color, flags=flags)

    def send(self, stream: Stream) -> None:
        """One operation, or words one by one with control wavelets between them."""
        rng, tile = self.rng, self.tiles[stream.path[0]]
        queue = tile.queue("out", stream.color)
        if queue is None:
            return
        if stream.type == "u32" and rng.random() < 0.3:
            tile.groups.append(self.words(tile, stream, queue))
            return
        op = rng.choice(SENDERS[stream.type])
        row, index = DSD_OPS[op], None
        flags = rng.choice([0, 0, int(DsdFlag.WAVELET_INDEX)]) if ELEMENT_BYTES[stream.type] == 2 else 0
        if flags:
            index = rng.randrange(1 << 16)
        out = self.fabric(DsdKind.FABOUT, queue, stream, flags)
        types = [row.src0, row.src][: row.sources]
        sources: list[Any] = [tile.memory(type, stream.elements) for type in types]
        if rng.random() < 0.2:
            sources[-1] = tir.Scalar(tile.scalar(types[-1]))
        scalar = tile.scalar("i16" if op.startswith("fscale") else row.src) if row.scalar else None
        tile.groups.append(self.issue(tile, op, out, sources, scalar=scalar, index=index))

    def words(self, tile: Tile, stream: Stream, queue: int) -> Statements:
        """Wavelets sent one by one; some are control wavelets, in place of data or besides."""
        rng, sent = self.rng, list[tir.Stmt]()
        for i in range(min(stream.length, 12)):
            is_control = rng.random() < 0.3
            flags = int(DsdFlag.CONTROL) if is_control else 0
            word = self.control_word() if is_control else rng.randrange(20) << 16 | i
            out = self.fabric(DsdKind.FABOUT, queue, stream, flags, 1)
            sent.append(dsd_op("mov32", out, tir.Scalar(const("u32", word))))
        return sent

    def control_word(self) -> int:
        rng = self.rng
        orders = [control.NOP, control.NOP, control.ADVANCE, control.ADVANCE, control.RESET, control.TEARDOWN]
        commands = [(rng.choice(orders), rng.random() < 0.2) for _ in range(rng.randint(0, 4))]
        return control.encode(commands, rng.choice([*CONTROL_TASKS, control.NO_TASK]), rng.randrange(999))

    def issue(
        self, tile: Tile, op: str, dest: Any, sources: Sequence[Any], *, can_wait: bool = True, **more: Any
    ) -> Statements:
        """The operation, with each operand as it is or from a DSR, whose record may say what follows."""
        rng, before = self.rng, list[tir.Stmt]()
        operands = [dest, *sources]
        for k, operand in enumerate(operands):
            if isinstance(operand, tir.DsdMake) and rng.random() < 0.3:
                register = tile.kit.dsr(f"x:{len(tile.kit.dsrs)}")
                before.append(tir.LoadDsr(register.index, self.in_register(tile, operand), 0))
                operands[k] = register
        options = tile.task_options(0.7 if can_wait else 1.0)
        if "is_async" not in options and not can_wait:
            options["is_async"] = True
        return [*before, dsd_op(op, *operands, **options, **more)]

    def in_register(self, tile: Tile, operand: tir.DsdMake) -> tir.DsdMake:
        words, rng = list(operand.words), self.rng
        flags = words[tir.DsdWord.FLAGS]
        assert isinstance(flags, tir.Const)
        extra = rng.choice([0, int(DsdFlag.SAVE_ADDRESS), int(DsdFlag.ASYNC)])
        words[tir.DsdWord.FLAGS] = u16(int(flags.value) | extra)
        if rng.random() < 0.3 and (id := tile.task_id()) is not None:
            words[tir.DsdWord.ACTIONS] = u16(id + 1)
        return tir.DsdMake(tuple(words))

    def swap(self) -> None:
        """A pair of colors along a row: some routers take what comes on one as the other."""
        rng, y = self.rng, self.rng.randrange(self.height)
        red, blue = 8, 9
        if any(blue in self.routes[x, y] for x in range(self.width)):
            return
        arriving, length = red, rng.choice([1, 5, 20])
        for x in range(self.width):
            here = SWAP_X if x and rng.random() < 0.6 else 0
            arriving ^= 1 if here else 0
            rx, tx = (W if x else RAMP), (E if x + 1 < self.width else 0) | (RAMP if x else 0)
            for color in (red, blue):
                self.routes[x, y][color] = ColorConfig(color, ((rx, tx),), swap=here)
            stream = Stream(arriving, [(x, y)], [(x, y)], length)
            if x:
                self.take((x, y), stream)
            else:
                self.send_both(stream)

    def send_both(self, stream: Stream) -> None:
        """Wavelets of two colors from one output queue."""
        tile, rng = self.tiles[stream.path[0]], self.rng
        queue = tile.queue("out", stream.color)
        if queue is None:
            return
        tile.kit.queue("out", queue, stream.color ^ 1)
        other = Stream(stream.color ^ 1, stream.path, stream.takers, rng.randrange(1, 9))
        for part in (stream, other):
            out = self.fabric(DsdKind.FABOUT, queue, part)
            tile.groups.append(self.issue(tile, "mov32", out, [tile.memory("u32", part.length)]))

    # --- takers -----------------------------------------------------------------------------

    def take(self, place: Place, stream: Stream) -> None:
        tile, rng = self.tiles[place], self.rng
        queue = tile.queue("in", stream.color)
        if queue is None:
            return
        id = stream.color if self.arch == "wse2" else queue
        self.control_tasks(tile)
        if stream.type == "u32" and rng.random() < 0.25 and self.data_task(tile, id):
            return
        ways: list[Callable[[Place, Stream, int], Statements]] = [
            self.to_memory, self.to_memory, self.to_pointer, self.to_fifo, self.to_color, self.endless,
            self.until,
        ]  # fmt: skip
        tile.groups.append(rng.choice(ways)(place, stream, queue))

    def to_memory(self, place: Place, stream: Stream, queue: int) -> Statements:
        """Through any operation whose first source has the stream's type."""
        tile, rng = self.tiles[place], self.rng
        op = rng.choice(TAKERS[stream.type])
        row = DSD_OPS[op]
        sources: list[Any] = [self.fabric(DsdKind.FABIN, queue, stream)]
        if row.sources == 2:
            second = tile.memory(row.src, stream.elements)
            sources.append(tir.Scalar(tile.scalar(row.src)) if rng.random() < 0.2 else second)
        scalar = tile.scalar("i16" if op.startswith("fscale") else row.src) if row.scalar else None
        return self.issue(tile, op, tile.memory(row.dest, stream.elements), sources, scalar=scalar)

    def to_pointer(self, place: Place, stream: Stream, queue: int) -> Statements:
        """A sum in one place of memory, or the last element there."""
        tile, incoming = self.tiles[place], self.fabric(DsdKind.FABIN, queue, stream)
        add = {"u16": "add16", "f16": "faddh", "f32": "fadds"}.get(stream.type)
        target = tir.Pointer(tile.regions[stream.type])
        if add is None or self.rng.random() < 0.3:
            return self.issue(tile, move(stream.type), target, [incoming])
        start = tir.Scalar(tile.scalar(stream.type))
        return self.issue(tile, add, target, self.rng.choice([[start, incoming], [incoming, start]]))

    def to_fifo(self, place: Place, stream: Stream, queue: int) -> Statements:
        """Into a FIFO, from which another operation takes them."""
        tile, rng, n = self.tiles[place], self.rng, stream.elements
        fifo, number = tile.fifo(ELEMENT_BYTES[stream.type])
        op, dest = move(stream.type), tile.memory(stream.type, n)
        into = self.issue(
            tile, op, fifo, [self.fabric(DsdKind.FABIN, queue, stream)], can_wait=rng.random() < 0.1
        )
        out = dsd_op(op, dest, fifo, result=BOOL_SLOT, **tile.task_options(0.7))
        return [tile.length(number, n, write=True), *into, tile.length(number, n, write=False), out]

    def to_color(self, place: Place, stream: Stream, queue: int) -> Statements:
        """On to the neighbour in the east by another color."""
        tile, color = self.tiles[place], next(self.relays, None)
        out = None if color is None or place[0] + 1 >= self.width else tile.queue("out", color)
        if color is None or out is None:
            return self.to_memory(place, stream, queue)
        east = (place[0] + 1, place[1])
        onward = Stream(color, [place], [east], stream.length, {place: (RAMP, E), east: (W, RAMP)})
        onward.type, onward.is_packed = stream.type, stream.is_packed
        for at, route in onward.routes.items():
            self.routes[at][color] = self.config(onward, at, route)
        self.take(east, onward)
        outgoing = self.fabric(DsdKind.FABOUT, out, onward)
        return self.issue(tile, move(stream.type), outgoing, [self.fabric(DsdKind.FABIN, queue, stream)])

    def endless(self, place: Place, stream: Stream, queue: int) -> Statements:
        """A microthread that takes whatever comes."""
        tile = self.tiles[place]
        incoming = self.fabric(DsdKind.FABIN, queue, stream, n=ENDLESS)
        dest = mem1d(tile.regions[stream.type], 1, 0)
        return self.issue(tile, move(stream.type), dest, [incoming], can_wait=False)

    def until(self, place: Place, stream: Stream, queue: int) -> Statements:
        """A microthread that a control wavelet ends."""
        tile, rng = self.tiles[place], self.rng
        ids = [tile.task_id() if rng.random() < 0.5 else None, rng.choice(tile.bound) if tile.bound else None]
        incoming = self.fabric(DsdKind.FABIN, queue, stream)
        dest = tile.memory(stream.type, stream.elements)
        action = tir.ControlAction(*(None if id is None else u16(id) for id in ids))
        return self.issue(tile, move(stream.type), dest, [incoming], can_wait=False, on_control=action)

    def data_task(self, tile: Tile, id: int) -> bool:
        """A task for each wavelet, which is split over its parameters; False where the id is taken."""
        if any(task.id == id for task in tile.kit.tasks):
            return False
        types = self.rng.choice([["u32"], ["u16", "u16"], ["u16", "i16"]])
        total = tir.Addr(tile.data.symbol, 4 * (id % 32))
        first = tir.Cast("u32", local(types[0], 0))
        body = [
            tir.Store(total, binary("add", tir.Load("u32", total), first)),
            *tile.stamp(),
            *self.pause(tile),
        ]
        tile.kit.task(id, body, types, kind="data", params=len(types))
        return True

    def pause(self, tile: Tile) -> Statements:
        return tile.pause() if self.rng.random() < 0.5 else []

    def control_tasks(self, tile: Tile) -> None:
        """Tasks for control wavelets, and for colors that are torn down; once a PE, most times."""
        if any(task.kind == "control" for task in tile.kit.tasks) or self.rng.random() < 0.1:
            return
        for id in CONTROL_TASKS:
            add = tir.Store(tile.data, binary("add", tir.Load("u16", tile.data), local("u16", 0)))
            tile.kit.task(id, [add, *tile.stamp()], ["u16"], kind="control", params=1)
        machine = machine_of(self.arch)
        teardown, fabric = machine.task.teardown_id, machine.fabric
        if teardown is not None and self.rng.random() < 0.5:
            pending = tir.ReadConfig(0, u16(fabric.teardown_pending_address or 0), 0)
            tile.kit.task(teardown, [pending, tir.Store(tile.data, local("u16", 0)), *tile.stamp()], ["u16"])

    # --- the host ---------------------------------------------------------------------------

    def host(self) -> None:
        """Streams from and to the host at some PEs."""
        for place, tile in self.tiles.items():
            n = self.rng.randrange(1, 12)
            if self.rng.random() < 0.5 and (queue := tile.queue("in", HOST_IN)) is not None:
                stream = Stream(HOST_IN, [place], [place], n)
                tile.kit.host_in = [HOST_IN]
                tile.groups.append(self.to_memory(place, stream, queue))
                self.host_in[place] = n
            if self.rng.random() < 0.5 and (queue := tile.queue("out", HOST_OUT)) is not None:
                tile.kit.host_out = [HOST_OUT]
                out = record(DsdKind.FABOUT, base=queue, extent0=n, color=HOST_OUT)
                tile.groups.append(self.issue(tile, "mov32", out, [tile.memory("u32", n)]))
                self.host_out[place] = n

    def commands(self) -> list[Command | int]:
        """What the host does: commands, and cycles to wait in between."""
        rng, made = self.rng, list[Command | int]()
        made.append(CopyIn("data", 0, 0, self.words_of(rng.randrange(1, 33)), rng.choice([2, 4])))
        launch = Launch("go", tuple(rng.randrange(1 << 32) for _ in range(self.arguments)))
        made += [launch] * rng.choice([1, 1, 1, 2])
        for (x, y), n in self.host_in.items():
            made.append(StreamIn(HOST_IN, x, y, self.words_of(n, 1, 1), rng.randint(1, 3)))
        for (x, y), n in self.host_out.items():
            made.append(StreamOut(HOST_OUT, x, y, np.zeros((1, 1, n), np.uint32), rng.randint(1, 3)))
        for _ in range(rng.randrange(3)):
            made.insert(rng.randrange(len(made) + 1), rng.choice([1, 20, 300]))
        n = rng.randrange(1, 33)
        return [
            *made,
            CopyOut("data", 0, 0, np.zeros((self.height, self.width, n), np.uint32), rng.choice([2, 4])),
        ]

    def words_of(self, n: int, width: int | None = None, height: int | None = None) -> Any:
        shape = (height or self.height, width or self.width, n)
        return np.frombuffer(self.rng.randbytes(4 * n * shape[0] * shape[1]), np.uint32).reshape(shape).copy()


def move(type: str) -> str:
    return {"u16": "mov16", "u32": "mov32", "f16": "fmovh", "f32": "fmovs"}[type]


def random_wafer(seed: int) -> Case:
    """A wafer, and a script that carries the commands out, waiting for all of them or for the last."""
    rng = random.Random(seed)
    wafer = Wafer(rng)
    made = wafer.image()
    commands, waits_for_each = wafer.commands(), rng.random() < 0.5
    limit = rng.choice([MOST_CYCLES, MOST_CYCLES, 40, 500])

    def script(engine: Engine) -> list[Any]:
        seen: list[Any] = []
        ticket = None
        for command in commands:
            if isinstance(command, int):
                engine.wait(command)
                continue
            if isinstance(command, CopyOut | StreamOut):
                command.data[:] = 0
            ticket = engine.submit(command)
            if waits_for_each:
                engine.run(ticket, max_cycles=limit)
            seen.append(engine.now)
        engine.run(ticket, max_cycles=limit)
        seen += [c.data.tolist() for c in commands if isinstance(c, CopyOut | StreamOut)]
        engine.run(None, max_cycles=MOST_CYCLES)
        return [*seen, engine.now]

    return Case(f"wafer-{seed}", lambda: made, script)
