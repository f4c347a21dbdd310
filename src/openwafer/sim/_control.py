"""The 32 bits of a control wavelet: up to eight switch commands, a control task id, 16 bits of data.

Command i is two bits and a NOCE bit (the wavelet is not given to the PE). Bits 16–21 are the id of the
control task;
the low 16 bits are data when there is only one command. Plain integer functions that numba compiles as they
are.
"""

from __future__ import annotations

NOP, ADVANCE, RESET, TEARDOWN = range(4)
COMMAND_SHIFTS = (22, 25, 28, 1, 4, 7, 10, 13)
NOCE_SHIFTS = (24, 27, 0, 3, 6, 9, 12, 15)
NO_TASK = 31


def first_command(word: int) -> int:
    """The command that the next router carries out."""
    return (word >> 22) & 3


def is_ignored_by_pe(word: int) -> bool:
    """Whether the NOCE bit of the first command is set."""
    return (word >> 24) & 1 == 1


def task_id(word: int) -> int:
    return (word >> 16) & 63


def without_first(word: int) -> int:
    """The word after its first command has been removed; a NOP comes in at the end."""
    out = word & (63 << 16)
    for i in range(7):
        out |= ((word >> COMMAND_SHIFTS[i + 1]) & 3) << COMMAND_SHIFTS[i]
        out |= ((word >> NOCE_SHIFTS[i + 1]) & 1) << NOCE_SHIFTS[i]
    return out


def encode(commands: list[tuple[int, bool]], task: int = NO_TASK, data: int = 0) -> int:
    """A control wavelet of up to eight (command, NOCE) pairs."""
    word = (task & 63) << 16 | (data & 0xFFFF if len(commands) <= 1 else 0)
    for i, (command, noce) in enumerate(commands):
        word |= (command & 3) << COMMAND_SHIFTS[i] | int(noce) << NOCE_SHIFTS[i]
    return word
