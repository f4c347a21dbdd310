"""Axes of a chart: where values lie in pixels, and ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 90, 20, 50, 60
COLORS = ("#1565c0", "#ef6c00", "#2e7d32", "#6a1b9a", "#c62828", "#00838f", "#9e9d24", "#5d4037")
TICKS = 5


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high` lie between two pixels."""

    low: float
    high: float
    first: float
    last: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        part = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.first + part * (self.last - self.first)

    def ticks(self) -> list[tuple[float, str]]:
        """Pixels and texts of round numbers."""
        step = round_step((self.high - self.low) / TICKS)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [(self.at(k * step), f"{k * step:,.10g}") for k in range(first, last + 1)]


def round_step(step: float) -> float:
    """1, 2 or 5 times a power of ten, at least as large."""
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9))


def x_axis(values: Sequence[float], margin: float = 0.05) -> Axis:
    return _axis(values, margin, LEFT, WIDTH - RIGHT)


def y_axis(values: Sequence[float], margin: float = 0.05) -> Axis:
    return _axis(values, margin, HEIGHT - BOTTOM, TOP)


def _axis(values: Sequence[float], margin: float, first: float, last: float) -> Axis:
    low, high = min(values), max(values)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return Axis(0.0 if low == 0 else low - room, high + room, first, last)
