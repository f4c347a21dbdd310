"""Statements of the typed IR in LLVM IR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, assert_never

from llvmlite import ir

from openwafer import tir
from openwafer.codegen._abi import Ctx, Fault, Req, Status
from openwafer.codegen._dsd import DsdStatements
from openwafer.codegen._env import COLD, Env
from openwafer.codegen._exit import PlainExits, WaitingExits
from openwafer.codegen._expr import Expressions
from openwafer.codegen._layout import piece_of
from openwafer.codegen._types import I16, I32, I64, POINTER, register_type, resize
from openwafer.tir import COUNTERS, Counter

TSC_BYTES = 6


class Targets(NamedTuple):
    """Where `Break` and `Continue` of a label go."""

    leave: ir.Block
    again: ir.Block | None


class Statements:
    """Emits the body of one function."""

    def __init__(
        self,
        env: Env,
        exits: PlainExits | WaitingExits,
        functions: Mapping[int, ir.Function],
        setups: DsdStatements,
    ) -> None:
        self._env, self._exits, self._functions, self._dsd = env, exits, functions, setups
        self._expr = Expressions(env)
        self._targets: dict[int, Targets] = {}
        self._messages = env.layout.messages

    def block(self, body: tuple[tir.Stmt, ...]) -> None:
        """Emits statements up to the first that never ends."""
        for stmt in body:
            if self._env.is_ended:
                return
            loc = getattr(stmt, "loc", -1)
            self._env.loc = loc if loc >= 0 else self._env.loc
            self._statement(stmt)

    def _statement(self, stmt: tir.Stmt) -> None:
        match stmt:
            case (
                tir.If() | tir.Loop() | tir.Block() | tir.Break() | tir.Continue() | tir.Return() | tir.Call()
            ):
                self._control(stmt)
            case tir.Activate() | tir.SetBlocked() | tir.UnblockCommands() | tir.ReadTsc() | tir.Yield():
                self._time_point(stmt)
            case tir.SetFifoLength() | tir.Print() | tir.ReadConfig() | tir.WriteConfig():
                self._number_and_operand(stmt)
            case tir.DsdOp():
                self._dsd.operation(stmt)
            case tir.LoadDsr(index, value, _):
                self._env.store_frame(self._env.layout.dsr_offsets[index], self._expr.value(value))
            case tir.SetDsr(index, word, value, _):
                place = self._env.layout.dsr_offsets[index] + 2 * word
                self._env.store_frame(place, self._expr.address(value))
            case _:
                self._plain(stmt)

    def _plain(
        self,
        stmt: tir.Set
        | tir.Store
        | tir.Copy
        | tir.Random16
        | tir.SeedRandom
        | tir.Assert
        | tir.Line
        | tir.Tick
        | tir.Count,
    ) -> None:
        env = self._env
        match stmt:
            case tir.Set(slot, value):
                env.builder.store(self._expr.value(value), env.slots[slot])
            case tir.Store(addr, value):
                bits = self._expr.value(value)
                env.store(value.type, addr, self._expr.address(addr), bits)
            case tir.Copy():
                self._copy(stmt)
            case tir.Random16(slot):
                self._random(slot)
            case tir.SeedRandom(value):
                env.builder.store(self._expr.value(value), env.context_word(Ctx.LFSR, POINTER))
            case tir.Assert(cond, message, _):
                failed = env.builder.not_(self._expr.value(cond))
                env.fault_if(failed, Fault.ASSERT, I64(self._messages.index(message)))
            case tir.Tick(cycles):
                env.tick(I64(cycles))
            case tir.Count():
                self._count(stmt)
            case tir.Line():
                pass
            case _:
                assert_never(stmt)

    def _copy(self, stmt: tir.Copy) -> None:
        env = self._env
        dest = env.pointer(stmt.dest, self._expr.address(stmt.dest), stmt.size)
        source = env.pointer(stmt.source, self._expr.address(stmt.source), stmt.size)
        name = "llvm.memmove.p0.p0.i64"
        move = env.helpers.intrinsic(name, ir.VoidType(), POINTER, POINTER, I64, ir.IntType(1))
        env.builder.call(move, [dest, source, I64(stmt.size), ir.IntType(1)(0)])

    def _random(self, slot: int) -> None:
        env = self._env
        place = env.context_word(Ctx.LFSR, POINTER)
        state = env.builder.load(place, typ=I32)
        env.builder.store(env.helpers.lfsr_advance(env.builder, state), place)
        low = resize(env.builder, state, 16, signed=False)
        width = register_type(env.function.slots[slot]).width
        env.builder.store(resize(env.builder, low, width, signed=False), env.slots[slot])

    def _count(self, stmt: tir.Count) -> None:
        builder, rows = self._env.builder, self._env.context_word(Ctx.PROFILE, POINTER)
        for counter, amount in ((Counter.RUNS, stmt.runs), (Counter.SCALAR, stmt.cycles)):
            if amount:
                place = builder.gep(rows, [I64(COUNTERS * stmt.loc + counter)], source_etype=I64)
                builder.store(builder.add(builder.load(place, typ=I64), I64(amount)), place)

    # --- control -----------------------------------------------------------

    def _control(
        self, stmt: tir.If | tir.Loop | tir.Block | tir.Break | tir.Continue | tir.Return | tir.Call
    ) -> None:
        match stmt:
            case tir.If():
                self._if(stmt)
            case tir.Loop():
                self._loop(stmt)
            case tir.Block(label, body):
                after = self._env.block("after")
                self._targets[label] = Targets(after, None)
                self.block(body)
                self._go_on(after)
            case tir.Break(label):
                self._env.builder.branch(self._targets[label].leave)
            case tir.Continue(label):
                target = self._targets[label].again
                assert target is not None
                self._env.builder.branch(target)
            case tir.Return(value):
                self._exits.finish(None if value is None else self._expr.value(value))
            case tir.Call():
                self._call(stmt)

    def _go_on(self, block: ir.Block) -> None:
        """Falls through to `block`, unless the code before it never ends, and emits there."""
        if not self._env.is_ended:
            self._env.builder.branch(block)
        self._env.builder.position_at_end(block)

    def _if(self, stmt: tir.If) -> None:
        env = self._env
        then, otherwise, after = env.block("then"), env.block("else"), env.block("after")
        env.builder.cbranch(self._expr.value(stmt.cond), then, otherwise)
        for block, body in ((then, stmt.then), (otherwise, stmt.otherwise)):
            env.builder.position_at_end(block)
            self.block(body)
            if not env.is_ended:
                env.builder.branch(after)
        env.builder.position_at_end(after)

    def _loop(self, stmt: tir.Loop) -> None:
        """A `Yield` that ends the step resumes before the loop, so that the loop keeps a single entry."""
        env = self._env
        before, body, step, after = (env.block(name) for name in ("before", "loop", "step", "after"))
        self._targets[stmt.label] = Targets(after, step)
        self._go_on(before)
        self._go_on(body)
        self.block(stmt.body)
        self._go_on(step)
        last = stmt.step[-1] if stmt.step else None
        pause = last if isinstance(last, tir.Yield) else None
        self.block(stmt.step[:-1] if pause else stmt.step)
        if not env.is_ended:
            if pause:
                self._yield(pause.loc, before, body)
            else:
                env.builder.branch(body)
        env.builder.position_at_end(after)

    def _call(self, stmt: tir.Call) -> None:
        env = self._env
        callee = env.program.functions[stmt.function]
        args = [self._expr.value(arg) for arg in stmt.args]
        if stmt.function in env.layout.frames:
            result = self._call_waiting(stmt.function, args)
        else:
            result = self._call_plain(stmt.function, args)
        if stmt.result is not None and callee.result != "void":
            env.builder.store(result(), env.slots[stmt.result])

    def _call_plain(self, function: int, args: list[Any]) -> Any:
        env = self._env
        builder = env.builder
        outcome = builder.call(self._functions[function], [env.ctx, *args])
        cycles = builder.extract_value(outcome, 0)
        failed = builder.icmp_signed("<", cycles, I64(0))
        env.tick(builder.select(failed, builder.not_(cycles), cycles))
        good = env.block("called")
        builder.cbranch(failed, env.fault_block, good).set_weights(COLD)
        builder.position_at_end(good)
        return lambda: builder.extract_value(outcome, 1)

    def _call_waiting(self, function: int, args: list[Any]) -> Any:
        env, exits = self._env, self._exits
        assert isinstance(exits, WaitingExits)
        builder, frame = env.builder, env.layout.frames[function]
        for offset, arg in zip(frame.slots, args, strict=False):
            env.store_frame(offset, arg)
        call, wait, done = env.block("call"), env.block("wait"), env.block("called")
        builder.branch(call)
        builder.position_at_end(call)
        env.set_context(Ctx.CYCLES, builder.load(env.cycles, typ=I64))
        status = builder.call(self._functions[function], [env.ctx])
        builder.store(env.context_word(Ctx.CYCLES, I64), env.cycles)
        builder.cbranch(builder.icmp_unsigned("==", status, I32(Status.DONE)), done, wait)
        builder.position_at_end(wait)
        exits.suspend(status, call)
        builder.position_at_end(done)
        return lambda: env.load_frame(frame.result, register_type(env.program.functions[function].result))

    # --- time --------------------------------------------------------------

    def _time_point(
        self, stmt: tir.Activate | tir.SetBlocked | tir.UnblockCommands | tir.ReadTsc | tir.Yield
    ) -> None:
        match stmt:
            case tir.Activate(task):
                self.request(Status.ACTIVATE, self._expr.word(task))
            case tir.SetBlocked(task, blocked):
                self.request(Status.BLOCK if blocked else Status.UNBLOCK, self._expr.word(task))
            case tir.UnblockCommands():
                self.request(Status.UNBLOCK_COMMANDS, I32(0))
            case tir.ReadTsc():
                self._read_tsc(stmt)
            case tir.Yield(loc):
                after = self._env.block("after")
                self._yield(loc, after, after)
                self._env.builder.position_at_end(after)

    def _number_and_operand(
        self, stmt: tir.SetFifoLength | tir.Print | tir.ReadConfig | tir.WriteConfig
    ) -> None:
        env = self._env
        match stmt:
            case tir.SetFifoLength(fifo, is_write, length):
                env.store_frame(Req.INDEX, self._expr.word(length))
                self.request(Status.SET_FIFO_LENGTH, I32(2 * fifo + is_write))
            case tir.Print(value=value):
                env.store_frame(Req.VALUE, I64(0) if value is None else self._bits(value))
                self.request(Status.PRINT, I32(env.layout.pieces.index(piece_of(stmt))))
            case tir.ReadConfig(slot, address):
                self.request(Status.READ_CONFIG, self._expr.word(address))
                width = register_type(env.function.slots[slot]).width
                word = resize(env.builder, env.load_frame(Req.INDEX, I32), width, signed=False)
                env.builder.store(word, env.slots[slot])
            case tir.WriteConfig(address, value):
                env.store_frame(Req.INDEX, self._expr.word(value))
                self.request(Status.WRITE_CONFIG, self._expr.word(address))

    def _bits(self, value: tir.Expr) -> Any:
        """A scalar in 64 bits, of which those above its width may be anything."""
        bits = self._expr.value(value)
        if value.type == "f32":
            bits = self._env.builder.bitcast(bits, I32)
        return resize(self._env.builder, bits, 64, signed=False)

    def request(self, status: Status, operand: Any) -> None:
        """Waits; the engine then does what `status` says."""
        env = self._env
        env.store_frame(Req.A0, operand)
        env.store_frame(Req.LOC, I32(env.loc))
        self._exits.suspend(I32(status))

    def _yield(self, loc: int, resumed: ir.Block, going_on: ir.Block) -> None:
        env, builder = self._env, self._env.builder
        wait = env.block("yield")
        cycles = builder.load(env.cycles, typ=I64)
        late = builder.icmp_signed(">", cycles, env.context_word(Ctx.YIELD_LIMIT, I64))
        builder.cbranch(late, wait, going_on).set_weights(COLD)
        builder.position_at_end(wait)
        assert isinstance(self._exits, WaitingExits)
        env.store_frame(Req.LOC, I32(loc))
        self._exits.suspend(I32(Status.WAIT), resumed)

    def _read_tsc(self, stmt: tir.ReadTsc) -> None:
        """The address is evaluated before the wait and kept over it in the request area."""
        env = self._env
        address = self._expr.address(stmt.addr)
        env.store_frame(Req.INDEX, resize(env.builder, address, 32, signed=False))
        env.store_frame(Req.LOC, I32(env.loc))
        self._exits.suspend(I32(Status.WAIT))
        address = resize(env.builder, env.load_frame(Req.INDEX, I32), 16, signed=False)
        place = env.pointer(stmt.addr, address, TSC_BYTES)
        now = env.context_word(Ctx.NOW, I64)
        for word in range(TSC_BYTES // 2):
            part = env.builder.trunc(env.builder.lshr(now, I64(16 * word)), I16)
            target = env.builder.gep(place, [I64(2 * word)], source_etype=ir.IntType(8))
            env.builder.store(part, target, align=1)
