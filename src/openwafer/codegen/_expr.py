"""Expressions of the typed IR in LLVM IR."""

from __future__ import annotations

from typing import Any, assert_never

from llvmlite import ir

from openwafer import tir
from openwafer.codegen._abi import Ctx
from openwafer.codegen._arith import Arithmetic
from openwafer.codegen._convert import Conversions
from openwafer.codegen._env import Env
from openwafer.codegen._math import Intrinsics
from openwafer.codegen._types import DSD, I16, I32, from_word, register_type, resize


class Expressions:
    """Emits expressions into the function of `env`."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._convert = Conversions(env)
        self._arithmetic = Arithmetic(env)
        self._intrinsics = Intrinsics(env)

    def value(self, expr: tir.Expr) -> Any:
        """The value of an expression in registers."""
        env = self._env
        match expr:
            case tir.Const(type_, value):
                return self._convert.constant(type_, value)
            case tir.Param(type_, index):
                return from_word(env.builder, type_, env.invariant_word(Ctx.PARAMS, 4 * index, I32))
            case tir.Coord(axis):
                return env.builder.trunc(env.invariant_word(Ctx.Y if axis else Ctx.X, 0, I32), I16)
            case tir.Addr(symbol, offset):
                return I16((env.program.symbols[symbol].address + offset) & 0xFFFF)
            case tir.Local(type_, slot):
                return env.builder.load(env.slots[slot], typ=register_type(type_))
            case tir.Load(type_, addr):
                return env.load(type_, addr, self.address(addr))
            case tir.Unary(op, type_, a):
                return self._arithmetic.unary(op, type_, self.value(a))
            case tir.Binary(op, _, a, b):
                return self._arithmetic.binary(op, a.type, self.value(a), b.type, self.value(b))
            case tir.Cast(type_, a):
                return self._convert.cast(a.type, type_, self.value(a))
            case tir.Bitcast(type_, a):
                return self._convert.bitcast(type_, self.value(a))
            case tir.Select(_, cond, a, b):
                return env.builder.select(self.value(cond), self.value(a), self.value(b))
            case tir.Intrinsic(name, type_, args):
                return self._intrinsics.call(name, type_, args[0].type, [self.value(arg) for arg in args])
            case tir.DsdMake() | tir.DsdWith() | tir.DsdGet():
                return self._record(expr)
            case _:
                assert_never(expr)

    def address(self, addr: tir.Expr) -> Any:
        """An address as i16."""
        return resize(self._env.builder, self.value(addr), 16, signed=False)

    def word(self, expr: tir.Expr, bits: int = 32) -> Any:
        """A small unsigned number (a task id, an index) as an integer of `bits`."""
        return resize(self._env.builder, self.value(expr), bits, signed=False)

    def _record(self, expr: tir.DsdMake | tir.DsdWith | tir.DsdGet) -> Any:
        builder = self._env.builder
        match expr:
            case tir.DsdMake(words):
                return self._make(words)
            case tir.DsdWith(base, word, value):
                record = self.value(base)
                return builder.insert_element(record, self.address(value), I32(word))
            case tir.DsdGet(base, word):
                return builder.extract_element(self.value(base), I32(word))

    def _make(self, words: tuple[tir.Expr, ...]) -> Any:
        known = [I16(int(w.value) & 0xFFFF) if isinstance(w, tir.Const) else I16(0) for w in words]
        record: Any = ir.Constant(DSD, known)
        for index, word in enumerate(words):
            if not isinstance(word, tir.Const):
                record = self._env.builder.insert_element(record, self.address(word), I32(index))
        return record
