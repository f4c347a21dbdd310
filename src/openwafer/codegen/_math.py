"""Intrinsics in LLVM IR. Each is exact or correctly rounded; f16 is computed in f32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from openwafer.codegen._convert import Conversions
from openwafer.codegen._env import Env
from openwafer.codegen._types import F32, F64, I1, I16, I32, is_float, is_signed, register_type, resize
from openwafer.diag import error

LLVM_FLOAT = {"sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "rint"}
COUNTS = ("clz", "ctz", "popcnt")


class Intrinsics:
    """Emits intrinsics into the function of `env`."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._convert = Conversions(env)

    def call(self, name: str, type_: str, of: str, args: list[Any]) -> Any:
        """`name` on arguments of type `of`, of result type `type_`; raises `unknown-intrinsic`."""
        emit = self._emitter(name, of)
        if emit is None:
            raise error("unknown-intrinsic", f"intrinsic `{name}` of {of} is not supported")
        result = emit(*args)
        if is_float(of):
            return result
        return resize(self._env.builder, result, register_type(type_).width, signed=is_signed(of))

    def _emitter(self, name: str, of: str) -> Callable[..., Any] | None:
        name = {"fabs": "abs", "fmax": "max", "fmin": "min"}.get(name, name)
        if name in COUNTS and not is_float(of):
            return partial(self._count, name)
        if name == "abs":
            return partial(self._float_abs if is_float(of) else self._int_abs, of)
        if name in ("max", "min"):
            return partial(self._float_pick if is_float(of) else self._int_pick, name, of)
        if name in LLVM_FLOAT and is_float(of):
            return partial(self._by_f32, LLVM_FLOAT[name], of)
        return partial(self._round, of) if name == "round" and is_float(of) else None

    def _count(self, name: str, a: Any) -> Any:
        helpers, builder = self._env.helpers, self._env.builder
        llvm = {"clz": "ctlz", "ctz": "cttz", "popcnt": "ctpop"}[name]
        flags = [] if name == "popcnt" else [I1]
        function = helpers.intrinsic(f"llvm.{llvm}.i{a.type.width}", a.type, a.type, *flags)
        return builder.call(function, [a, *[flag(0) for flag in flags]])

    def _int_abs(self, of: str, a: Any) -> Any:
        builder = self._env.builder
        if not is_signed(of):
            return a
        return builder.select(builder.icmp_signed("<", a, a.type(0)), builder.neg(a), a)

    def _int_pick(self, name: str, of: str, a: Any, b: Any) -> Any:
        builder = self._env.builder
        compare = builder.icmp_signed if is_signed(of) else builder.icmp_unsigned
        return builder.select(compare(">" if name == "max" else "<", a, b), a, b)

    def _float_abs(self, of: str, a: Any) -> Any:
        builder = self._env.builder
        if of == "f16":
            return builder.and_(a, I16(0x7FFF))
        return builder.bitcast(builder.and_(builder.bitcast(a, I32), I32(0x7FFF_FFFF)), F32)

    def _float_pick(self, name: str, of: str, a: Any, b: Any) -> Any:
        """maxNum and minNum: a NaN loses; +0 is greater than -0."""
        builder = self._env.builder
        x, y = self._convert.widen(of, a), self._convert.widen(of, b)
        wins = builder.fcmp_ordered(">" if name == "max" else "<", x, y)
        is_a = builder.or_(wins, builder.fcmp_unordered("uno", y, y))
        picked = builder.select(is_a, a, b)
        picked = builder.select(builder.fcmp_unordered("uno", x, x), b, picked)
        equal = builder.fcmp_ordered("==", x, y)
        return builder.select(equal, self._merge(name, of, a, b), picked)

    def _merge(self, name: str, of: str, a: Any, b: Any) -> Any:
        """Of two equal numbers the greater zero, or the lesser."""
        builder = self._env.builder
        p, q = (a, b) if of == "f16" else (builder.bitcast(a, I32), builder.bitcast(b, I32))
        merged = builder.and_(p, q) if name == "max" else builder.or_(p, q)
        return merged if of == "f16" else builder.bitcast(merged, F32)

    def _by_f32(self, llvm: str, of: str, a: Any) -> Any:
        function = self._env.helpers.intrinsic(f"llvm.{llvm}.f32", F32, F32)
        return self._convert.narrow(of, self._env.builder.call(function, [self._convert.widen(of, a)]))

    def _round(self, of: str, a: Any) -> Any:
        """Nearest integer, halves away from zero: floor(|a| + 0.5) in f64, where the sum is exact enough."""
        builder, helpers = self._env.builder, self._env.helpers
        wide = builder.fpext(self._convert.widen(of, a), F64)
        magnitude = builder.call(helpers.intrinsic("llvm.fabs.f64", F64, F64), [wide])
        whole = builder.call(
            helpers.intrinsic("llvm.floor.f64", F64, F64), [builder.fadd(magnitude, F64(0.5))]
        )
        signed = builder.call(helpers.intrinsic("llvm.copysign.f64", F64, F64, F64), [whole, wide])
        return self._convert.narrow(of, builder.fptrunc(signed, F32))
