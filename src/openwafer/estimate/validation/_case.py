"""From a row of published numbers to a case that can be predicted, or to the reason why it cannot.

The traps are handled here: totals that count input tokens, formats, who measured what, IT against facility
power.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from openwafer.estimate._constants import Constants
from openwafer.machine.systems import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One published number with what is needed to predict it. `group` is what it is an example of."""

    id: str
    group: str
    system: str
    model: str
    value: float
    unit: str
    chips: int = 1
    form: Format = "f16"
    kv_form: Format | None = None
    engine: str = "trtllm"
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    users: float = 0.0
    scenario: str = ""
    kind: str = "measured"
    source: str = ""
    fit: bool = True
    extra: dict[str, float] = field(default_factory=dict[str, float])
    """What only some groups have: `side` of a layer's square, `seq`, `batch` (sequences), `flop_part`."""

    @property
    def key(self) -> tuple[str, str]:
        return self.id, self.group


Row: TypeAlias = dict[str, str]
Reader: TypeAlias = Callable[[Row], Iterator[Case]]
Rule: TypeAlias = tuple[Callable[[Row], bool], Reader]
"""Which rows are read, and how."""
Predictor: TypeAlias = Callable[[Case, Constants], float | None]

_SYSTEMS = (
    ("mi355x", "mi355x"), ("mi325x", "mi325x"), ("mi300x", "mi300x"), ("gb300", "gb300-nvl72"),
    ("gb200", "gb200-nvl72"),
    ("b300", "b300"), ("b200", "b200"), ("h200", "h200"), ("h100", "h100"), ("a100", "a100"),
    ("cs-4", "cs4"), ("cs-3", "cs3"), ("cs-2", "cs2"), ("wse-2", "cs2"), ("wse-3", "cs3"),
)  # fmt: skip


def titled(start: str, metric: str = "") -> Callable[[Row], bool]:
    """Rows whose source title starts so, and whose metric has a word."""
    return lambda row: row["source_title"].startswith(start) and metric in row["metric"]


def numbers(pattern: str, text: str) -> tuple[float, ...] | None:
    match = re.search(pattern, text)
    return tuple(float(g) for g in match.groups()) if match else None


def system_of(text: str) -> tuple[str, int] | None:
    """The system and the number of chips (wafers) of a description like `NVIDIA B200-SXM-180GB x8
    (Lenovo)`."""
    low = text.lower()
    name = next((name for key, name in _SYSTEMS if key in low), None)
    count = re.search(r"(?:\bx|tp)(\d+)|\((\d+) wafer|\b(\d+)x(?:b200|h100|h200)", low)
    if name is None:
        return None
    return name, int(next(g for g in count.groups() if g)) if count else 1


def format_of(text: str) -> Format:
    low = text.lower()
    if "mxfp4" in low:
        return "w4a16"
    return "fp4" if "fp4" in low else "fp8" if "fp8" in low else "f16"


def value_of(row: Row) -> float | None:
    """A number, or the middle of a range."""
    try:
        parts = [float(part) for part in row["value"].replace("+", "").split("-") if part]
    except ValueError:
        return None
    return sum(parts) / len(parts) if parts else None
