"""One element of a DSD operation whose operands are in memory or scalars: read, compute, write."""

from __future__ import annotations

from typing import Any

from openwafer.sim.fast._raw import kernel, load16, load32, load64, store16, store32
from openwafer.sim.fast.memory._alu import ADDC16
from openwafer.sim.fast.memory._operand import KIND, PLACE, SCALAR, advance_walker

OUT_OF_BOUNDS = -1


@kernel
def read_place(memory: Any, memory_bytes: Any, place: Any, size: Any) -> Any:
    """The bits at a byte address of the PE's memory, or OUT_OF_BOUNDS."""
    if place + size > memory_bytes:
        return OUT_OF_BOUNDS
    return load16(memory + place) if size == 2 else load32(memory + place)


@kernel
def write_place(memory: Any, memory_bytes: Any, place: Any, size: Any, bits: Any) -> Any:
    """Whether the place was within the PE's memory."""
    if place + size > memory_bytes:
        return False
    if size == 2:
        store16(memory + place, bits)
    else:
        store32(memory + place, bits)
    return True


@kernel
def scalar_bits(walker: Any, size: Any) -> Any:
    value = load64(walker + PLACE)
    return value & 0xFFFF if size == 2 else value


@kernel
def read_operand(memory: Any, memory_bytes: Any, walker: Any, size: Any) -> Any:
    """The next element of a source in memory, a pointer or a scalar, or OUT_OF_BOUNDS (and no move)."""
    if load64(walker + KIND) == SCALAR:
        return scalar_bits(walker, size)
    bits = read_place(memory, memory_bytes, load64(walker + PLACE), size)
    if bits >= 0:
        advance_walker(walker)
    return bits


@kernel
def initial_scalar(op: Any, scalar: Any) -> Any:
    """What `alu` gets as last scalar at the first element: addc16 begins without a carry."""
    return 0 if op == ADDC16 else scalar
