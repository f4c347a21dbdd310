"""FIFOs: rings of elements in a PE's memory. Rules: “FIFOs”."""

from __future__ import annotations

from typing import Protocol

from openwafer import tir


class Memory(Protocol):
    def read(self, address: int, size: int) -> int: ...

    def write(self, address: int, size: int, bits: int) -> None: ...


class Fifo:
    """`read_length` and `write_length` are those of the next operation that takes or gives elements."""

    def __init__(self, facts: tir.Fifo, address: int) -> None:
        self.facts, self._address = facts, address
        self.front, self.count = 0, 0
        self.read_length, self.write_length = 0, 0
        self.has_hit_empty, self.has_hit_full = False, False

    def lacks(self, count: int, *, is_source: bool) -> bool:
        """Whether so many elements, or free places for them, are not there."""
        return (self.count if is_source else self.facts.elements - self.count) < count

    def mark(self, *, is_source: bool) -> str:
        """Notes a miss and gives the FIFO's action for it."""
        if is_source:
            self.has_hit_empty = True
        else:
            self.has_hit_full = True
        return self.action(is_source=is_source)

    def action(self, *, is_source: bool) -> str:
        return self.facts.empty if is_source else self.facts.full

    def is_marked(self, *, is_source: bool) -> bool:
        return self.has_hit_empty if is_source else self.has_hit_full

    def length(self, *, is_source: bool) -> int:
        return self.read_length if is_source else self.write_length

    def set_length(self, length: int, *, is_source: bool) -> None:
        if is_source:
            self.read_length = length
        else:
            self.write_length = length

    def push(self, memory: Memory, bits: int) -> int | None:
        """Returns the task that is activated, if any."""
        memory.write(self._place(self.front + self.count), self.facts.element_bytes, bits)
        self.count += 1
        activated = self.facts.activate_push if self.has_hit_empty else None
        self.has_hit_empty = False
        return activated

    def pop(self, memory: Memory) -> tuple[int, int | None]:
        """An element, and the task that is activated, if any."""
        bits = memory.read(self._place(self.front), self.facts.element_bytes)
        self.front = (self.front + 1) % self.facts.elements
        self.count -= 1
        activated = self.facts.activate_pop if self.has_hit_full else None
        self.has_hit_full = False
        return bits, activated

    def _place(self, index: int) -> int:
        return self._address + index % self.facts.elements * self.facts.element_bytes
