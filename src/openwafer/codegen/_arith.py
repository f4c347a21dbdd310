"""Unary and binary operations in LLVM IR.

Floats round once per operation: f16 is computed in f32, whose 24 bits make the second rounding harmless
(2 · 11 + 2 ≤ 24). No fast-math flag is ever set.
"""

from __future__ import annotations

from typing import Any

from openwafer.codegen._abi import Fault
from openwafer.codegen._convert import Conversions
from openwafer.codegen._env import Env
from openwafer.codegen._types import F32, I16, I32, I64, is_float, is_signed, resize

COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Arithmetic:
    """Emits operations into the function of `env`; operands are values of the types named."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._convert = Conversions(env)

    def unary(self, op: str, type_: str, a: Any) -> Any:
        builder = self._env.builder
        if op == "not":
            return builder.not_(a)
        if type_ == "f16":
            return builder.xor(a, I16(0x8000))
        if type_ == "f32":
            return builder.bitcast(builder.xor(builder.bitcast(a, I32), I32(0x8000_0000)), F32)
        return builder.neg(a) if op == "neg" else builder.not_(a)

    def binary(self, op: str, type_: str, a: Any, b_type: str, b: Any) -> Any:
        """`type_` is the type of the left operand."""
        if is_float(type_):
            return self._float(op, type_, a, b)
        if op in COMPARISONS:
            return self._compare(op, type_, a, b)
        if op in ("shl", "shr"):
            return self._shift(op, type_, a, b_type, b)
        if op in ("div", "rem"):
            return self._divide(op, type_, a, b)
        builder = self._env.builder
        emit = {
            "add": builder.add,
            "sub": builder.sub,
            "mul": builder.mul,
            "and": builder.and_,
            "or": builder.or_,
            "xor": builder.xor,
        }
        return emit[op](a, b)

    def _float(self, op: str, type_: str, a: Any, b: Any) -> Any:
        builder = self._env.builder
        x, y = self._convert.widen(type_, a), self._convert.widen(type_, b)
        if op == "ne":
            return builder.fcmp_unordered("!=", x, y)
        if op in COMPARISONS:
            return builder.fcmp_ordered(COMPARISONS[op], x, y)
        emit = {
            "add": builder.fadd,
            "sub": builder.fsub,
            "mul": builder.fmul,
            "div": builder.fdiv,
            "rem": builder.frem,
        }
        return self._convert.narrow(type_, emit[op](x, y))

    def _compare(self, op: str, type_: str, a: Any, b: Any) -> Any:
        builder = self._env.builder
        compare = builder.icmp_signed if is_signed(type_) else builder.icmp_unsigned
        return compare(COMPARISONS[op], a, b)

    def _shift(self, op: str, type_: str, a: Any, b_type: str, b: Any) -> Any:
        """A negative amount or one of the width or more gives 0, or the sign for `>>` of a signed value."""
        builder = self._env.builder
        width = a.type.width
        wide = resize(builder, b, 64, signed=is_signed(b_type))
        too_far = builder.icmp_unsigned(">=", wide, I64(width))
        amount = resize(builder, builder.select(too_far, I64(0), wide), width, signed=False)
        if op == "shl":
            return builder.select(too_far, a.type(0), builder.shl(a, amount))
        if not is_signed(type_):
            return builder.select(too_far, a.type(0), builder.lshr(a, amount))
        last = builder.select(too_far, a.type(width - 1), amount)
        return builder.ashr(a, last)

    def _divide(self, op: str, type_: str, a: Any, b: Any) -> Any:
        """Faults when `b` is 0. The least number divided by -1 wraps to itself."""
        env = self._env
        env.fault_if(env.builder.icmp_unsigned("==", b, b.type(0)), Fault.DIVIDE_BY_ZERO, I64(0))
        builder = env.builder
        if not is_signed(type_):
            return builder.udiv(a, b) if op == "div" else builder.urem(a, b)
        is_minus_one = builder.icmp_signed("==", b, b.type(-1))
        divisor = builder.select(is_minus_one, b.type(1), b)
        if op == "div":
            return builder.select(is_minus_one, builder.neg(a), builder.sdiv(a, divisor))
        return builder.select(is_minus_one, a.type(0), builder.srem(a, divisor))
