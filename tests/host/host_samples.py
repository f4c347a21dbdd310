"""A layout and an engine for the tests of `host`: memory, commands and time, and no program that runs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import numpy as np

from openwafer.csl import ExportName, Layout
from openwafer.diag import DiagnosticError, error
from openwafer.image import Image
from openwafer.sim._engine import Command, CopyIn, CopyOut, Launch, PeStats, StreamIn, StreamOut
from openwafer.sim._print import Line
from openwafer.tir import CONFIG_COLUMNS, Export, Function, Program, Queue, Symbol

WIDTH, HEIGHT = 4, 3
CYCLES = 100
"""What every command takes in the fake engine."""

H2D, D2H, QUEUELESS = 3, 4, 5
"""Colors of streams; only `pe.csl` has D2H, no program has a queue for QUEUELESS."""

TRACE = (
    Symbol("<debug> times", 40, 4, b"", "[20]u16"),
    Symbol("<debug> length of times", 2, 2, b"", "u16"),
    Symbol("<debug> string", 5, 2, b"\3\0abc", "[5]u8"),
)

NAMES = (
    ExportName("A", "data", "[*]f32", True),
    ExportName("y", "data", "[*]f32", False),
    ExportName("compute", "func", "fn()void", True),
    ExportName("scale", "func", "fn(i16, f32, u32)void", True),
    ExportName("half", "func", "fn(f16, bool)void", True),
    ExportName("only_left", "data", "[*]u16", True),
    ExportName("nowhere", "func", "fn()void", True),
    ExportName("wide", "func", "fn(u64)void", True),
)


def _program(name: str, *more: Export) -> Program:
    takes: tuple[tuple[str, ...], ...] = ((), ("i16", "f32", "u32"), ("f16", "bool"), ("u64",))
    functions = tuple(Function(f"f{len(types)}", len(types), types, "void", (), 0) for types in takes)
    exports = (
        Export("A", "ptr", 0, "[*]f32", ()),
        Export("y", "ptr", 0, "[*]f32", ()),
        Export("compute", "func", 0, "fn()void", ()),
        Export("scale", "func", 1, "fn(i16, f32, u32)void", ("i16", "f32", "u32"), ("n", "a", "k")),
        Export("half", "func", 2, "fn(f16, bool)void", ("f16", "bool")),
        Export("wide", "func", 3, "fn(u64)void", ("u64",)),
        *more,
    )
    queues = (Queue("in", 2, H2D), Queue("out", 3, D2H))
    symbols = (Symbol("p", 2, 2, b"", "[*]f32"), Symbol("v", 12, 4, b"", "[3]f32"), *TRACE)
    return Program(
        name, "wse3", functions, symbols, (), exports, queues, (), None, (), (), (), (), (("pe.csl", 1),),
        host_in=(H2D, QUEUELESS), host_out=(D2H,) if name == "pe.csl" else (),
    )  # fmt: skip


def host_layout() -> Layout:
    """4 × 3 PEs; the left column has a second program, which also exports `only_left`."""
    program_of = np.zeros((HEIGHT, WIDTH), np.int32)
    program_of[:, 0] = 1
    return Layout(
        arch="wse3",
        width=WIDTH,
        height=HEIGHT,
        fabric_dims=(WIDTH + 7, HEIGHT + 2),
        fabric_offsets=(4, 1),
        params={"N": "5"},
        programs=(_program("pe.csl"), _program("left.csl", Export("only_left", "ptr", 0, "[*]u16", ()))),
        exports=NAMES,
        program_of=program_of,
        cells=np.zeros((HEIGHT, WIDTH, 0), np.uint32),
        configs=np.zeros((0, len(CONFIG_COLUMNS)), np.int32),
        config_of=np.full((HEIGHT, WIDTH, 24), -1, np.int16),
    )


@dataclass
class FakeEngine:
    """Commands are done `CYCLES` after each other. `stuck` makes a launch of that name hang."""

    image: Image
    threads: int = 1
    stuck: str = ""
    now: int = 0
    commands: list[Command] = field(default_factory=list)
    done: int = 0
    finished: bool = False
    memory: dict[tuple[str, int, int], list[int]] = field(default_factory=dict)
    bytes: dict[tuple[int, int], bytearray] = field(default_factory=dict)
    sent: dict[tuple[int, int, int], list[int]] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    def submit(self, command: Command) -> int:
        self.commands.append(command)
        return len(self.commands) - 1

    def run(self, ticket: int | None = None, *, max_cycles: int | None = None) -> None:
        end = None if max_cycles is None else self.now + max_cycles
        while self.done <= (len(self.commands) - 1 if ticket is None else ticket):
            if end is not None and self.now + CYCLES > end:
                self.now = end
                raise error("max-cycles", f"not done after {max_cycles} cycles")
            self._do(self.commands[self.done])
            self.done += 1
            self.now += CYCLES
        self.finished = ticket is None

    def wait(self, cycles: int) -> None:
        end = self.now + cycles
        with contextlib.suppress(DiagnosticError):
            self.run(None, max_cycles=cycles)
        self.now = end

    def _do(self, command: Command) -> None:
        match command:
            case Launch(name):
                if name == self.stuck:
                    raise error("deadlock", "nothing can happen any more")
            case StreamIn(color) | StreamOut(color):
                for (y, x, i), word in np.ndenumerate(command.data):
                    wavelets = self.sent.setdefault((color, command.x0 + x, command.y0 + y), [])
                    if isinstance(command, StreamIn):
                        wavelets.append(int(word))
                    else:
                        command.data[y, x, i] = wavelets.pop(0)
            case CopyIn() | CopyOut():
                for y, row in enumerate(command.data):
                    for x, words in enumerate(row):
                        self._copy(command, (command.name, command.x0 + x, command.y0 + y), words)

    def _copy(self, command: CopyIn | CopyOut, place: tuple[str, int, int], words: np.ndarray) -> None:
        cells = self.memory.setdefault(place, [0] * 64)
        if isinstance(command, CopyIn):
            mask = 0xFFFF if command.element_bytes == 2 else 0xFFFFFFFF
            cells[: len(words)] = [int(w) & mask for w in words]
        else:
            words[:] = cells[: len(words)]

    def is_done(self, ticket: int) -> bool:
        return ticket < self.done

    def read(self, x: int, y: int, address: int, size: int) -> bytes:
        return bytes(self._memory(x, y)[address : address + size])

    def write(self, x: int, y: int, address: int, data: bytes) -> None:
        self._memory(x, y)[address : address + len(data)] = data

    def _memory(self, x: int, y: int) -> bytearray:
        return self.bytes.setdefault((x, y), bytearray(1024))

    def printed(self) -> list[Line]:
        return self.lines

    def stats(self) -> PeStats:
        return PeStats()
