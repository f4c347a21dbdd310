"""Constants and conversions between scalar types in LLVM IR."""

from __future__ import annotations

import struct
from typing import Any

from llvmlite import ir

from openwafer.codegen._env import Env
from openwafer.codegen._types import F32, I16, I32, is_float, is_signed, register_type, resize


class Conversions:
    """Emits conversions into the function of `env`. f16 values pass through f32, which holds them exactly."""

    def __init__(self, env: Env) -> None:
        self._env = env

    def constant(self, type_: str, value: float) -> Any:
        if type_ == "f16":
            return I16(_bits("<e", "<H", float(value)))
        if type_ == "f32":
            return I32(_bits("<f", "<I", float(value))).bitcast(F32)
        llvm_type = register_type(type_)
        return llvm_type(int(value) & ((1 << llvm_type.width) - 1))

    def widen(self, type_: str, value: Any) -> Any:
        """An f16 or f32 as f32."""
        return self._env.helpers.f16_to_f32(self._env.builder, value) if type_ == "f16" else value

    def narrow(self, type_: str, value: Any) -> Any:
        """An f32 rounded to f16, or itself."""
        return self._env.helpers.f32_to_f16(self._env.builder, value) if type_ == "f16" else value

    def cast(self, source: str, target: str, value: Any) -> Any:
        """Numeric conversion. Integers beyond 2^24 become infinite in f16, so f32 between is exact enough."""
        builder = self._env.builder
        if source == target:
            return value
        if target == "bool":
            return self._truth(source, value)
        if is_float(target):
            return self.narrow(target, self._to_f32(source, value))
        if is_float(source):
            return self._to_int(target, self.widen(source, value))
        return resize(builder, value, register_type(target).width, signed=is_signed(source))

    def bitcast(self, target: str, value: Any) -> Any:
        """The same bits (zero-extended or cut where the widths differ)."""
        builder = self._env.builder
        bits = builder.bitcast(value, I32) if value.type == F32 else value
        if target == "f32":
            return builder.bitcast(resize(builder, bits, 32, signed=False), F32)
        return resize(builder, bits, register_type(target).width, signed=False)

    def _truth(self, source: str, value: Any) -> Any:
        builder = self._env.builder
        if is_float(source):
            return builder.fcmp_unordered("!=", self.widen(source, value), F32(0.0))
        return builder.icmp_unsigned("!=", value, value.type(0))

    def _to_f32(self, source: str, value: Any) -> Any:
        if is_float(source):
            return self.widen(source, value)
        builder = self._env.builder
        return builder.sitofp(value, F32) if is_signed(source) else builder.uitofp(value, F32)

    def _to_int(self, target: str, value: Any) -> Any:
        """Truncates, saturates; NaN gives 0."""
        result: ir.IntType = register_type(target)
        kind = "fptosi" if is_signed(target) else "fptoui"
        name = f"llvm.{kind}.sat.i{result.width}.f32"
        return self._env.builder.call(self._env.helpers.intrinsic(name, result, F32), [value])


def _bits(as_float: str, as_int: str, value: float) -> int:
    return struct.unpack(as_int, struct.pack(as_float, value))[0]
