"""Every published number that the project knows against the prediction."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from openwafer.estimate._bands import errors
from openwafer.estimate._constants import Constants, constants
from openwafer.estimate.validation._case import Case
from openwafer.estimate.validation._cases import cases, load_rows
from openwafer.estimate.validation._cases_mesh import reductions, simulated
from openwafer.estimate.validation._predict import predict

TARGETS = {
    "wafer speed a user": ("worst", 0.25),
    "time per token": ("median", 0.15),
    "time to first token": ("median", 0.30),
    "offline throughput": ("median", 0.20),
    "energy, GPU": ("median", 0.25),
    "energy, wall": ("median", 0.25),
    "training throughput": ("median", 0.15),
    "fine-tuning throughput": ("median", 0.15),
    "wafers needed": ("worst", 0.25),
    "scaling of training on wafers": ("worst", 0.25),
    "reduction on the mesh": ("worst", 0.25),
    "kernels on the simulator": ("worst", 0.25),
}
"""Group → what of its errors is to stay below what."""


@dataclass(frozen=True, slots=True)
class Row:
    """A published number, the prediction, and its error; `held_out`, `without_source`: errors of predictions
    whose constants were fitted without the row, or without all rows of its source (the same error where none
    were fitted on it), None for rows from elsewhere."""

    case: Case
    predicted: float | None
    held_out: float | None
    without_source: float | None

    @property
    def error(self) -> float | None:
        return None if self.predicted is None else self.predicted / self.case.value - 1


@dataclass(frozen=True, slots=True)
class Group:
    """Errors of a group, absolute: of the shipped constants and held out."""

    name: str
    rows: int
    median: float
    worst: float
    held_out_median: float | None
    held_out_worst: float | None
    without_source_median: float | None
    target: str
    reached: bool | None


@dataclass(frozen=True, slots=True)
class Validation:
    rows: list[Row]
    groups: list[Group]
    unused: list[tuple[str, str]]


def validate(path: str | None = None, c: Constants | None = None) -> Validation:
    """All rows that come with OpenWafer, or those of a file with the same columns.

    Diagnostics: rows-unreadable, rows-wrong-columns.
    """
    found, unused = cases(load_rows(path))
    found += [*reductions(), *simulated()] if path is None else []
    used = c or constants()
    rows = [_row(case, used) for case in found]
    return Validation(rows, list(_groups(rows)), unused)


def _row(case: Case, c: Constants) -> Row:
    """Errors that were held out are known of the rows that come with OpenWafer only."""
    known = [errors(way).get(case.group, {}).get(case.id) for way in ("row", "source")]
    return Row(case, predict(case, c), *known)


def _groups(rows: Sequence[Row]) -> Iterable[Group]:
    for name in dict.fromkeys(row.case.group for row in rows):
        own = [row for row in rows if row.case.group == name]
        found = [abs(row.error) for row in own if row.error is not None]
        held = [abs(row.held_out) for row in own if row.held_out is not None]
        far = [abs(row.without_source) for row in own if row.without_source is not None]
        if found:
            yield _group(name, found, held, far)


def _group(name: str, found: list[float], held: list[float], far: list[float]) -> Group:
    median, worst = statistics.median(found), max(found)
    kind, limit = TARGETS.get(name, ("", 0.0))
    reached = (worst if kind == "worst" else median) <= limit if kind else None
    return Group(
        name, len(found), median, worst, statistics.median(held) if held else None, max(held, default=None),
        statistics.median(far) if far else None, f"{kind} ≤{limit:.0%}" if kind else "", reached,
    )  # fmt: skip
