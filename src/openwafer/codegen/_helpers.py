"""Small functions that a compiled module may need, emitted on first use: f16 conversions and the LFSR.

f16 is converted with integer operations (and one exact f32 addition for subnormals): no library call, no
F16C, the same bits on every host. NaN becomes the quiet NaN 0x7e00 of the same sign.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from openwafer.codegen._abi import MEMORY_OP_SYMBOL
from openwafer.codegen._types import F32, I16, I32, I64, POINTER
from openwafer.tir import lfsr as _lfsr

F16_INFINITY_AS_F32 = 0x4780_0000
"""Bits of 2^16 in f32: from here on everything becomes infinity."""
F16_NORMAL_AS_F32 = 113 << 23
"""Bits of 2^-14 in f32, the least normal f16."""
HALF = 126 << 23
"""0.5 in f32: its last place is that of the f16 subnormals."""


class Helpers:
    """Functions and intrinsics of one module."""

    def __init__(self, module: ir.Module) -> None:
        self.module = module
        self._functions: dict[str, ir.Function] = {}

    def f16_to_f32(self, builder: ir.IRBuilder, bits: Any) -> Any:
        return builder.call(self._function("f16_to_f32", F32, I16, _f16_to_f32), [bits])

    def f32_to_f16(self, builder: ir.IRBuilder, value: Any) -> Any:
        return builder.call(self._function("f32_to_f16", I16, F32, _f32_to_f16), [value])

    def lfsr_advance(self, builder: ir.IRBuilder, state: Any) -> Any:
        return builder.call(self._function("lfsr_advance", I32, I32, _lfsr_advance), [state])

    def intrinsic(self, name: str, result: Any, *args: Any) -> ir.Function:
        """The LLVM intrinsic of this full name."""
        if name not in self._functions:
            self._functions[name] = ir.Function(self.module, ir.FunctionType(result, args), name)
        return self._functions[name]

    def memory_op(self) -> ir.Function:
        """The engine's function for memory-only DSD operations."""
        args = (POINTER, I32, POINTER, POINTER, POINTER, I32, I32, I32)
        return self.intrinsic(MEMORY_OP_SYMBOL, I64, *args)

    def _function(
        self, name: str, result: Any, arg: Any, emit: Callable[[ir.IRBuilder, Any], Any]
    ) -> ir.Function:
        if name not in self._functions:
            function = ir.Function(self.module, ir.FunctionType(result, [arg]), name)
            function.linkage = "internal"
            builder = ir.IRBuilder(function.append_basic_block())
            builder.ret(emit(builder, function.args[0]))
            self._functions[name] = function
        return self._functions[name]


def _f16_to_f32(b: ir.IRBuilder, bits: Any) -> Any:
    wide = b.zext(bits, I32)
    shifted = b.shl(b.and_(wide, I32(0x7FFF)), I32(13))
    exponent = b.and_(shifted, I32(0x7C00 << 13))
    normal = b.add(shifted, I32(112 << 23))
    infinite = b.add(shifted, I32(224 << 23))
    magic = I32(F16_NORMAL_AS_F32)
    tiny = b.fsub(b.bitcast(b.add(normal, I32(1 << 23)), F32), b.bitcast(magic, F32))
    result = b.select(b.icmp_unsigned("==", exponent, I32(0)), b.bitcast(tiny, I32), normal)
    result = b.select(b.icmp_unsigned("==", exponent, I32(0x7C00 << 13)), infinite, result)
    sign = b.shl(b.and_(wide, I32(0x8000)), I32(16))
    return b.bitcast(b.or_(result, sign), F32)


def _f32_to_f16(b: ir.IRBuilder, value: Any) -> Any:
    bits = b.bitcast(value, I32)
    magnitude = b.and_(bits, I32(0x7FFF_FFFF))
    odd = b.and_(b.lshr(magnitude, I32(13)), I32(1))
    rounded = b.add(b.add(magnitude, I32(0xFFF - (112 << 23))), odd)
    normal = b.lshr(rounded, I32(13))
    tiny = b.fadd(b.bitcast(magnitude, F32), b.bitcast(I32(HALF), F32))
    subnormal = b.sub(b.bitcast(tiny, I32), I32(HALF))
    is_nan = b.icmp_unsigned(">", magnitude, I32(0x7F80_0000))
    special = b.select(is_nan, I32(0x7E00), I32(0x7C00))
    result = b.select(b.icmp_unsigned("<", magnitude, I32(F16_NORMAL_AS_F32)), subnormal, normal)
    result = b.select(b.icmp_unsigned(">=", magnitude, I32(F16_INFINITY_AS_F32)), special, result)
    sign = b.lshr(b.and_(bits, I32(0x8000_0000)), I32(16))
    return b.trunc(b.or_(result, sign), I16)


def _lfsr_advance(b: ir.IRBuilder, state: Any) -> Any:
    for shift, right0, right1, mask in _lfsr.leaps():
        new = b.and_(b.xor(b.lshr(state, I32(right0)), b.lshr(state, I32(right1))), I32(mask))
        state = b.or_(b.shl(state, I32(shift)), new)
    return state
