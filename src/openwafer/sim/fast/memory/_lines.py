"""A DSD operation on memory line by line: as many elements at a time as all operands go on with one stride.

Elements are handled strictly one after the other, as `_op` does it with single ones."""

from __future__ import annotations

from typing import Any

from openwafer.sim.fast._raw import kernel, load16, load32, load64, sext16, store16, store32, store64
from openwafer.sim.fast.memory._alu import ADDC16, alu
from openwafer.sim.fast.memory._loops import ARRAY_ARRAY, ARRAY_SCALAR, SCALAR_ARRAY, fast_loop
from openwafer.sim.fast.memory._operand import (
    BOUNDS,
    COUNT0,
    EXTENTS,
    KIND,
    MEM1D,
    MEM4D,
    PLACE,
    POINTER,
    SCALAR,
    STRIDES,
    advance_walker,
    outermost,
)

_LOW, _LOW_48 = 0xFFFF, 0xFFFFFFFFFFFF


@kernel
def _simplify(walker: Any) -> Any:
    """Fewer dimensions for the same elements, before the first: those of one element go, and two of which one
    continues the other become one."""
    if load64(walker + KIND) != MEM4D:
        return
    extents, strides = load64(walker + EXTENTS), load64(walker + STRIDES)
    while outermost(extents) > 0:
        inner, next_ = extents & _LOW, (extents >> 16) & _LOW
        if inner == 1:
            extents, strides = (extents >> 16) & _LOW_48, (strides >> 16) & _LOW_48
        elif next_ == 1 or ((strides ^ (strides >> 16)) & _LOW == 0 and 0 < inner * next_ <= _LOW):
            extents = inner * next_ | ((extents >> 32) & 0xFFFFFFFF) << 16
            strides = strides & _LOW | ((strides >> 32) & 0xFFFFFFFF) << 16
        else:
            break
        extents |= 1 << 48
    store64(walker + EXTENTS, extents)
    store64(walker + STRIDES, strides)
    store64(walker + BOUNDS, outermost(extents))


@kernel
def _is_line(kind: Any) -> Any:
    return kind in (MEM1D, MEM4D, SCALAR, POINTER)


@kernel
def _line(walker: Any, n: Any) -> Any:
    """How many of the next `n` elements follow at the innermost stride, at least 1."""
    if load64(walker + KIND) != MEM4D or load64(walker + BOUNDS) == 0:
        return n
    return max(min(n, (load64(walker + EXTENTS) & _LOW) - load64(walker + COUNT0)), 1)


@kernel
def _move(walker: Any, n: Any) -> Any:
    """Past the `n` elements of a line."""
    kind, place = load64(walker + KIND), load64(walker + PLACE)
    if kind != MEM1D and kind != MEM4D:
        return
    if kind == MEM4D and load64(walker + BOUNDS) > 0:
        store64(walker + COUNT0, load64(walker + COUNT0) + n - 1)
    store64(walker + PLACE, (place + (n - 1) * sext16(load64(walker + STRIDES))) & _LOW)
    advance_walker(walker)


@kernel
def _is_inside(walker: Any, n: Any, size: Any, memory_bytes: Any) -> Any:
    if load64(walker + KIND) == SCALAR:
        return True
    place = load64(walker + PLACE)
    last = place + (n - 1) * sext16(load64(walker + STRIDES))
    return min(place, last) >= 0 and max(place, last) + size <= memory_bytes


@kernel
def _any_loop(
    op: Any, n: Any, d: Any, ds: Any, size: Any, kind0: Any, a: Any, sa: Any, size0: Any, kind1: Any, b: Any,
    sb: Any, size1: Any, s: Any,
) -> Any:  # fmt: skip
    """A line of any operation through `alu`."""
    x, y = a, b
    for i in range(n):
        if kind0 != SCALAR:
            x = load16(a + i * sa) if size0 == 2 else load32(a + i * sa)
        if kind1 != SCALAR and size1 > 0:
            y = load16(b + i * sb) if size1 == 2 else load32(b + i * sb)
        result = alu(op, x, y, s)
        if size == 2:
            store16(d + i * ds, result)
        else:
            store32(d + i * ds, result)


@kernel
def _start(memory: Any, walker: Any, size: Any) -> Any:
    """The address of a line in this process, or the bits of a scalar."""
    place = load64(walker + PLACE)
    if load64(walker + KIND) == SCALAR:
        return place & _LOW if size == 2 else place
    return memory + place


@kernel
def _run_line(
    memory: Any, op: Any, n: Any, dest: Any, src0: Any, src1: Any, size: Any, size0: Any, size1: Any, s: Any
) -> Any:
    kind0, kind1 = load64(src0 + KIND), load64(src1 + KIND)
    a, b, d = _start(memory, src0, size0), _start(memory, src1, size1), memory + load64(dest + PLACE)
    sa, sb, ds = (
        sext16(load64(src0 + STRIDES)),
        sext16(load64(src1 + STRIDES)),
        sext16(load64(dest + STRIDES)),
    )
    shape = SCALAR_ARRAY if kind0 == SCALAR else ARRAY_SCALAR if kind1 == SCALAR else ARRAY_ARRAY
    both = kind0 == SCALAR and kind1 == SCALAR and size1 > 0
    if both or not fast_loop(op, shape, n, d, ds, a, sa, b, sb, s):
        _any_loop(op, n, d, ds, size, kind0, a, sa, size0, kind1, b, sb, size1, s)


@kernel
def run_lines(
    memory: Any, memory_bytes: Any, op: Any, n: Any, dest: Any, src0: Any, src1: Any, size: Any, size0: Any,
    size1: Any, s: Any,
) -> Any:  # fmt: skip
    """Handles elements from the first on and moves the walkers past them; how many: `n`, or fewer if an
    operand has no lines or leaves the memory. `size…` are the bytes of an element, 0 without src1."""
    kind, kind0, kind1 = load64(dest + KIND), load64(src0 + KIND), load64(src1 + KIND)
    if op == ADDC16 or kind == POINTER or not _is_line(kind) or not _is_line(kind0):
        return 0
    if size1 > 0 and not _is_line(kind1):
        return 0
    _simplify(dest)
    _simplify(src0)
    _simplify(src1)
    done = 0
    while done < n:
        count = min(_line(dest, n - done), _line(src0, n - done))
        if size1 > 0:
            count = min(count, _line(src1, n - done))
        if not (_is_inside(dest, count, size, memory_bytes) and _is_inside(src0, count, size0, memory_bytes)):
            return done
        if size1 > 0 and not _is_inside(src1, count, size1, memory_bytes):
            return done
        _run_line(memory, op, count, dest, src0, src1, size, size0, size1, s)
        _move(dest, count)
        _move(src0, count)
        if size1 > 0:
            _move(src1, count)
        done += count
    return done
