"""Cycles by phase, from time stamps on every PE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openwafer.nn._device import SimulatedDevice


@dataclass(frozen=True, slots=True)
class Phase:
    """Cycles of one phase over all PEs; a PE that waits for others counts the wait."""

    name: str
    least: int
    mean: float
    most: int


def phases(device: SimulatedDevice, names: Sequence[str]) -> list[Phase]:
    """Of the last launch."""
    spans = np.diff(device.stamps(len(names) + 1), axis=2)
    return [
        Phase(name, int(spans[..., i].min()), float(spans[..., i].mean()), int(spans[..., i].max()))
        for i, name in enumerate(names)
    ]
