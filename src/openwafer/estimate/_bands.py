"""Error bands: how far published numbers of the same kind were from the prediction that did not know them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["gpu", "wafer"]
COVERED = 0.8
"""Part of the published numbers that lie inside their band."""
LEAST = 1.1
"""No band is narrower, however few rows agree."""

GROUPS: dict[tuple[Kind, str], tuple[str, ...]] = {
    ("gpu", "first"): ("time to first token",),
    ("gpu", "speed"): ("time per token",),
    ("gpu", "throughput"): ("time per token", "offline throughput"),
    ("gpu", "energy"): ("energy, GPU", "energy, wall"),
    ("gpu", "training"): ("training throughput", "fine-tuning throughput"),
    ("wafer", "speed"): ("wafer speed a user",),
}
"""What a band rests on; of wafers only the speed has been published, the rest takes twice its band."""


@dataclass(frozen=True, slots=True)
class Banded:
    """A prediction with the range that covers `COVERED` of what was published of its kind."""

    value: float
    low: float
    high: float


@cache
def errors(without: Literal["row", "source"] = "row") -> dict[str, dict[str, float]]:
    """Group → row → relative error of a prediction with constants fitted without the row, or without all rows
    of its source; written by `bench/estimate_fit.py`."""
    text = resources.files("openwafer.estimate").joinpath("data/errors.json").read_text("utf-8")
    return json.loads(text)[without]


@cache
def factor(kind: Kind, what: str) -> float:
    """The band is value / factor to value · factor."""
    groups = GROUPS.get((kind, what))
    if groups is None:
        return factor(kind, "speed") ** 2
    logs = sorted(abs(math.log1p(error)) for group in groups for error in errors().get(group, {}).values())
    if not logs:
        return 2.0
    at = min(math.ceil(COVERED * len(logs)), len(logs) - 1)
    return max(math.exp(logs[at]), LEAST)


def band(kind: Kind, what: str, value: float) -> Banded:
    wide = factor(kind, what)
    return Banded(value, value / wide, value * wide)
