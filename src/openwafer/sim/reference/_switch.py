"""What a router knows of a color: routes by switch position, filter, teardown; all of it live."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from openwafer.sim import _control as control
from openwafer.sim import _filter as filters
from openwafer.sim import _registers as registers
from openwafer.tir import INHERITED, SWAP_X, SWAP_Y, ColorConfig, Filter, FilterKind, effective_positions

NORTH, RAMP = 2, 4
PORTS = 5


class Wavelet(NamedTuple):
    """`color` counts only in an output queue."""

    data: int
    control: bool
    ready: int
    color: int = -1


swapped = registers.swapped


class Switch:
    """How a router sends a color: by the position that is current; in teardown mode not at all."""

    def __init__(self, config: ColorConfig) -> None:
        missing = registers.POSITIONS + 1 - len(config.positions)
        self.changes = [*config.positions, *[None] * missing]
        self.current, self.ring, self.pop_mode = config.current, config.ring, config.pop_mode
        self.teardown = config.teardown
        self.swap = config.swap
        self.filter = config.filter or Filter(FilterKind.NONE)
        is_idle = self.filter.kind == FilterKind.SPARSE_COUNTER and self.filter.limit1 is None
        self.kind = FilterKind.NONE if is_idle else self.filter.kind
        self.counter = self.filter.counter
        self.limit1, self.limit2 = (
            -1 if limit is None else limit for limit in (self.filter.limit1, self.filter.limit2)
        )
        self.rejected = 0

    @property
    def positions(self) -> tuple[tuple[int, int] | None, ...]:
        """Masks of all positions, None for invalid ones."""
        return effective_positions(self.changes)

    @property
    def rx(self) -> int:
        """The mask of ports from which wavelets are taken."""
        return self.masks()[0]

    def masks(self) -> tuple[int, int]:
        return (0, 0) if self.teardown else self.positions[self.current] or (0, 0)

    def outputs_of(self, wavelet: Wavelet) -> list[int]:
        """Where a wavelet goes: it may ask not to be given to the PE, or be rejected by the filter."""
        tx = self.masks()[1]
        is_kept = not self._is_for_pe(wavelet) or not self._accepts(wavelet)
        return [port for port in range(PORTS) if tx >> port & 1 and not (port == RAMP and is_kept)]

    def swaps(self, port: int) -> bool:
        """Whether it takes what comes to a port W E N S on the other color of its pair."""
        return bool(self.swap & (SWAP_X if port < NORTH else SWAP_Y))

    # filter

    def _is_for_pe(self, wavelet: Wavelet) -> bool:
        """Whether it is one that the filter looks at."""
        is_hidden = wavelet.control and control.is_ignored_by_pe(wavelet.data)
        return bool(self.masks()[1] >> RAMP & 1) and not is_hidden

    def _accepts(self, wavelet: Wavelet) -> bool:
        f = self.filter
        return filters.accepts(
            self.kind, f.filter_control, self.counter, self.limit1, f.maximum, wavelet.control, wavelet.data
        )

    def count(self, wavelet: Wavelet) -> None:
        """Tells the filter of a wavelet that the router moves."""
        if self.kind == FilterKind.NONE or not self._is_for_pe(wavelet):
            return
        self.rejected += not self._accepts(wavelet)
        counts = self.filter.count_control if wavelet.control else self.filter.count_data
        if self.kind == FilterKind.RANGE or not counts:
            return
        is_end = self.counter == self.limit1
        if filters.is_spent(self.kind, self.counter, self.limit1, self.limit2):
            self.kind = FilterKind.NONE
        self.counter = filters.after(self.counter, self.limit1)
        if is_end and self.kind == FilterKind.SPARSE_COUNTER:
            self.limit1, self.limit2 = self.limit2, -1

    # commands

    def command(self, word: int) -> int:
        """Carries out the first command of a control wavelet; returns the word that is sent on."""
        before, command = self.current, control.first_command(word)
        if command == control.TEARDOWN:
            self.teardown = True
        elif command == control.RESET:
            self.current = 0
        elif command == control.ADVANCE:
            self.current = self._next()
        changed = self.current != before
        pops = (False, True, changed, changed or command == control.NOP)
        return control.without_first(word) if pops[self.pop_mode] else word

    def _next(self) -> int:
        later = (i for i in range(self.current + 1, len(self.changes)) if self.changes[i] is not None)
        return next(later, 0 if self.ring else self.current)

    # registers

    def color_word(self) -> int:
        rx, tx = self.changes[0] or (0, 0)
        return registers.color_word(swapped(rx), swapped(tx), self.pop_mode, self.teardown)

    def set_color_word(self, word: int) -> None:
        self.changes[0] = swapped(registers.word_rx(word)), swapped(registers.word_tx(word))
        self.pop_mode, self.teardown = registers.word_pop_mode(word), bool(registers.word_teardown(word))

    def switch_word(self) -> int:
        word = self.ring << registers.RING_SHIFT | self.current << registers.CURRENT_SHIFT
        return word | self._fields(registers.change_field)

    def second_switch_word(self) -> int:
        return self._fields(registers.second_field)

    def _fields(self, field: Callable[[int, int], int]) -> int:
        pairs = [change or (INHERITED, INHERITED) for change in self.changes[1:]]
        numbers = [[registers.direction(swapped(mask)) for mask in pair] for pair in pairs]
        return sum(field(rx, tx) << registers.FIELD_BITS * k for k, (rx, tx) in enumerate(numbers))

    def set_switch_word(self, word: int) -> None:
        self.ring = bool(word >> registers.RING_SHIFT & 1)
        self.current = word >> registers.CURRENT_SHIFT & registers.POSITIONS
        self._set_changes(word, self.second_switch_word())

    def set_second_switch_word(self, word: int) -> None:
        self._set_changes(self.switch_word(), word)

    def _set_changes(self, first: int, second: int) -> None:
        for k in range(registers.POSITIONS):
            a, b = (word >> registers.FIELD_BITS * k & 15 for word in (first, second))
            rx, tx = map(_mask, (registers.field_rx(a), registers.field_tx(a, b)))
            self.changes[k + 1] = None if rx == tx == INHERITED else (rx, tx)


def _mask(direction: int) -> int:
    """The mask of a direction of a register."""
    return INHERITED if direction == registers.NONE else swapped(1 << direction)
