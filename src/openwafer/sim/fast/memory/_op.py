"""`openwafer_memory_op`: a DSD operation on memory alone, done at once. See `_abi.MEMORY_OP_SYMBOL`.

Elements are handled strictly one after the other: line by line where the operands allow it (`_lines`),
else one by one through `alu`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb

from openwafer.codegen import Ctx
from openwafer.cost import memory_beats, other_bank
from openwafer.sim.fast._raw import (
    add64,
    kernel,
    load16,
    load64,
    sext16,
    stack_block,
    store16,
    store64,
    to_pointer,
)
from openwafer.sim.fast.memory import _alu as ops
from openwafer.sim.fast.memory._alu import ADDC16, alu
from openwafer.sim.fast.memory._element_step import OUT_OF_BOUNDS, initial_scalar, read_operand, write_place
from openwafer.sim.fast.memory._lines import run_lines
from openwafer.sim.fast.memory._loops import fast_sum
from openwafer.sim.fast.memory._operand import (
    CIRCBUF,
    FABIN,
    FIFO,
    KIND,
    MEM1D,
    MEM4D,
    NONE,
    PLACE,
    POINTER,
    RECORD_BASE,
    RECORD_FLAGS,
    SCALAR,
    STRIDES,
    WALKER_WORDS,
    advance_walker,
    base_after,
    fit,
    move_walker,
    operation_length,
    start_walker,
)
from openwafer.tir import (
    COUNTERS,
    DSD_OPS,
    DSD_OPS_BY_NUMBER,
    ELEMENT_BYTES,
    MOST_ELEMENTS,
    Counter,
    DsdFlag,
    DsdOpSpec,
)

OP_COUNT = len(DSD_OPS_BY_NUMBER)
_TIMING_COLUMNS = 4
_TIMING_FACTS = 5
MEMORY, MEMORY_BYTES = 8 * Ctx.MEMORY, 8 * Ctx.MEMORY_BYTES
PROFILE, ROW_BYTES = 8 * Ctx.PROFILE, 8 * COUNTERS
FAULT_LOC, FAULT_DETAIL, INDEX = 8 * Ctx.FAULT_LOC, 8 * Ctx.FAULT_DETAIL, 8 * Ctx.INDEX
SAVE_ADDRESS = int(DsdFlag.SAVE_ADDRESS)
UNSUPPORTED_DETAIL = -1
"""FAULT_DETAIL when an operand is of a kind that the operation cannot have."""


def _mask(is_member: Callable[[DsdOpSpec], bool]) -> int:
    """The numbers of the operations that have a property, as bits."""
    return sum(1 << op.number for op in DSD_OPS_BY_NUMBER if is_member(op))


_WIDE_DEST = _mask(lambda op: ELEMENT_BYTES[op.dest] == 4)
_WIDE_SRC0 = _mask(lambda op: ELEMENT_BYTES[op.src0] == 4)
_WIDE_SRC1 = _mask(lambda op: ELEMENT_BYTES[op.src] == 4)
_HAS_SRC1 = _mask(lambda op: op.sources == 2)
FADDS = DSD_OPS["fadds"].number

_three_walkers = stack_block(3 * WALKER_WORDS)
_beats = nb.njit(nogil=True, error_model="numpy")(memory_beats)
_other_bank = nb.njit(nogil=True, error_model="numpy")(other_bank)


@kernel
def dest_bytes(op: Any) -> Any:
    return 2 + 2 * ((_WIDE_DEST >> op) & 1)


@kernel
def src0_bytes(op: Any) -> Any:
    return 2 + 2 * ((_WIDE_SRC0 >> op) & 1)


@kernel
def src1_bytes(op: Any) -> Any:
    """0 for an operation with one source."""
    return (2 + 2 * ((_WIDE_SRC1 >> op) & 1)) * ((_HAS_SRC1 >> op) & 1)


@kernel
def is_reduction(dest_kind: Any, kind0: Any, kind1: Any) -> Any:
    """Pointer destination, two sources, exactly one of them a scalar."""
    return dest_kind == POINTER and kind1 != NONE and (kind0 == SCALAR) != (kind1 == SCALAR)


@kernel
def reduces_wrongly(op: Any, dest_kind: Any, kind0: Any, kind1: Any) -> Any:
    """A reduction into a scalar that has not the destination's width."""
    if not is_reduction(dest_kind, kind0, kind1):
        return False
    return (src0_bytes(op) if kind0 == SCALAR else src1_bytes(op)) != dest_bytes(op)


@kernel
def _try_sum(memory: Any, memory_bytes: Any, op: Any, n: Any, dest: Any, src0: Any, src1: Any) -> Any:
    """Adds up f32 elements of one stride into a pointer; whether this was such an operation."""
    if op != FADDS or load64(dest + KIND) != POINTER:
        return False
    if load64(src0 + KIND) != SCALAR or load64(src1 + KIND) != MEM1D:
        return False
    place, stride = load64(src1 + PLACE), sext16(load64(src1 + STRIDES))
    last = place + (n - 1) * stride
    if min(place, last) < 0 or max(place, last) + 4 > memory_bytes:
        return False
    total = ops.bits_from_f32(fast_sum(op, load64(src0 + PLACE), n, memory + place, stride))
    return write_place(memory, memory_bytes, load64(dest + PLACE), 4, total)


@kernel
def _run_elements(
    memory: Any, memory_bytes: Any, op: Any, n: Any, dest: Any, src0: Any, src1: Any, scalar: Any
) -> Any:
    """Every element through `alu`; the address of the first access out of bounds, else -1."""
    size, size0, size1 = dest_bytes(op), src0_bytes(op), src1_bytes(op)
    kind0, kind1 = load64(src0 + KIND), load64(src1 + KIND)
    reduces = is_reduction(load64(dest + KIND), kind0, kind1)
    s, a, b, result = initial_scalar(op, scalar), 0, 0, 0
    for i in range(n):
        if reduces and i > 0 and kind0 == SCALAR:
            a = result
        else:
            a = read_operand(memory, memory_bytes, src0, size0)
        if size1 > 0:
            if reduces and i > 0 and kind1 == SCALAR:
                b = result
            else:
                b = read_operand(memory, memory_bytes, src1, size1)
        if a == OUT_OF_BOUNDS:
            return load64(src0 + PLACE)
        if b == OUT_OF_BOUNDS:
            return load64(src1 + PLACE)
        result = alu(op, a, b, s)
        if op == ADDC16:
            s = result >> 16
            result &= 0xFFFF
        if not reduces:
            if not write_place(memory, memory_bytes, load64(dest + PLACE), size, result):
                return load64(dest + PLACE)
            advance_walker(dest)
    if reduces and not write_place(memory, memory_bytes, load64(dest + PLACE), size, result):
        return load64(dest + PLACE)
    return -1


@kernel
def _saved(record: Any) -> Any:
    """The new base of a record with SAVE_ADDRESS, -1 without."""
    if record == 0 or not (load16(record + RECORD_FLAGS) & SAVE_ADDRESS):
        return -1
    kind = load16(record)
    return base_after(record) if kind in (MEM1D, MEM4D, CIRCBUF) else -1


@kernel
def _cannot(kind: Any) -> Any:
    return kind == NONE or (kind >= FABIN and kind <= FIFO) or kind > POINTER


@kernel
def _fault(ctx: Any, loc: Any, detail: Any) -> Any:
    store64(ctx + FAULT_LOC, loc)
    store64(ctx + FAULT_DETAIL, detail)
    return -1


@kernel
def _count(row: Any, elements: Any, busy: Any, banks: Any) -> Any:
    """One more operation in a line's row of counters."""
    add64(row + 8 * Counter.OPERATIONS, 1)
    add64(row + 8 * Counter.ELEMENTS, elements)
    add64(row + 8 * Counter.BUSY, busy)
    add64(row + 8 * Counter.BANKS, banks)


@nb.njit(nogil=True, error_model="numpy")
def memory_op(ctx: Any, op: Any, dest: Any, src0: Any, src1: Any, scalar: Any, setup: Any, loc: Any) -> Any:
    """The function of `MEMORY_OP_SYMBOL`, all arguments int64; records and `ctx` are addresses, `src1`
    may be 0."""
    fit(dest, dest_bytes(op))
    fit(src0, src0_bytes(op))
    fit(src1, src1_bytes(op))
    walkers = _three_walkers()
    w0, w1 = walkers + 8 * WALKER_WORDS, walkers + 16 * WALKER_WORDS
    src1 = src1 if src1_bytes(op) > 0 else 0
    start_walker(walkers, dest)
    start_walker(w0, src0)
    start_walker(w1, src1)
    index = load64(ctx + INDEX)
    if index != 0:
        move_walker(walkers, dest, index)
        move_walker(w0, src0, index)
        move_walker(w1, src1, index)
    kind, kind0, kind1 = load64(walkers + KIND), load64(w0 + KIND), load64(w1 + KIND)
    if _cannot(kind) or kind == SCALAR or _cannot(kind0) or (src1_bytes(op) > 0 and _cannot(kind1)):
        return _fault(ctx, loc, UNSUPPORTED_DETAIL)
    if reduces_wrongly(op, kind, kind0, kind1):
        return _fault(ctx, loc, UNSUPPORTED_DETAIL)
    n = operation_length(dest, src0, src1)
    if n > MOST_ELEMENTS:
        return _fault(ctx, loc, UNSUPPORTED_DETAIL)
    saved, saved0, saved1 = _saved(dest), _saved(src0), _saved(src1)
    table = nb.carray(to_pointer(load64(ctx + 8 * Ctx.TIMING_OPS)), (OP_COUNT, _TIMING_COLUMNS))
    facts = nb.carray(to_pointer(load64(ctx + 8 * Ctx.TIMING_FACTS)), (_TIMING_FACTS,))
    beats = _beats(
        table, facts, op, n, kind, sext16(load64(walkers + STRIDES)), kind0, load64(w0 + PLACE) & 0xFFFF,
        sext16(load64(w0 + STRIDES)), kind1, load64(w1 + PLACE) & 0xFFFF, sext16(load64(w1 + STRIDES)),
    )  # fmt: skip
    profile, apart = load64(ctx + PROFILE), beats
    if profile != 0:
        place0 = load64(w0 + PLACE) & 0xFFFF
        apart = _beats(
            table, facts, op, n, kind, sext16(load64(walkers + STRIDES)), kind0, place0,
            sext16(load64(w0 + STRIDES)), kind1, _other_bank(facts, place0), sext16(load64(w1 + STRIDES)),
        )  # fmt: skip
    memory, memory_bytes = load64(ctx + MEMORY), load64(ctx + MEMORY_BYTES)
    if not _try_sum(memory, memory_bytes, op, n, walkers, w0, w1):
        sizes = dest_bytes(op), src0_bytes(op), src1_bytes(op)
        done = run_lines(memory, memory_bytes, op, n, walkers, w0, w1, sizes[0], sizes[1], sizes[2], scalar)
        wrong = _run_elements(memory, memory_bytes, op, n - done, walkers, w0, w1, scalar) if done < n else -1
        if wrong >= 0:
            return _fault(ctx, loc, wrong)
    if saved >= 0:
        store16(dest + RECORD_BASE, saved)
    if saved0 >= 0:
        store16(src0 + RECORD_BASE, saved0)
    if saved1 >= 0:
        store16(src1 + RECORD_BASE, saved1)
    store64(ctx + 8 * Ctx.ELEMENTS, load64(ctx + 8 * Ctx.ELEMENTS) + n)
    if profile != 0:
        _count(profile + ROW_BYTES * loc, n, setup + apart, beats - apart)
    return setup + beats


def openwafer_memory_op(
    ctx: Any, op: Any, dest: Any, src0: Any, src1: Any, scalar: Any, setup: Any, loc: Any
) -> Any:
    """The function behind `MEMORY_OP_SYMBOL`; `_entry` compiles it."""
    bits = nb.int64(scalar) & 0xFFFFFFFF
    return memory_op(ctx, nb.int64(op), dest, src0, src1, bits, nb.int64(setup), nb.int64(loc))
