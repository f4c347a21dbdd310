"""Runs hand-made typed IR as machine code, with a small stand-in for the engine."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from openwafer import tir
from openwafer.codegen._abi import CTX_WORDS, Ctx, Req, Status
from openwafer.codegen._compile import CompiledProgram, bind_memory_op, compile_program
from openwafer.machine import Machine, load_machine

MEMORY_OP = ctypes.CFUNCTYPE(
    ctypes.c_int64,
    *[ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p],
    *[ctypes.c_uint32, ctypes.c_int32, ctypes.c_int32],
)
ENTRY = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
WORD_BITS = (1 << 64) - 1


def machine() -> Machine:
    return load_machine("wse3")


def function(
    *body: tir.Stmt, params: int = 0, slots: tuple[str, ...] = (), result: str = "void", name: str = "f"
) -> tir.Function:
    return tir.Function(name, params, slots, result, body, 0)


def program(
    *functions: tir.Function,
    symbols: tuple[tir.Symbol, ...] = (),
    params: tuple[str, ...] = (),
    dsrs: tuple[str, ...] = (),
    tasks: tuple[tir.Task, ...] = (),
) -> tir.Program:
    """Every function is exported."""
    exports = tuple(tir.Export(f"f{i}", "func", i, "fn", ()) for i in range(len(functions)))
    return tir.Program(
        "test",
        "wse3",
        functions,
        symbols,
        tasks,
        exports,
        (),
        params,
        None,
        dsrs,
        (),
        (),
        (),
        (("test.csl", 1),),
    )


@dataclass
class Record:
    """One call of the memory operation."""

    op: int
    records: tuple[tuple[int, ...], ...]
    scalar: int
    setup: int
    loc: int


@dataclass
class Run:
    """Statuses with the cycles that each return had gathered, and the requests' first words."""

    status: int = 0
    cycles: int = 0
    waits: list[tuple[int, int, int]] = field(default_factory=list)
    operations: list[Record] = field(default_factory=list)


def records_at(address: int) -> tuple[int, ...]:
    return struct.unpack("<16H", ctypes.string_at(address, 32))


class Pe:
    """One PE: memory, frame, parameter cells, and an engine that grants every request at once."""

    def __init__(
        self,
        source: tir.Program,
        *,
        memory_bytes: int = 256,
        params: tuple[int, ...] = (),
        x: int = 0,
        y: int = 0,
        memory_op: Callable[[Record], int] = lambda record: record.setup,
        use_cache: bool = False,
    ) -> None:
        self.run_of: Run = Run()
        self._memory_op = memory_op
        self.callback = MEMORY_OP(self._at_once)
        bind_memory_op(ctypes.cast(self.callback, ctypes.c_void_p).value or 0)
        self.compiled: CompiledProgram = compile_program(source, machine(), use_cache=use_cache)
        self.memory = (ctypes.c_uint8 * memory_bytes)()
        self.frame = (ctypes.c_uint8 * self.compiled.frame_bytes)()
        self.cells = (ctypes.c_uint32 * (len(params) + 1))(*params)
        self.lfsr = ctypes.c_uint32(0xDEADBEEF)
        self.ctx = (ctypes.c_uint64 * CTX_WORDS)()
        self.now = 1000
        self.result = 0
        fixed = {
            Ctx.MEMORY: ctypes.addressof(self.memory),
            Ctx.FRAME: ctypes.addressof(self.frame),
            Ctx.PARAMS: ctypes.addressof(self.cells),
            Ctx.LFSR: ctypes.addressof(self.lfsr),
            Ctx.MEMORY_BYTES: memory_bytes,
            Ctx.YIELD_LIMIT: 4096,
            Ctx.X: x,
            Ctx.Y: y,
        }
        for word, value in fixed.items():
            self.ctx[word] = value

    def _at_once(
        self, ctx: int, op: int, dest: int, s0: int, s1: int, scalar: int, setup: int, loc: int
    ) -> int:
        record = Record(op, (records_at(dest), records_at(s0), records_at(s1)), scalar, setup, loc)
        self.run_of.operations.append(record)
        return self._memory_op(record)

    def field(self, offset: int) -> int:
        return struct.unpack_from("<I", self.frame, offset)[0]

    def request_record(self, offset: int) -> tuple[int, ...]:
        return struct.unpack_from("<16H", self.frame, offset)

    def run(self, entry: int = 0, args: tuple[int, ...] = (), limit: int = 1000) -> Run:
        """Calls the entry until it is done or has faulted."""
        run = self.run_of = Run()
        call = ENTRY(self.compiled.entries[entry])
        for index, arg in enumerate(args):
            self.ctx[Ctx.ARGS + index] = arg & WORD_BITS
        for _ in range(limit):
            self.ctx[Ctx.CYCLES], self.ctx[Ctx.NOW] = 0, self.now
            status = call(ctypes.addressof(self.ctx))
            gathered = self.ctx[Ctx.CYCLES]
            self.now += gathered
            run.cycles += gathered
            run.status = status
            if status in (Status.DONE, Status.FAULT):
                return run
            run.waits.append((status, gathered, self.field(Req.A0)))
            struct.pack_into("<I", self.frame, Req.RESULT, self.result)
        raise AssertionError("does not end")

    def store(self, address: int, format: str, *values: object) -> None:
        struct.pack_into("<" + format, self.memory, address, *values)

    def load(self, address: int, format: str) -> object:
        return struct.unpack_from("<" + format, self.memory, address)[0]
