"""Where every symbol of a program lies in the PE's memory."""

from __future__ import annotations

import msgspec

from openwafer.diag import DiagnosticError, error
from openwafer.machine import Machine
from openwafer.tir import Program, Symbol

SYSTEM_BYTES = 256
"""Bytes at the bottom of the memory that hold no symbol: address 0 stays free, so that a pointer that was
never set is told from a valid one, and what the `memcpy` runtime keeps on the PE has a place."""

SHOWN_SYMBOLS = 10
"""How many of the largest symbols a `memory-overflow` lists."""


def assign_addresses(program: Program, machine: Machine) -> Program:
    """The program with byte addresses in its symbols: in order, each at its alignment, from `SYSTEM_BYTES`.

    Diagnostics: memory-overflow, when they end above `memory.bytes_per_pe`."""
    address = SYSTEM_BYTES
    placed: list[Symbol] = []
    for symbol in program.symbols:
        address = _align(address, symbol.align)
        placed.append(msgspec.structs.replace(symbol, address=address))
        address += symbol.size
    if address > machine.memory.bytes_per_pe:
        raise _overflow(program, address, machine.memory.bytes_per_pe)
    return msgspec.structs.replace(program, symbols=tuple(placed))


def used_bytes(program: Program) -> int:
    """The end of the highest symbol of a program whose symbols have addresses."""
    return max((s.address + s.size for s in program.symbols), default=SYSTEM_BYTES)


def _align(address: int, align: int) -> int:
    align = max(align, 1)
    return -(-address // align) * align


def _overflow(program: Program, end: int, limit: int) -> DiagnosticError:
    largest = sorted(program.symbols, key=lambda s: (-s.size, s.name))
    lines = [f"{s.size:>7,} B  {s.name}: {s.type}" for s in largest[:SHOWN_SYMBOLS]]
    rest = largest[SHOWN_SYMBOLS:]
    if rest:
        lines.append(f"{sum(s.size for s in rest):>7,} B  in {len(rest)} smaller symbols")
    data = sum(s.size for s in program.symbols)
    lines.append(f"{SYSTEM_BYTES:>7,} B  reserved for the system")
    lines.append(f"{end - SYSTEM_BYTES - data:>7,} B  lost to alignment")
    return error(
        "memory-overflow",
        f"the data of `{program.name}` end at {end:,} B, the memory of a PE has {limit:,} B",
        notes=("\n".join(lines), "the size of the code is not known and not in these numbers"),
        help=f"the data must shrink by {end - limit:,} B, or be spread over more PEs",
    )
