"""f16 in compiled code: exact conversions on bits, the same on every processor.

A sum or product of two f16 computed in f32 and rounded again is the correctly rounded one (24 ≥ 2·11 + 2). A
fused multiply-add is summed in f64, exactly wherever that matters: the product has 22 bits, and whenever the
result is finite and not simply the addend, all bits of the sum lie within 53.
"""

from __future__ import annotations

from typing import Any

import numba as nb

from openwafer.sim.fast._raw import bits_from_f32, bits_from_f64, f32_from_bits, f64_from_bits, kernel

F32_INFINITY = 0x7F800000
F16_INFINITY = 0x7C00
F16_NAN = 0x7E00
_REBIAS_UP = f"0x1p{127 - 15}"
_TO_F32 = float.fromhex(_REBIAS_UP)


@kernel
def f32_of_half(h: Any) -> Any:
    """The f16 with bits `h` (a NaN becomes the NaN with these bits on top)."""
    magnitude = (h & 0x7FFF) << 13
    sign = (h & 0x8000) << 16
    number = bits_from_f32(f32_from_bits(magnitude) * nb.float32(_TO_F32))
    special = magnitude | F32_INFINITY
    return f32_from_bits(sign | (special if magnitude >= F16_INFINITY << 13 else number))


@kernel
def half_of_f32(number: Any) -> Any:
    """Bits of the f16 nearest to an f32, ties to even."""
    bits = bits_from_f32(number)
    sign = (bits >> 16) & 0x8000
    magnitude = bits & 0x7FFFFFFF
    odd = (magnitude >> 13) & 1
    normal = (magnitude - ((127 - 15) << 23) + 0xFFF + odd) >> 13
    shifted = f32_from_bits(magnitude) + nb.float32(0.5)
    subnormal = bits_from_f32(shifted) - 0x3F000000
    special = F16_NAN if magnitude > F32_INFINITY else F16_INFINITY
    small = subnormal if magnitude < (127 - 14) << 23 else normal
    return sign | (special if magnitude >= (127 + 16) << 23 else small)


@kernel
def half_of_f64(number: Any) -> Any:
    """Bits of the f16 nearest to an f64, ties to even: rounded to 11 bits by a large addend, then exact."""
    bits = bits_from_f64(number)
    exponent = (bits >> 52) & 0x7FF
    exponent = min(max(exponent, 1023 - 14), 1023 + 16)
    large = f64_from_bits(((exponent + 42) << 52) | (1 << 51))
    rounded = (number + large) - large
    return (half_of_f32(nb.float32(rounded)) & 0x7FFF) | ((bits >> 48) & 0x8000)


@kernel
def add_half(a: Any, b: Any) -> Any:
    return half_of_f32(f32_of_half(a) + f32_of_half(b))


@kernel
def subtract_half(a: Any, b: Any) -> Any:
    return half_of_f32(f32_of_half(a) - f32_of_half(b))


@kernel
def multiply_half(a: Any, b: Any) -> Any:
    return half_of_f32(f32_of_half(a) * f32_of_half(b))


@kernel
def fma_half(a: Any, b: Any, s: Any) -> Any:
    """a + b·s, rounded once."""
    product = f32_of_half(b) * f32_of_half(s)
    return half_of_f64(nb.float64(f32_of_half(a)) + nb.float64(product))
