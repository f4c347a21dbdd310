"""Addresses of buffers: those that stay, one behind the other; temporaries share an arena by lifetime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from openwafer.nn.program._program import Buffer, Instruction, Program

ALIGN_BYTES = 16
"""A DSD operation reads two 64-bit words a cycle; what starts at a multiple of both never straddles."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each buffer lies, from the start of the data; sizes in bytes."""

    addresses: dict[Buffer, int]
    kept_bytes: int
    arena_bytes: int

    @property
    def bytes(self) -> int:
        return self.kept_bytes + self.arena_bytes


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A temporary is in use from instruction `first` to `last`, both included."""

    buffer: Buffer
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


def plan_memory(program: Program) -> Plan:
    """Kept buffers from 0 on, then the arena, which the entries use one at a time."""
    addresses: dict[Buffer, int] = {}
    kept = 0
    for buffer in program.buffers:
        if buffer.kind != "temporary":
            addresses[buffer] = kept
            kept += padded(buffer.bytes)
    arena = 0
    for entry in program.entries:
        places = pack_lifetimes(lifetimes(entry.instructions))
        addresses.update({b: kept + at for b, at in places.items()})
        arena = max([arena, *(at + padded(b.bytes) for b, at in places.items())])
    return Plan(addresses, kept, arena)


def padded(size: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // ALIGN_BYTES) * ALIGN_BYTES


def lifetimes(instructions: Sequence[Instruction]) -> list[Lifetime]:
    """Of every temporary, from its first use to its last."""
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for i, instruction in enumerate(instructions):
        for ref in instruction.refs():
            if ref.buffer.kind == "temporary":
                first.setdefault(ref.buffer, i)
                last[ref.buffer] = i
    return [Lifetime(buffer, first[buffer], last[buffer]) for buffer in first]


def pack_lifetimes(lives: Iterable[Lifetime]) -> dict[Buffer, int]:
    """Offsets in the arena: largest first, each at the lowest place that is free during its life."""
    placed: list[tuple[Lifetime, int]] = []
    for life in sorted(lives, key=lambda v: (-v.buffer.bytes, v.first)):
        taken = sorted((at, at + padded(other.buffer.bytes)) for other, at in placed if other.overlaps(life))
        placed.append((life, _lowest(taken, life.buffer.bytes)))
    return {life.buffer: at for life, at in placed}


def _lowest(taken: Sequence[tuple[int, int]], size: int) -> int:
    at = 0
    for start, end in taken:
        if at + size <= start:
            break
        at = max(at, end)
    return at
