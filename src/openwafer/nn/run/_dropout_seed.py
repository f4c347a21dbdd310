"""What dropout's masks are made of: two words a step, from the seed and the number of the step."""

from __future__ import annotations

import numpy as np

LOW, HIGH = "draw_low", "draw_high"
"""Arguments of a step."""

LIMITS = 2**15
"""A share of dropped elements is a whole number of these parts."""


def draws(seed: int, step: int) -> dict[str, float]:
    """The words of a step, from 1."""
    (word,) = np.random.SeedSequence([seed, step]).generate_state(1, np.uint32)
    return {LOW: float(word & 0xFFFF), HIGH: float(word >> 16)}
