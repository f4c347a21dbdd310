"""What the code of one LLVM function is emitted with: builder, context, locals, memory accesses, faults."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from openwafer import tir
from openwafer.codegen._abi import Ctx, Fault, Req
from openwafer.codegen._helpers import Helpers
from openwafer.codegen._layout import ProgramLayout
from openwafer.codegen._types import (
    I8,
    I32,
    I64,
    POINTER,
    from_memory,
    memory_type,
    register_type,
    size_of,
    to_memory,
    zero,
)

COLD = (1, 10_000)
"""Branch weights of a fault."""


class Env:
    """One function under construction. `builder` stands where code goes; `fault_block` ends the call.

    All locals are allocas of the entry block, which LLVM promotes to registers."""

    def __init__(self, layout: ProgramLayout, helpers: Helpers, index: int, llvm: ir.Function) -> None:
        self.layout = layout
        self.program = layout.program
        self.helpers = helpers
        self.index = index
        self.function = self.program.functions[index]
        self.loc = self.function.loc
        self.llvm = llvm
        self.ctx = llvm.args[0]
        self.entry = llvm.append_basic_block("entry")
        self.body = llvm.append_basic_block("body")
        self.fault_block = llvm.append_basic_block("fault")
        self.builder = ir.IRBuilder(self.entry)
        self._invariant: dict[tuple[str, int], Any] = {}
        self.memory = self.context_word(Ctx.MEMORY, POINTER)
        self.frame = self.context_word(Ctx.FRAME, POINTER)
        self.limit = self.context_word(Ctx.MEMORY_BYTES, I64)
        self.cycles = self.builder.alloca(I64, name="cycles")
        self.slots = [self.builder.alloca(register_type(t)) for t in self.function.slots]
        for slot, type_ in zip(self.slots, self.function.slots, strict=True):
            self.builder.store(zero(type_), slot)

    # --- context and frame -------------------------------------------------

    def context_place(self, word: Ctx) -> Any:
        return self.builder.gep(self.ctx, [I64(8 * word)], source_etype=I8)

    def context_word(self, word: Ctx, type_: Any) -> Any:
        return self.builder.load(self.context_place(word), typ=type_)

    def set_context(self, word: Ctx, value: Any) -> None:
        self.builder.store(value, self.context_place(word))

    def frame_place(self, offset: int) -> Any:
        return self.builder.gep(self.frame, [I64(offset)], source_etype=I8)

    def load_frame(self, offset: int, type_: Any) -> Any:
        return self.builder.load(self.frame_place(offset), typ=type_, align=1)

    def store_frame(self, offset: int, value: Any) -> None:
        self.builder.store(value, self.frame_place(offset), align=1)

    def invariant_word(self, base: Ctx, offset: int, type_: Any) -> Any:
        """A word behind a pointer of the context that never changes, read once in the entry block."""
        key = (base.name, offset)
        if key not in self._invariant:
            here, self.builder = self.builder, ir.IRBuilder(self.entry)
            if self.entry.is_terminated:
                self.builder.position_before(self.entry.terminator)
            pointer = self.context_word(base, POINTER) if base == Ctx.PARAMS else self.context_place(base)
            place = self.builder.gep(pointer, [I64(offset)], source_etype=I8)
            self._invariant[key] = self.builder.load(place, typ=type_, align=1)
            self.builder = here
        return self._invariant[key]

    # --- time --------------------------------------------------------------

    def tick(self, cycles: Any) -> None:
        total = self.builder.add(self.builder.load(self.cycles, typ=I64), cycles)
        self.builder.store(total, self.cycles)

    # --- memory ------------------------------------------------------------

    def pointer(self, addr: tir.Expr, address: Any, size: int) -> Any:
        """Host address of `size` bytes at the 16-bit `address`; faults if they are not all in memory."""
        wide = self.builder.zext(address, I64)
        if not self._is_inside(addr, size):
            end = self.builder.add(wide, I64(size))
            outside = self.builder.icmp_unsigned(">", end, self.limit)
            self.fault_if(outside, Fault.MEMORY, wide)
        return self.builder.gep(self.memory, [wide], source_etype=I8)

    def _is_inside(self, addr: tir.Expr, size: int) -> bool:
        if not isinstance(addr, tir.Addr):
            return False
        return addr.offset >= 0 and addr.offset + size <= self.program.symbols[addr.symbol].size

    def load(self, type_: str, addr: tir.Expr, address: Any) -> Any:
        place = self.pointer(addr, address, size_of(type_))
        return from_memory(self.builder, type_, self.builder.load(place, typ=memory_type(type_), align=1))

    def store(self, type_: str, addr: tir.Expr, address: Any, value: Any) -> None:
        place = self.pointer(addr, address, size_of(type_))
        self.builder.store(to_memory(self.builder, type_, value), place, align=1)

    @property
    def is_ended(self) -> bool:
        """Whether the code at the builder's place never goes on."""
        block: Any = self.builder.block
        return block.is_terminated

    # --- faults ------------------------------------------------------------

    def block(self, name: str) -> ir.Block:
        return self.llvm.append_basic_block(name)

    def fault_if(self, condition: Any, fault: Fault, detail: Any) -> None:
        """Ends the call with `fault` at the current place if the condition holds; code goes on otherwise."""
        bad, good = self.block("bad"), self.block("good")
        self.builder.cbranch(condition, bad, good).set_weights(COLD)
        self.builder.position_at_end(bad)
        self.fault(fault, detail)
        self.builder.position_at_end(good)

    def fault(self, fault: Fault, detail: Any) -> None:
        """Ends the call with `fault`."""
        self.set_context(Ctx.FAULT_LOC, I64(self.loc))
        self.set_context(Ctx.FAULT_DETAIL, detail)
        self.store_frame(Req.A0, I32(fault))
        self.builder.branch(self.fault_block)
