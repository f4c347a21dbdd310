"""FIFOs of a PE in the fast engine. Compiled code. The rules: docs/semantics.md, “FIFOs”."""

from __future__ import annotations

from typing import Any

from openwafer.sim.fast._raw import kernel, load16, load32, load64, store16, store32, store64
from openwafer.sim.fast._state import (
    ASYNCHRONOUS,
    FIFO_BYTES,
    FIFO_FAULT,
    PACKED,
    SUSPEND,
    TERMINATE,
    TEST_OR_SUSPEND,
    Fifo,
    Pe,
    Slot,
)

LACKS_IN0, LACKS_IN1, LACKS_OUT = 1, 2, 4
GOES_ON, ENDS_FALSE, ENDS_TRUE, FAULTS = 0, 1, 2, 3
"""What a miss does to an operation."""


@kernel
def fifo_record(pe: Any, number: Any) -> Any:
    return load64(pe + Pe.FIFOS) + number * FIFO_BYTES


@kernel
def set_fifo_length(pe: Any, which: Any, length: Any) -> Any:
    """`which` is 2 · the FIFO's number + whether it is the write length."""
    store64(fifo_record(pe, which >> 1) + (Fifo.WRITE if which & 1 else Fifo.READ), length)


@kernel
def _element_place(pe: Any, fifo: Any, index: Any) -> Any:
    elements = load64(fifo + Fifo.ELEMENTS)
    if index >= elements:
        index -= elements
    return load64(pe + Pe.MEMORY) + load64(fifo + Fifo.PLACE) + index * load64(fifo + Fifo.ELEMENT_BYTES)


@kernel
def _activate(pe: Any, fifo: Any, mark: Any, task: Any) -> Any:
    """Clears a mark that is set and activates the task that waits for that."""
    if load64(fifo + mark) == 0:
        return
    store64(fifo + mark, 0)
    id = load64(fifo + task)
    if id != 0:
        store64(pe + Pe.ACTIVE, load64(pe + Pe.ACTIVE) | 1 << (id - 1))


@kernel
def push_element(pe: Any, fifo: Any, bits: Any) -> Any:
    count = load64(fifo + Fifo.COUNT)
    place = _element_place(pe, fifo, load64(fifo + Fifo.FRONT) + count)
    if load64(fifo + Fifo.ELEMENT_BYTES) == 2:
        store16(place, bits)
    else:
        store32(place, bits)
    store64(fifo + Fifo.COUNT, count + 1)
    _activate(pe, fifo, Fifo.HIT_EMPTY, Fifo.PUSH)


@kernel
def pop_element(pe: Any, fifo: Any) -> Any:
    front = load64(fifo + Fifo.FRONT)
    place = _element_place(pe, fifo, front)
    bits = load16(place) if load64(fifo + Fifo.ELEMENT_BYTES) == 2 else load32(place)
    store64(fifo + Fifo.FRONT, 0 if front + 1 == load64(fifo + Fifo.ELEMENTS) else front + 1)
    store64(fifo + Fifo.COUNT, load64(fifo + Fifo.COUNT) - 1)
    _activate(pe, fifo, Fifo.HIT_FULL, Fifo.POP)
    return bits


@kernel
def step_count(slot: Any) -> Any:
    """Elements that the next step of a slot handles."""
    return 2 if load64(slot + Slot.FLAGS) & PACKED and load64(slot + Slot.LEFT) != 1 else 1


@kernel
def lacking(slot: Any) -> Any:
    """Mask of the FIFOs of a slot that lack elements or places for its next step."""
    count, mask = step_count(slot), 0
    fifo = load64(slot + Slot.FIFO_IN0)
    if fifo != 0 and load64(fifo + Fifo.COUNT) < count:
        mask |= LACKS_IN0
    fifo = load64(slot + Slot.FIFO_IN1)
    if fifo != 0 and load64(fifo + Fifo.COUNT) < count:
        mask |= LACKS_IN1
    fifo = load64(slot + Slot.FIFO_OUT)
    if fifo != 0 and load64(fifo + Fifo.ELEMENTS) - load64(fifo + Fifo.COUNT) < count:
        mask |= LACKS_OUT
    return mask


@kernel
def _outcome(slot: Any, action: Any) -> Any:
    if action == FIFO_FAULT:
        return FAULTS
    if action == TERMINATE:
        return ENDS_TRUE
    is_ended = action == TEST_OR_SUSPEND and load64(slot + Slot.FLAGS) & ASYNCHRONOUS == 0
    return ENDS_FALSE if is_ended else GOES_ON


@kernel
def miss(slot: Any, mask: Any) -> Any:
    """Marks the FIFOs in `mask`; what the first action that is not to wait does."""
    said = GOES_ON
    for k in range(2):
        if (mask >> k) & 1:
            fifo = load64(slot + Slot.FIFO_IN0 + 8 * k)
            store64(fifo + Fifo.HIT_EMPTY, 1)
            if said == GOES_ON:
                said = _outcome(slot, load64(fifo + Fifo.EMPTY))
    if mask & LACKS_OUT:
        fifo = load64(slot + Slot.FIFO_OUT)
        store64(fifo + Fifo.HIT_FULL, 1)
        if said == GOES_ON:
            said = _outcome(slot, load64(fifo + Fifo.FULL))
    return said


@kernel
def miss_changes(slot: Any, mask: Any) -> Any:
    """Whether a miss of the FIFOs in `mask` would change anything."""
    for k in range(2):
        if (mask >> k) & 1:
            fifo = load64(slot + Slot.FIFO_IN0 + 8 * k)
            if load64(fifo + Fifo.HIT_EMPTY) == 0 or _outcome(slot, load64(fifo + Fifo.EMPTY)) != GOES_ON:
                return True
    if mask & LACKS_OUT:
        fifo = load64(slot + Slot.FIFO_OUT)
        return load64(fifo + Fifo.HIT_FULL) == 0 or _outcome(slot, load64(fifo + Fifo.FULL)) != GOES_ON
    return False


@kernel
def keep_lengths(slot: Any) -> Any:
    """The FIFOs of an operation that a miss ended keep what was left of its length."""
    left = load64(slot + Slot.LEFT)
    if left < 0:
        return
    for k in range(2):
        fifo = load64(slot + Slot.FIFO_IN0 + 8 * k)
        if fifo != 0:
            store64(fifo + Fifo.READ, left)
    fifo = load64(slot + Slot.FIFO_OUT)
    if fifo != 0:
        store64(fifo + Fifo.WRITE, left)


ACTIONS = {
    "test_or_suspend": TEST_OR_SUSPEND,
    "terminate": TERMINATE,
    "suspend": SUSPEND,
    "fault": FIFO_FAULT,
}
"""Fifo.EMPTY and Fifo.FULL by the names of `tir.Fifo`."""
