"""What a DSD operation does to one element, on raw bits, in compiled code.

f16 and f32 round once, to nearest even. Assumed, because the machine's behaviour is not public: fmac is
rounded once (fused); fmax is maxNum (the other operand if one is NaN, +0 above −0); conversions to i16
truncate and saturate, NaN gives 0. Moves, `fabs` and `fneg` keep all bits. The NaN that arithmetic gives
is not defined.
"""

from __future__ import annotations

from typing import Any

import numba as nb

from openwafer.sim.fast._raw import (
    bits_from_f32,
    bits_from_f64,
    f32_from_bits,
    f64_from_bits,
    fma32,
    kernel,
    popcount,
    sext16,
    trailing_zeros,
)
from openwafer.sim.fast.memory._half import (
    F16_INFINITY,
    F32_INFINITY,
    add_half,
    f32_of_half,
    fma_half,
    half_of_f32,
    half_of_f64,
    multiply_half,
    subtract_half,
)
from openwafer.tir import DSD_OPS

NUMBER: dict[str, int] = {name: op.number for name, op in DSD_OPS.items()}
MOV16, MOV32, FMOVH, FMOVS = (NUMBER[n] for n in ("mov16", "mov32", "fmovh", "fmovs"))
ADD16, ADDC16, SUB16 = (NUMBER[n] for n in ("add16", "addc16", "sub16"))
AND16, OR16, XOR16 = (NUMBER[n] for n in ("and16", "or16", "xor16"))
SAR16, SLL16, SLR16 = (NUMBER[n] for n in ("sar16", "sll16", "slr16"))
CLZ, CTZ, POPCNT = (NUMBER[n] for n in ("clz", "ctz", "popcnt"))
FADDH, FADDS, FSUBH, FSUBS = (NUMBER[n] for n in ("faddh", "fadds", "fsubh", "fsubs"))
FMULH, FMULS, FMAXH, FMAXS = (NUMBER[n] for n in ("fmulh", "fmuls", "fmaxh", "fmaxs"))
FABSH, FABSS, FNEGH, FNEGS = (NUMBER[n] for n in ("fabsh", "fabss", "fnegh", "fnegs"))
FNORMH, FNORMS, FH2S, FS2H = (NUMBER[n] for n in ("fnormh", "fnorms", "fh2s", "fs2h"))
FH2XP16, FS2XP16, XP162FH, XP162FS = (NUMBER[n] for n in ("fh2xp16", "fs2xp16", "xp162fh", "xp162fs"))
FADDHS, FMACH, FMACS, FMACHS = (NUMBER[n] for n in ("faddhs", "fmach", "fmacs", "fmachs"))
FSCALEH, FSCALES = NUMBER["fscaleh"], NUMBER["fscales"]

_SCALE_LIMIT = 400
"""Powers of two beyond this take every f32 to 0 or infinity, and keep the f64 exact."""


@kernel
def alu(op: Any, a: Any, b: Any, s: Any) -> Any:
    """Bits of the destination's element: `a` of src0, `b` of src1, `s` of the last scalar, all int64.

    addc16 takes the carry in `s` and gives the carry in bit 16; the caller keeps it from element to
    element."""
    if op in (MOV16, MOV32, FMOVH, FMOVS):
        return a
    if op <= POPCNT:
        return integer_alu(op, a, b, s)
    if op in (FADDH, FSUBH, FMULH, FMAXH, FMACH):
        return half_alu(op, a, b, s)
    if op >= FABSH and op <= XP162FS:
        return unary_alu(op, a)
    if op == FMACHS:
        return bits_from_f32(fma32(f32_of_half(b), f32_of_half(s), f32_from_bits(a)))
    if op == FSCALEH:
        return half_of_f64(_scaled(f32_of_half(a), s))
    if op == FSCALES:
        return bits_from_f32(nb.float32(_scaled(f32_from_bits(a), s)))
    if op == FADDHS:
        return bits_from_f32(f32_from_bits(a) + f32_of_half(b))
    return single_alu(op, a, b, s)


@kernel
def integer_alu(op: Any, a: Any, b: Any, s: Any) -> Any:
    if op == ADD16:
        return (a + b) & 0xFFFF
    if op == ADDC16:
        return a + b + s
    if op == SUB16:
        return (a - b) & 0xFFFF
    if op == AND16:
        return a & b
    if op == OR16:
        return a | b
    if op == XOR16:
        return a ^ b
    if op == SAR16:
        return (sext16(a) >> min(b, 15)) & 0xFFFF
    if op == SLL16:
        return (a << min(b, 16)) & 0xFFFF
    if op == SLR16:
        return a >> min(b, 16)
    if op == CTZ:
        return trailing_zeros(a | 0x10000)
    if op == POPCNT:
        return popcount(a)
    spread = a | a >> 1
    spread |= spread >> 2
    spread |= spread >> 4
    spread |= spread >> 8
    return 16 - popcount(spread)


@kernel
def half_alu(op: Any, a: Any, b: Any, s: Any) -> Any:
    if op == FADDH:
        return add_half(a, b)
    if op == FSUBH:
        return subtract_half(a, b)
    if op == FMULH:
        return multiply_half(a, b)
    if op == FMACH:
        return fma_half(a, b, s)
    if a & 0x7FFF > F16_INFINITY:
        return b
    if b & 0x7FFF > F16_INFINITY:
        return a
    x, y = f32_of_half(a), f32_of_half(b)
    return a & b if x == y else (a if x > y else b)


@kernel
def single_alu(op: Any, a: Any, b: Any, s: Any) -> Any:
    x, y = f32_from_bits(a), f32_from_bits(b)
    if op == FADDS:
        return bits_from_f32(x + y)
    if op == FSUBS:
        return bits_from_f32(x - y)
    if op == FMULS:
        return bits_from_f32(x * y)
    if op == FMACS:
        return bits_from_f32(fma32(y, f32_from_bits(s), x))
    if a & 0x7FFFFFFF > F32_INFINITY:
        return b
    if b & 0x7FFFFFFF > F32_INFINITY:
        return a
    return a & b if x == y else (a if x > y else b)


@kernel
def unary_alu(op: Any, a: Any) -> Any:
    """Sign operations, `fnorm` (the significand in ±[1, 2)) and conversions."""
    if op == FABSH:
        return a & 0x7FFF
    if op == FABSS:
        return a & 0x7FFFFFFF
    if op == FNEGH:
        return a ^ 0x8000
    if op == FNEGS:
        return a ^ 0x80000000
    if op == FNORMH:
        return half_of_f32(nb.float32(_significand(f32_of_half(a)))) if _is_plain(f32_of_half(a)) else a
    if op == FNORMS:
        return bits_from_f32(nb.float32(_significand(f32_from_bits(a)))) if _is_plain(f32_from_bits(a)) else a
    if op == FH2S:
        return bits_from_f32(f32_of_half(a))
    if op == FS2H:
        return half_of_f32(f32_from_bits(a))
    if op == FH2XP16:
        return _to_i16(f32_of_half(a))
    if op == FS2XP16:
        return _to_i16(f32_from_bits(a))
    if op == XP162FH:
        return half_of_f32(nb.float32(sext16(a)))
    return bits_from_f32(nb.float32(sext16(a)))


@kernel
def _is_plain(x: Any) -> Any:
    """Finite and not zero."""
    magnitude = bits_from_f32(x) & 0x7FFFFFFF
    return magnitude != 0 and magnitude < F32_INFINITY


@kernel
def _significand(x: Any) -> Any:
    bits = bits_from_f64(nb.float64(x))
    return f64_from_bits((bits & ~(0x7FF << 52)) | (1023 << 52))


@kernel
def _scaled(x: Any, s: Any) -> Any:
    """x·2^s as an exact f64, `s` an i16 that is cut to what matters."""
    exponent = min(max(sext16(s), -_SCALE_LIMIT), _SCALE_LIMIT)
    return nb.float64(x) * f64_from_bits((exponent + 1023) << 52)


@kernel
def _to_i16(x: Any) -> Any:
    if x != x:
        return 0
    return nb.int64(min(max(x, nb.float32(-32768.0)), nb.float32(32767.0))) & 0xFFFF
