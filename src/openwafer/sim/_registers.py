"""Configuration registers of a color: routes, switch positions and modes as words.

The word of a color: bits 0–4 its outputs W E S N RAMP, 5–9 its inputs, 12–13 the pop mode, 14 teardown. Its
switch word: position k (1–3) from bit 4·(k − 1): a direction W E S N RAMP as 0–4 or 5 for none, then whether
it is an input; bit 12 ring mode, 13–14 the current position. A second switch word has outputs of positions
that change an input, too. Masks elsewhere have W E N S RAMP as bits 0–4 and −1 where a position changes
nothing. Plain integer functions that numba compiles as they are.
"""

from __future__ import annotations

POSITIONS = 3
"""Switch positions behind the first."""
RX_SHIFT, POP_SHIFT, TEARDOWN_SHIFT, RING_SHIFT, CURRENT_SHIFT, FIELD_BITS = 5, 12, 14, 12, 13, 4
MASK, NONE, IS_INPUT = 31, 5, 8


def swapped(mask: int) -> int:
    """A mask in the other order of N and S."""
    return (mask & ~12) | (mask & 4) << 1 | (mask & 8) >> 1


def color_word(rx: int, tx: int, pop_mode: int, teardown: int) -> int:
    """The word of a color from masks in the order of the registers, as what follows."""
    return tx | rx << RX_SHIFT | pop_mode << POP_SHIFT | teardown << TEARDOWN_SHIFT


def word_rx(word: int) -> int:
    return (word >> RX_SHIFT) & MASK


def word_tx(word: int) -> int:
    return word & MASK


def word_pop_mode(word: int) -> int:
    return (word >> POP_SHIFT) & 3


def word_teardown(word: int) -> int:
    return (word >> TEARDOWN_SHIFT) & 1


def direction(mask: int) -> int:
    """The first direction of a mask in the order of the registers, NONE if there is none."""
    for number in range(NONE):
        if mask >= 0 and (mask >> number) & 1:
            return number
    return NONE


def change_field(rx: int, tx: int) -> int:
    """What a switch word says of a position that changes to these directions."""
    return IS_INPUT | rx if rx < NONE else tx


def second_field(rx: int, tx: int) -> int:
    """What the second switch word says of it."""
    return tx if rx < NONE else NONE


def field_rx(first: int) -> int:
    """The input of a position, NONE if it changes none."""
    return first & (IS_INPUT - 1) if first & IS_INPUT and first & (IS_INPUT - 1) < NONE else NONE


def field_tx(first: int, second: int) -> int:
    """Its output, likewise."""
    value = second if first & IS_INPUT or first & (IS_INPUT - 1) >= NONE else first
    return value & (IS_INPUT - 1) if value & (IS_INPUT - 1) < NONE else NONE
