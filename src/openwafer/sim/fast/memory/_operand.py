"""An operand of a DSD operation walking over its elements, in compiled code.

A walker is `WALKER_WORDS` 64-bit words at some address, made from a 32-byte DSD record (`tir._tir.DsdWord`).
Addresses wrap at 65536. The step rules stand in docs/semantics.md, “Elements”.
"""

from __future__ import annotations

from typing import Any

from openwafer.sim.fast._raw import kernel, load16, load32, load64, sext16, store16, store64
from openwafer.tir import DsdFlag, DsdKind, DsdWord

WALKER_WORDS = 8
KIND, PLACE, STRIDES, EXTENTS, COUNT0, COUNT1, COUNT2, BOUNDS = (8 * i for i in range(WALKER_WORDS))
"""Byte offsets. PLACE is the byte address, or the value of a scalar; BOUNDS is the outermost dimension of
a mem4d, start | end << 16 of a circbuf."""

NONE, MEM1D, MEM4D, CIRCBUF = (int(k) for k in (DsdKind.NONE, DsdKind.MEM1D, DsdKind.MEM4D, DsdKind.CIRCBUF))
FABIN, FABOUT, FIFO = int(DsdKind.FABIN), int(DsdKind.FABOUT), int(DsdKind.FIFO)
SCALAR, POINTER = int(DsdKind.SCALAR), int(DsdKind.POINTER)

RECORD_BASE, RECORD_EXTENTS, RECORD_STRIDES = 2 * DsdWord.BASE, 2 * DsdWord.EXTENT0, 2 * DsdWord.STRIDE0
RECORD_ELEMENT_BYTES = 2 * DsdWord.ELEMENT_BYTES
RECORD_START, RECORD_END = 2 * DsdWord.COLOR, 2 * DsdWord.END
RECORD_FLAGS, RECORD_ACTIONS = 2 * DsdWord.FLAGS, 2 * DsdWord.ACTIONS
RECORD_MICROTHREAD = 2 * DsdWord.MICROTHREAD
ENDLESS_EXTENT = 0x7FFF
INDEX_BYTES = 2
MOST_COUNTED = 1 << 40
WAVELET_INDEX = int(DsdFlag.WAVELET_INDEX)


@kernel
def fit(record: Any, size: Any) -> Any:
    """Makes the strides of a memory DSD count elements of `size` bytes, whatever those of its array have."""
    if record == 0:
        return
    old, kind = load16(record + RECORD_ELEMENT_BYTES), load16(record)
    if old == 0 or old == size or kind == NONE or kind > CIRCBUF:
        return
    for k in range(4):
        place = record + RECORD_STRIDES + 2 * k
        store16(place, sext16(load16(place)) // old * size)
    store16(record + RECORD_ELEMENT_BYTES, size)


@kernel
def record_length(record: Any) -> Any:
    """Elements that the operand's own extents give; 0 for scalars, pointers and an absent operand. Beyond
    2^40 the number is not exact."""
    if record == 0:
        return 0
    kind = load16(record)
    extents = load64(record + RECORD_EXTENTS)
    if kind == MEM4D:
        inner = (extents & 0xFFFF) * ((extents >> 16) & 0xFFFF)
        inner = min(inner * ((extents >> 32) & 0xFFFF), MOST_COUNTED)
        return inner * ((extents >> 48) & 0xFFFF)
    if kind == NONE or kind >= SCALAR:
        return 0
    return extents & 0xFFFF


@kernel
def operation_length(dest: Any, src0: Any, src1: Any) -> Any:
    """Elements of an operation: of the first operand among src0, src1, dest with a length, else 1."""
    n = record_length(src0)
    if n == 0:
        n = record_length(src1)
    if n == 0:
        n = record_length(dest)
    return max(n, 1)


@kernel
def outermost(extents: Any) -> Any:
    """Number of the last dimension with an extent other than 1; 0 if there is none."""
    if (extents >> 48) & 0xFFFF != 1:
        return 3
    if (extents >> 32) & 0xFFFF != 1:
        return 2
    return 1 if (extents >> 16) & 0xFFFF != 1 else 0


@kernel
def start_walker(walker: Any, record: Any) -> Any:
    """Puts a walker at element 0 of a record; address 0 stands for an absent operand."""
    if record == 0:
        store64(walker + KIND, NONE)
        store64(walker + PLACE, 0)
        store64(walker + STRIDES, 0)
        return
    kind = load16(record)
    extents = load64(record + RECORD_EXTENTS)
    store64(walker + KIND, kind)
    store64(walker + PLACE, load32(record + RECORD_BASE) if kind == SCALAR else load16(record + RECORD_BASE))
    store64(walker + STRIDES, 0 if kind >= SCALAR else load64(record + RECORD_STRIDES))
    store64(walker + EXTENTS, extents)
    store64(walker + COUNT0, 0)
    store64(walker + COUNT1, 0)
    store64(walker + COUNT2, 0)
    if kind == CIRCBUF:
        store64(walker + BOUNDS, load16(record + RECORD_START) | load16(record + RECORD_END) << 16)
    else:
        store64(walker + BOUNDS, outermost(extents))


@kernel
def move_walker(walker: Any, record: Any, index: Any) -> Any:
    """Moves the start of a walker by 2 · `index` bytes if its record asks for that."""
    if record == 0 or load16(record + RECORD_FLAGS) & WAVELET_INDEX == 0:
        return
    kind = load16(record)
    if kind in (MEM1D, MEM4D):
        store64(walker + PLACE, (load64(walker + PLACE) + INDEX_BYTES * index) & 0xFFFF)


@kernel
def advance_walker(walker: Any) -> Any:
    """Moves a walker in memory (or a pointer or scalar, which stay) to its next element."""
    kind = load64(walker + KIND)
    strides = load64(walker + STRIDES)
    place = load64(walker + PLACE)
    if kind == MEM4D:
        extents, outer = load64(walker + EXTENTS), load64(walker + BOUNDS)
        k = 0
        while k < outer and load64(walker + COUNT0 + 8 * k) + 1 >= (extents >> 16 * k) & 0xFFFF:
            store64(walker + COUNT0 + 8 * k, 0)
            k += 1
        if k < outer:
            store64(walker + COUNT0 + 8 * k, load64(walker + COUNT0 + 8 * k) + 1)
        store64(walker + PLACE, (place + (strides >> 16 * k)) & 0xFFFF)
    elif kind == CIRCBUF:
        bounds = load64(walker + BOUNDS)
        store64(walker + PLACE, into_circle(place + sext16(strides), bounds & 0xFFFF, bounds >> 16))
    elif kind == MEM1D:
        store64(walker + PLACE, (place + strides) & 0xFFFF)


@kernel
def into_circle(place: Any, start: Any, end: Any) -> Any:
    """A place that one stride moved, brought back once by the size of the buffer if it left [start, end)."""
    if place >= end:
        place -= end - start
    elif place < start:
        place += end - start
    return place & 0xFFFF


@kernel
def base_after(record: Any) -> Any:
    """The base that `save_address` leaves: the place of the element one past the record's own extents."""
    kind = load16(record)
    place, extents = load16(record + RECORD_BASE), load64(record + RECORD_EXTENTS)
    strides = load64(record + RECORD_STRIDES)
    length = record_length(record)
    if kind == MEM1D:
        return (place + length * strides) & 0xFFFF
    if kind == CIRCBUF:
        start, end = load16(record + RECORD_START), load16(record + RECORD_END)
        for _ in range(length):
            place = into_circle(place + sext16(strides), start, end)
        return place
    outer = outermost(extents)
    steps = length
    for k in range(outer):
        carried = steps // max((extents >> 16 * k) & 0xFFFF, 1)
        place += (steps - carried) * sext16(strides >> 16 * k)
        steps = carried
    return (place + steps * sext16(strides >> 16 * outer)) & 0xFFFF


@kernel
def save_base(record: Any) -> Any:
    """Does what `save_address` asks for to the record of a DSR."""
    store16(record + RECORD_BASE, base_after(record))
