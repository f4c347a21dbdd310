"""How a function of a program begins, waits and ends in LLVM.

A function that cannot wait (*plain*) is `{i64, T} f(ctx, args…)`: gathered cycles, or their complement
after a fault, and the result. One that can (*waiting*) is `i32 f(ctx)` and returns a `Status`; arguments,
locals, state and result lie in its frame, and cycles go through `Ctx.CYCLES`. State 0 is the beginning;
others are the places where it waited.
"""

from __future__ import annotations

from typing import Any, Protocol

from llvmlite import ir

from openwafer import tir
from openwafer.codegen._abi import Ctx, Status
from openwafer.codegen._env import Env
from openwafer.codegen._layout import Frame
from openwafer.codegen._types import I32, I64, POINTER, register_type


def plain_type(function: tir.Function) -> ir.FunctionType:
    args = [register_type(t) for t in function.slots[: function.params]]
    result = [] if function.result == "void" else [register_type(function.result)]
    return ir.FunctionType(ir.LiteralStructType([I64, *result]), [POINTER, *args])


WAITING_TYPE = ir.FunctionType(I32, [POINTER])


class Exits(Protocol):
    """How to leave a function, and, if it can wait, how to wait."""

    def finish(self, value: Any) -> None:
        """Returns from the function (at the builder's place) with a result or None."""
        ...

    def suspend(self, status: Any) -> None:
        """Returns `status`; code goes on after it when the function is called again."""
        ...

    def end(self) -> None:
        """Emits what is shared; the last thing to be called."""
        ...


class PlainExits:
    """For functions that cannot wait."""

    def __init__(self, env: Env) -> None:
        self._env = env
        builder = env.builder
        for slot, arg in zip(env.slots, env.llvm.args[1:], strict=False):
            builder.store(arg, slot)
        builder.store(I64(0), env.cycles)
        builder.branch(env.body)
        builder.position_at_end(env.body)

    def finish(self, value: Any) -> None:
        self._return(self._env.builder.load(self._env.cycles, typ=I64), value)

    def suspend(self, status: Any) -> None:
        raise AssertionError("a function that cannot wait waits")

    def end(self) -> None:
        builder = self._env.builder
        builder.position_at_end(self._env.fault_block)
        self._return(builder.not_(builder.load(self._env.cycles, typ=I64)), None)

    def _return(self, cycles: Any, value: Any) -> None:
        builder = self._env.builder
        result = builder.insert_value(ir.Constant(self._env.llvm.function_type.return_type, None), cycles, 0)
        if value is not None:
            result = builder.insert_value(result, value, 1)
        builder.ret(result)


class WaitingExits:
    """For functions that can wait: one block spills the locals and returns, one reloads them and jumps."""

    def __init__(self, env: Env, frame: Frame) -> None:
        self._env, self._frame = env, frame
        builder = env.builder
        self._state = builder.alloca(I32, name="state")
        self._status = builder.alloca(I32, name="status")
        self._begin, self._resume = env.block("begin"), env.block("resume")
        self._leave = env.block("leave")
        self._places: list[ir.Block] = []
        state = env.load_frame(frame.state, I32)
        builder.store(env.context_word(Ctx.CYCLES, I64), env.cycles)
        builder.cbranch(builder.icmp_unsigned("==", state, I32(0)), self._begin, self._resume)
        self._entry_state = state
        builder.position_at_end(self._begin)
        self._reload(env.function.params)
        builder.branch(env.body)
        builder.position_at_end(env.body)

    def finish(self, value: Any) -> None:
        if value is not None:
            self._env.store_frame(self._frame.result, value)
        self._leave_with(0, I32(Status.DONE))

    def suspend(self, status: Any, place: ir.Block | None = None) -> None:
        """With `place`, code goes on there when called again, and the builder's block is ended."""
        target = place or self._env.block("resumed")
        self._places.append(target)
        self._leave_with(len(self._places), status)
        if place is None:
            self._env.builder.position_at_end(target)

    def end(self) -> None:
        env, builder = self._env, self._env.builder
        builder.position_at_end(env.fault_block)
        self._leave_with(0, I32(Status.FAULT))
        builder.position_at_end(self._leave)
        for slot, type_, offset in zip(env.slots, env.function.slots, self._frame.slots, strict=True):
            env.store_frame(offset, builder.load(slot, typ=register_type(type_)))
        env.store_frame(self._frame.state, builder.load(self._state, typ=I32))
        env.set_context(Ctx.CYCLES, builder.load(env.cycles, typ=I64))
        builder.ret(builder.load(self._status, typ=I32))
        builder.position_at_end(self._resume)
        self._reload(len(env.slots))
        switch = builder.switch(self._entry_state, env.body)
        for number, place in enumerate(self._places, 1):
            switch.add_case(I32(number), place)

    def _leave_with(self, state: int, status: Any) -> None:
        builder = self._env.builder
        builder.store(I32(state), self._state)
        builder.store(status, self._status)
        builder.branch(self._leave)

    def _reload(self, count: int) -> None:
        env = self._env
        for slot, type_, offset in list(zip(env.slots, env.function.slots, self._frame.slots, strict=True))[
            :count
        ]:
            env.builder.store(env.load_frame(offset, register_type(type_)), slot)
