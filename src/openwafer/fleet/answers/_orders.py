"""What is ordered when."""

from __future__ import annotations

import datetime
from typing import TypedDict

import numpy as np

from openwafer.fleet.sizing import Plan


class Order(TypedDict):
    """Systems that a quarter brings to a site, and the day by which they must be ordered."""

    system: str
    site: str
    quarter: str
    count: int
    by: str


def orders_of(plan: Plan) -> list[Order]:
    """All orders, the earliest first."""
    p = plan.problem
    found: list[Order] = []
    places: list[list[int]] = np.argwhere(plan.orders > 0).tolist()
    for i, s, q in places:
        quarter = p.fleet.quarter(q)
        lead = datetime.timedelta(weeks=p.fleet.systems[p.systems[s]].lead.number)
        found.append(
            Order(
                system=p.systems[s], site=p.sites[i], quarter=str(quarter), count=int(plan.orders[i, s, q]),
                by=str(quarter.first_day - lead),
            )
        )  # fmt: skip
    return sorted(found, key=lambda order: (order["by"], order["system"], order["site"]))
