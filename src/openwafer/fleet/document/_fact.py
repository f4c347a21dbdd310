"""One fact of a plan: its value, and who says so."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from openwafer.diag import Span

FactStatus: TypeAlias = Literal[
    "documented", "measured", "claimed", "inferred", "assumed", "doubtful", "missing"
]
FACT_STATUSES: tuple[FactStatus, ...] = get_args(FactStatus)
FactValue: TypeAlias = float | tuple[float, ...] | datetime.date
UNDISCLOSED = "undisclosed"


@dataclass(frozen=True, slots=True)
class PlanFact:
    """`name` is dotted (`sites.oklahoma.pue`). `value` is in `unit`, None where nobody has published it; then
    the plan uses `plan_with`, which is an assumption."""

    name: str
    value: FactValue | None
    unit: str
    source: str
    status: FactStatus
    note: str = ""
    plan_with: FactValue | None = None
    span: Span | None = field(default=None, repr=False, compare=False)

    @property
    def used(self) -> FactValue:
        """What the plan computes with."""
        used = self.plan_with if self.value is None else self.value
        assert used is not None, self.name
        return used

    @property
    def number(self) -> float:
        assert isinstance(self.used, (int, float)), self.name
        return self.used

    @property
    def numbers(self) -> tuple[float, ...]:
        assert isinstance(self.used, tuple), self.name
        return self.used

    @property
    def date(self) -> datetime.date:
        assert isinstance(self.used, datetime.date), self.name
        return self.used

    @property
    def is_assumed(self) -> bool:
        """Whether a result that rests on it rests on a guess."""
        return self.status in ("assumed", "doubtful", "missing")
