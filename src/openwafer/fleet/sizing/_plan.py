"""A plan that was found: whole systems by site and quarter, and what they serve."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.sizing._problem import Floats, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What one more of something saves, in dollars of today: `amount` of a `unit` in a quarter."""

    constraint: str
    quarter: str
    unit: str
    usd: float

    @property
    def words(self) -> str:
        return f"one more {self.unit} {self.constraint} in {self.quarter} saves ${self.usd:,.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """The objective with parts of systems (`relaxed`), with whole ones (`whole`), and the least that whole
    ones
    can have (`bound`), which is the integer optimum itself where `is_optimum`."""

    relaxed: float
    whole: float
    bound: float
    is_optimum: bool

    @property
    def gap(self) -> float:
        """How much more the plan costs than the integer optimum, at most."""
        return (self.whole - self.bound) / max(abs(self.bound), 1e-12)


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """`systems`[i, s, q] that stand; `works`[i, m, q, b] systems at work in the mean of a block;
    `unserved`[w, q, b] output tokens/s. `usd`, `tonnes` are the objective's parts, of today and of all
    quarters; what is not served is in `usd` at its value. `waived`: workloads whose promise did not count."""

    label: str
    problem: Problem
    systems: NDArray[np.int64]
    works: Floats
    unserved: Floats
    usd: float
    tonnes: float
    rounding: Rounding
    shadows: tuple[Shadow, ...] = field(default=())
    waived: tuple[str, ...] = ()

    @property
    def served(self) -> Floats:
        """[w, q] output tokens/s, in the mean of the day."""
        p = self.problem
        return p.demand - (self.unserved * p.hours).sum(axis=2) / p.hours.sum()

    @property
    def served_part(self) -> Floats:
        """[w, q] of the demand."""
        return self.served / self.problem.demand

    @property
    def orders(self) -> NDArray[np.int64]:
        """[i, s, q] systems that a quarter brings; those that are installed are not brought."""
        standing = self.problem.installed.astype(np.int64)[..., None]
        return np.diff(self.systems, axis=2, prepend=standing)
