"""Quarters of a year: the steps of a plan."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

HOURS_PER_QUARTER = 365.25 * 24 / 4
"""Mean; plans do not tell quarters of 90 from those of 92 days."""
_TEXT = re.compile(r"([12]\d{3})-Q([1-4])")


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """`index` counts quarters from the year 0: quarters are subtracted and compared by it."""

    index: int

    @classmethod
    def of(cls, date: datetime.date) -> Quarter:
        """The quarter in which a date lies."""
        return cls(date.year * 4 + (date.month - 1) // 3)

    @classmethod
    def parse(cls, text: str) -> Quarter | None:
        """`2026-Q3`; None for other texts."""
        match = _TEXT.fullmatch(text)
        return cls(int(match[1]) * 4 + int(match[2]) - 1) if match else None

    @property
    def season(self) -> int:
        """0 for the first quarter of a year to 3 for the last."""
        return self.index % 4

    @property
    def first_day(self) -> datetime.date:
        return datetime.date(self.index // 4, self.season * 3 + 1, 1)

    def __add__(self, quarters: int) -> Quarter:
        return Quarter(self.index + quarters)

    def __sub__(self, other: Quarter) -> int:
        """Quarters from the other to this one."""
        return self.index - other.index

    def __str__(self) -> str:
        return f"{self.index // 4}-Q{self.season + 1}"


def part_done(first: datetime.date, last: datetime.date, at: datetime.date) -> float:
    """The part of the time from `first` to `last` that has passed at a date, 0 to 1."""
    days = (last - first).days
    return 1.0 if days <= 0 and at >= first else min(max((at - first).days / max(days, 1), 0.0), 1.0)
