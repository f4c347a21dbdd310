"""The LLVM module of one program: its functions, and an entry for each that the engine can start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llvmlite import ir

from openwafer import tir
from openwafer.codegen._abi import Ctx, Status
from openwafer.codegen._dsd import DsdStatements
from openwafer.codegen._env import Env
from openwafer.codegen._exit import WAITING_TYPE, PlainExits, WaitingExits, plain_type
from openwafer.codegen._helpers import Helpers
from openwafer.codegen._layout import ProgramLayout, call_order
from openwafer.codegen._stmt import Statements
from openwafer.codegen._types import I8, I32, I64, POINTER, from_word, zero
from openwafer.machine import Machine
from openwafer.tir import walk

WAVELET_BITS = 32


def entry_name(function: int) -> str:
    return f"entry_{function}"


def entry_functions(program: tir.Program) -> dict[int, tir.Task | None]:
    """What the engine can start: tasks (None: a launched function or `init`), by function index."""
    launched = [e.target for e in program.exports if e.kind == "func"]
    launched += [] if program.init is None else [program.init]
    return {**dict.fromkeys(launched), **{task.function: task for task in program.tasks}}


def build_module(layout: ProgramLayout, machine: Machine) -> ir.Module:
    """LLVM IR of everything that an entry can reach."""
    program = layout.program
    module = ir.Module(name=program.name)
    helpers = Helpers(module)
    entries = entry_functions(program)
    functions: dict[int, ir.Function] = {}
    for index in _reachable(program, entries):
        functions[index] = _function(layout, machine, helpers, functions, index)
    for index, task in entries.items():
        _Entry(layout, module, functions[index], index).emit(task)
    return module


def _reachable(program: tir.Program, entries: Mapping[int, object]) -> Iterator[int]:
    """Callees before callers."""
    needed, todo = set(entries), list(entries)
    while todo:
        calls = {n.function for n in walk(program.functions[todo.pop()].body) if isinstance(n, tir.Call)}
        todo += calls - needed
        needed |= calls
    return (index for index in call_order(program) if index in needed)


def _function(
    layout: ProgramLayout,
    machine: Machine,
    helpers: Helpers,
    functions: Mapping[int, ir.Function],
    index: int,
) -> ir.Function:
    source = layout.program.functions[index]
    frame = layout.frames.get(index)
    llvm = ir.Function(
        helpers.module, plain_type(source) if frame is None else WAITING_TYPE, f"function_{index}"
    )
    llvm.linkage = "internal"
    env = Env(layout, helpers, index, llvm)
    exits = PlainExits(env) if frame is None else WaitingExits(env, frame)
    Statements(env, exits, functions, DsdStatements(env, exits, machine)).block(source.body)
    if not env.is_ended:
        exits.finish(None if source.result == "void" else zero(source.result))
    exits.end()
    return llvm


class _Entry:
    """`i32 entry(ctx)`: decodes the arguments when the function begins, and calls it."""

    def __init__(self, layout: ProgramLayout, module: ir.Module, callee: ir.Function, index: int) -> None:
        self._function = layout.program.functions[index]
        self._frame = layout.frames.get(index)
        self._callee = callee
        self._llvm = ir.Function(module, WAITING_TYPE, entry_name(index))
        self._ctx = self._llvm.args[0]
        self._builder = ir.IRBuilder(self._llvm.append_basic_block("entry"))

    def emit(self, task: tir.Task | None) -> None:
        if self._frame is None:
            self._plain(task)
        else:
            self._waiting(task)

    def _plain(self, task: tir.Task | None) -> None:
        b = self._builder
        outcome = b.call(self._callee, [self._ctx, *self._arguments(task)])
        cycles = b.extract_value(outcome, 0)
        failed = b.icmp_signed("<", cycles, I64(0))
        b.store(b.select(failed, b.not_(cycles), cycles), self._place(self._ctx, 8 * Ctx.CYCLES))
        b.ret(b.select(failed, I32(Status.FAULT), I32(Status.DONE)))

    def _waiting(self, task: tir.Task | None) -> None:
        assert self._frame is not None
        b = self._builder
        frame = b.load(self._place(self._ctx, 8 * Ctx.FRAME), typ=POINTER)
        state = b.load(self._place(frame, self._frame.state), typ=I32, align=1)
        begin, go_on = self._llvm.append_basic_block("begin"), self._llvm.append_basic_block("call")
        b.cbranch(b.icmp_unsigned("==", state, I32(0)), begin, go_on)
        b.position_at_end(begin)
        for offset, argument in zip(self._frame.slots, self._arguments(task), strict=False):
            b.store(argument, self._place(frame, offset), align=1)
        b.branch(go_on)
        b.position_at_end(go_on)
        b.ret(b.call(self._callee, [self._ctx]))

    def _place(self, base: Any, offset: int) -> Any:
        return self._builder.gep(base, [I64(offset)], source_etype=I8)

    def _arguments(self, task: tir.Task | None) -> list[Any]:
        types = self._function.slots[: self._function.params]
        if task is None:
            return [from_word(self._builder, t, self._word(i)) for i, t in enumerate(types)]
        if task.kind == "control":
            return [self._part(0, 1, t) for t in types]
        return [self._part(i, len(types), t) for i, t in enumerate(types)]

    def _word(self, index: int) -> Any:
        return self._builder.load(self._place(self._ctx, 8 * (Ctx.ARGS + index)), typ=I64)

    def _part(self, index: int, count: int, type_: str) -> Any:
        """One of `count` equal parts of the wavelet, the low one first."""
        b, width = self._builder, WAVELET_BITS // count
        wavelet = b.lshr(self._word(0), I64(width * index))
        return from_word(b, type_, b.and_(wavelet, I64((1 << width) - 1)))
