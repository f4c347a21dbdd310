"""The memory of a PE and what the host does to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from openwafer.sim._engine import Command, CopyIn, CopyOut, Launch
from openwafer.sim.reference._dsd import ADDRESS_MASK, Fault
from openwafer.tir import Export, Program

ListedCommand: TypeAlias = Launch | CopyIn | CopyOut
"""The commands of the command stream."""


@dataclass(slots=True)
class Ticket:
    """A host command; `missing` counts the PEs that have yet to do it."""

    command: Command
    missing: int = 0


class Memory:
    """Bytes from address 0. Integers in it are little-endian; here they are unsigned."""

    def __init__(self, program: Program, size: int) -> None:
        self.program = program
        self.memory = bytearray(size)
        for symbol in program.symbols:
            self.check(symbol.address, symbol.size)
            self.memory[symbol.address : symbol.address + len(symbol.init)] = symbol.init

    def check(self, address: int, size: int) -> None:
        """A `memory-access` fault for bytes outside."""
        if address < 0 or address + size > len(self.memory):
            raise Fault("memory-access", f"access at address {address} of {len(self.memory)}")

    def read(self, address: int, size: int) -> int:
        self.check(address, size)
        return int.from_bytes(self.memory[address : address + size], "little")

    def write(self, address: int, size: int, bits: int) -> None:
        self.check(address, size)
        self.memory[address : address + size] = bits.to_bytes(size, "little")

    def copy(self, dest: int, source: int, size: int) -> None:
        self.check(source, size)
        self.check(dest, size)
        self.memory[dest : dest + size] = self.memory[source : source + size]

    def move_data(self, command: CopyIn | CopyOut, export: Export, x: int, y: int) -> None:
        """This PE's part of a copy from or to the host."""
        address = self.program.symbols[export.target].address
        address = self.read(address, 2) if export.kind == "ptr" else address
        size = command.element_bytes
        row = command.data[y - command.y0, x - command.x0]
        for i in range(len(row)):
            place = (address + i * size) & ADDRESS_MASK
            if isinstance(command, CopyOut):
                row[i] = self.read(place, size)
            else:
                self.write(place, size, int(row[i]) & (1 << 8 * size) - 1)
