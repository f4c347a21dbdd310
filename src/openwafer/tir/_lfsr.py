"""The random numbers of `@random16`: an LFSR with the polynomial x^23 + x^18 + 1, 128 steps a call.

Documented: polynomial, steps, initial state, and that the state advances after every use: a call returns
what the
state held before. Assumed: the register is 32 bits wide and shifts left, the new bit is the exclusive or of
bits
22 and 17, and the value is the low half.
"""

from __future__ import annotations

from collections.abc import Iterator

INITIAL_STATE = 0xDEADBEEF
STEPS = 128
DEGREE, TAP = 23, 18


def step(state: int) -> int:
    """The state one step later."""
    bit = (state >> (DEGREE - 1) ^ state >> (TAP - 1)) & 1
    return (state << 1 | bit) & 0xFFFFFFFF


def advance(state: int) -> int:
    """The state one call (128 steps) later."""
    for _ in range(STEPS):
        state = step(state)
    return state


def value(state: int) -> int:
    """The 16 bits that a call returns, given the state before it."""
    return state & 0xFFFF


def leaps(steps: int = STEPS) -> Iterator[tuple[int, int, int, int]]:
    """`steps` single steps as few leaps, each `(shift, right0, right1, mask)`, meaning
    `state = state << shift | (state >> right0 ^ state >> right1) & mask` in 32 bits.

    Up to 18 new bits depend on old ones alone, so that many steps are one leap."""
    while steps > 0:
        count = min(steps, TAP)
        yield count, DEGREE - count, TAP - count, (1 << count) - 1
        steps -= count
