"""Shadow prices: what one more megawatt, delivery, dollar or tonne would save."""

from __future__ import annotations

import numpy as np

from openwafer.fleet.sizing._highs import Rows, Solved
from openwafer.fleet.sizing._plan import Shadow
from openwafer.fleet.sizing._program import SCALE, Model

UNITS = {
    "power": "MW",
    "tranche": "MW",
    "delivery": "system",
    "capital": "dollar",
    "carbon": "t",
    "water": "m3",
}
LEAST_USD = 1.0


def shadows(model: Model, solved: Solved) -> tuple[Shadow, ...]:
    """The constraints that bind, those that cost most first. A dual of HiGHS is what the objective changes by
    when the bound grows by one; capital is in millions."""
    if not len(solved.dual):
        return ()
    found = [
        shadow for rows in model.program.kinds if rows.kind in UNITS for shadow in _of(model, rows, solved)
    ]
    return tuple(sorted(found, key=lambda shadow: -shadow.usd))


def _where(group: str) -> str:
    """`at regina`, `of cs3`, `of capital`."""
    if group.startswith("power of the"):
        return "of the tranches"
    kind, _, name = group.partition(" of ")
    return {"power": f"at {name}", "deliveries": f"of {name}"}.get(kind, f"of {group}")


def _of(model: Model, rows: Rows, solved: Solved) -> list[Shadow]:
    scale = 1.0 if rows.kind == "capital" else SCALE
    saved = -solved.dual[rows.first : rows.first + rows.count] * scale
    least = LEAST_USD if rows.kind != "capital" else 1e-6
    return [
        Shadow(
            constraint=_where(rows.groups[k]),
            quarter=str(model.problem.fleet.quarter(int(rows.quarters[k]))),
            unit=UNITS[rows.kind],
            usd=float(saved[k]),
        )
        for k in np.flatnonzero(saved > least)
    ]
