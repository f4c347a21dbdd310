"""DSD records, how they are walked, and the operation that walks them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from openwafer.sim.reference._elements import LOW_HALF, element_function
from openwafer.sim.reference._fifo import Fifo
from openwafer.sim.reference._values import wrapper
from openwafer.tir import MEDIUM, DsdFlag, DsdKind, DsdOpSpec, DsdWord

ENDLESS = 0x7FFF
ADDRESS_MASK = 0xFFFF
INDEX_BYTES = 2
FABRIC = (DsdKind.FABIN, DsdKind.FABOUT)
MEMORY = (DsdKind.MEM1D, DsdKind.MEM4D, DsdKind.CIRCBUF)
PACKED = DsdFlag.SIMD_32 | DsdFlag.SIMD_64
HIGH, LOW = 5, 1
"""Priority classes; MEDIUM lies between."""
_signed = wrapper("i16")


class Fault(Exception):
    """What a program did wrong; `id` is that of the diagnostic."""

    def __init__(self, id: str, message: str) -> None:
        super().__init__(message)
        self.id, self.message = id, message


class Pe(Protocol):
    """What an operation needs of its PE."""

    def read(self, address: int, size: int) -> int: ...

    def write(self, address: int, size: int, bits: int) -> None: ...

    def pop(self, queue: int) -> int: ...

    def push(self, queue: int, data: int, control: bool, color: int) -> None: ...

    def pop_fifo(self, fifo: Fifo) -> int: ...

    def push_fifo(self, fifo: Fifo, bits: int) -> None: ...


def extents(record: Sequence[int]) -> Sequence[int]:
    """The extents of a record in memory or on the fabric, innermost first."""
    last = DsdWord.EXTENT3 if record[DsdWord.KIND] == DsdKind.MEM4D else DsdWord.EXTENT0
    return record[DsdWord.EXTENT0 : last + 1]


def length_of(record: Sequence[int]) -> int:
    """Elements of one operand; 0 for scalars, pointers and what is absent."""
    return math.prod(extents(record)) if record[DsdWord.KIND] in MEMORY + FABRIC else 0


def addresses(record: Sequence[int]) -> Iterator[int]:
    """Byte addresses of element 0, 1, 2, … of an operand in memory, without end."""
    match record[DsdWord.KIND]:
        case DsdKind.MEM1D:
            base, stride = record[DsdWord.BASE], _signed(record[DsdWord.STRIDE0])
            return ((base + i * stride) & ADDRESS_MASK for i in itertools.count())
        case DsdKind.MEM4D:
            return _nested(record)
        case DsdKind.CIRCBUF:
            return _circular(record)
        case _:
            return itertools.repeat(record[DsdWord.BASE])


def _nested(record: Sequence[int]) -> Iterator[int]:
    address, sizes = record[DsdWord.BASE], extents(record)
    strides = record[DsdWord.STRIDE0 : DsdWord.STRIDE3 + 1]
    outermost = max((k for k in range(4) if sizes[k] != 1), default=0)
    index = [0] * 4
    while True:
        yield address
        k = 0
        while k < outermost and index[k] + 1 >= sizes[k]:
            index[k] = 0
            k += 1
        index[k] += 1
        address = (address + strides[k]) & ADDRESS_MASK


def _circular(record: Sequence[int]) -> Iterator[int]:
    address, stride = record[DsdWord.BASE], _signed(record[DsdWord.STRIDE0])
    start, end = record[DsdWord.COLOR], record[DsdWord.END]
    while True:
        yield address
        address += stride
        if address >= end:
            address -= end - start
        elif address < start:
            address += end - start
        address &= ADDRESS_MASK


def saved_base(record: Sequence[int]) -> int:
    """The base after an operation with `save_address`: the address of the element after the last."""
    if record[DsdWord.KIND] not in MEMORY:
        return record[DsdWord.BASE]
    return next(itertools.islice(addresses(record), length_of(record), None))


@dataclass(slots=True)
class Operand:
    """One operand of a running operation: its record, element size, and the DSR that it came from.

    `index` moves the start of one in memory that asks for it."""

    record: tuple[int, ...]
    element_bytes: int
    dsr: int | None = None
    fifo: Fifo | None = None
    index: int = 0
    half: int | None = None
    kind: int = field(init=False)
    queue: int = field(init=False)
    walk: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self.kind, self.queue = self.record[DsdWord.KIND], self.record[DsdWord.BASE]
        self.walk = addresses(self.moved())

    def moved(self) -> tuple[int, ...]:
        """The record with its base at the first element."""
        if self.kind not in (DsdKind.MEM1D, DsdKind.MEM4D) or not self.has(DsdFlag.WAVELET_INDEX):
            return self.record
        kind, base, *rest = self.record
        return (kind, base + INDEX_BYTES * self.index & ADDRESS_MASK, *rest)

    def has(self, flag: DsdFlag) -> bool:
        return bool(self.record[DsdWord.FLAGS] & flag)

    @property
    def scalar(self) -> int:
        bits = self.record[DsdWord.BASE] | self.record[DsdWord.EXTENT0] << 16
        return bits if self.element_bytes == 4 else bits & LOW_HALF


def scalar_record(bits: int) -> tuple[int, ...]:
    """A SCALAR record; `bits` may be a negative integer."""
    return (DsdKind.SCALAR, bits & LOW_HALF, bits >> 16 & LOW_HALF, *[0] * 13)


def pointer_record(address: int) -> tuple[int, ...]:
    return (DsdKind.POINTER, address & ADDRESS_MASK, *[0] * 14)


@dataclass(slots=True)
class Actions:
    """Task ids to activate and to unblock when an operation ends."""

    activate: int | None = None
    unblock: int | None = None

    def __bool__(self) -> bool:
        return self.activate is not None or self.unblock is not None


class Operation:
    """A DSD operation with its operands evaluated; `length` is None for one without end."""

    def __init__(
        self, row: DsdOpSpec, dest: Operand, sources: list[Operand], scalar: int, index: int | None, loc: int
    ) -> None:
        self.row, self.dest, self.sources, self.loc = row, dest, sources, loc
        self.operands = [dest, *sources]
        self.scalar, self.index = scalar, index
        self.inputs = [o for o in sources if o.kind == DsdKind.FABIN]
        self.outputs = [dest] if dest.kind == DsdKind.FABOUT else []
        self.fabric = self.inputs + self.outputs
        self.fifos = [(o.fifo, o is not dest) for o in (*sources, dest) if o.fifo]
        self.is_stepped = bool(self.fabric or self.fifos)
        self.result = True
        self.length = self._length()
        self.done = 0
        self.function = element_function(row.name)
        self.simd = 2 if self._is_packed() else 1
        scalars = [o for o in sources if o.kind == DsdKind.SCALAR]
        self.accumulator: Operand | None = None
        if dest.kind == DsdKind.POINTER and len(sources) == 2 and len(scalars) == 1:
            self.accumulator = scalars[0]
        self.total = scalars[0].scalar if self.accumulator else 0
        self.is_written_once = dest.kind == DsdKind.POINTER and any(o.fifo for o in sources)
        self._check()

    def _length(self) -> int | None:
        for operand in (*self.sources, self.dest):
            if length := self._length_of(operand):
                return None if operand.kind in FABRIC and length == ENDLESS else length
        return 1

    def _length_of(self, operand: Operand) -> int:
        if operand.fifo:
            return operand.fifo.length(is_source=operand is not self.dest)
        return length_of(operand.record)

    def priority(self) -> int:
        """The class that the operands on the fabric and the FIFOs give."""
        flags = [DsdFlag(o.record[DsdWord.FLAGS]) for o in self.operands if o.kind in (*FABRIC, DsdKind.FIFO)]
        if any(DsdFlag.PRIORITY_HIGH in f for f in flags):
            return HIGH
        return LOW if any(DsdFlag.PRIORITY_LOW in f for f in flags) else MEDIUM

    def _is_packed(self) -> bool:
        is_wanted = any(o.has(PACKED) for o in self.fabric)
        return is_wanted and all(o.element_bytes == 2 for o in self.fabric)

    def _check(self) -> None:
        for operand in self.operands:
            if operand.kind == DsdKind.NONE:
                raise Fault("unsupported", f"operand of kind NONE in `{self.row.name}`")
        wrong = self.dest.kind == DsdKind.FABIN or any(o.kind == DsdKind.FABOUT for o in self.sources)
        if self.accumulator and self.accumulator.element_bytes != self.dest.element_bytes:
            wrong = True
        inputs = [o.queue for o in self.inputs]
        sources = [o.fifo for o in self.sources if o.fifo]
        wrong = wrong or len(set(map(id, sources))) < len(sources)
        if wrong or self.dest.kind == DsdKind.SCALAR or len(set(inputs)) < len(inputs):
            raise Fault("unsupported", f"operands of `{self.row.name}`")

    def is_finished(self) -> bool:
        return self.done == self.length

    def next_count(self) -> int:
        """Elements that a step handles."""
        return self.simd if self.length is None else min(self.simd, self.length - self.done)

    def lacking(self) -> list[tuple[Fifo, bool]]:
        """The FIFOs, each with whether it is a source, that lack elements or places for a step."""
        count = self.next_count()
        return [(fifo, source) for fifo, source in self.fifos if fifo.lacks(count, is_source=source)]

    def stop_at_miss(self) -> None:
        """The FIFOs keep what was left of the length."""
        for fifo, source in self.fifos:
            if self.length is not None:
                fifo.set_length(self.length - self.done, is_source=source)

    def step(self, pe: Pe, count: int) -> None:
        """Handles the next `count` elements, fewer at the end; one step handles `next_count()`."""
        if self.length is not None:
            count = min(count, self.length - self.done)
        for _ in range(count):
            self._element(pe)
        self.done += count
        for operand in self.inputs:
            operand.half = None
        for operand in self.outputs:
            if operand.half is not None:
                self._push(pe, operand.half)
        if self.is_finished():
            self.write_once(pe)

    def write_once(self, pe: Pe) -> None:
        """At the end: what a pointer receives only then."""
        if self.accumulator or (self.is_written_once and self.done):
            pe.write(self.dest.record[DsdWord.BASE], self.dest.element_bytes, self.total)

    def _element(self, pe: Pe) -> None:
        read = [self._read(pe, operand) for operand in self.sources]
        bits = self.function(read[0], read[1] if len(read) == 2 else 0, self.scalar)
        if self.accumulator or self.is_written_once:
            self.total = bits
        elif self.dest.fifo:
            pe.push_fifo(self.dest.fifo, bits)
        elif self.dest.kind == DsdKind.FABOUT:
            self._send(pe, bits)
        else:
            pe.write(next(self.dest.walk), self.dest.element_bytes, bits)

    def _read(self, pe: Pe, operand: Operand) -> int:
        if operand is self.accumulator:
            return self.total
        if operand.kind == DsdKind.SCALAR:
            return operand.scalar
        if operand.kind == DsdKind.FABIN:
            return self._receive(pe, operand)
        if operand.fifo:
            return pe.pop_fifo(operand.fifo)
        return pe.read(next(operand.walk), operand.element_bytes)

    def _receive(self, pe: Pe, operand: Operand) -> int:
        if operand.half is not None:
            return operand.half
        data = pe.pop(operand.queue)
        if self.simd == 2:
            operand.half = data >> 16
        return data if operand.element_bytes == 4 else data & LOW_HALF

    def _send(self, pe: Pe, bits: int) -> None:
        out = self.dest
        if self.simd == 2 and out.half is None:
            out.half = bits
        elif out.half is not None:
            self._push(pe, out.half | bits << 16)
        elif out.element_bytes == 2 and out.has(DsdFlag.WAVELET_INDEX):
            self._push(pe, bits | ((self.index or 0) & LOW_HALF) << 16)
        else:
            self._push(pe, bits)

    def _push(self, pe: Pe, data: int) -> None:
        self.dest.half = None
        pe.push(self.dest.queue, data, self.dest.has(DsdFlag.CONTROL), self.dest.record[DsdWord.COLOR])
