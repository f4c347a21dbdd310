"""The frequencies behind tables of cosines and sines, so that the wafer can make the tables of any
position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error

TOLERANCE = 2e-5
"""Tables are f32 cosines of f32 angles; a frequency that is right to the last bit gives less."""


def frequencies(cos: NDArray[np.float32], sin: NDArray[np.float32]) -> NDArray[np.float32]:
    """[half] radians a position, from tables [half, positions] that begin at position 0.

    The phase at position 1 gives a first value; each doubling of the position makes it more exact.
    Diagnostics: rotary-tables, when no frequencies give these tables."""
    phase = np.arctan2(sin.astype(float), cos.astype(float))
    count = phase.shape[1]
    found = phase[:, min(1, count - 1)]
    for position in [2**i for i in range(1, 32) if 2**i < count] + [count - 1]:
        if position > 0:
            found = _refined(found, phase[:, position], position)
    best = _nearest(found.astype(np.float32), cos, sin)
    if _errors(best, cos, sin).max() > TOLERANCE:
        raise error(
            "rotary-tables",
            "the tables of the rotary embedding are not cosines and sines of position × frequency",
            help="tables that are scaled or change with the length of the text are not supported",
        )
    return best


def _refined(
    frequency: NDArray[np.float64], phase: NDArray[np.float64], position: int
) -> NDArray[np.float64]:
    """The frequency nearest to `frequency` that gives this phase at a position."""
    turns = np.rint((frequency * position - phase) / (2 * np.pi))
    return (phase + 2 * np.pi * turns) / position


def _errors(
    frequency: NDArray[np.float32], cos: NDArray[np.float32], sin: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Largest error of each row of the tables."""
    angle = (frequency[:, None] * np.arange(cos.shape[1], dtype=np.float32)).astype(float)
    return np.maximum(np.abs(np.cos(angle) - cos).max(1), np.abs(np.sin(angle) - sin).max(1))


def _nearest(
    frequency: NDArray[np.float32], cos: NDArray[np.float32], sin: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The best of the neighbouring f32 numbers."""
    bits = frequency.view(np.int32)
    candidates = [(bits + step).view(np.float32) for step in (0, 1, -1, 2, -2)]
    errors = np.stack([_errors(c, cos, sin) for c in candidates])
    return np.stack(candidates)[errors.argmin(0), np.arange(frequency.size)]
