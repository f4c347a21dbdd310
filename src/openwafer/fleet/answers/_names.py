"""Names of figures: quarters, and which of several figures are there."""

from __future__ import annotations

from openwafer.fleet.answers._account import Account
from openwafer.fleet.answers._figure import Figures


def when_of(a: Account, q: int) -> str:
    return str(a.plan.problem.fleet.quarter(q))


def there(found: Figures, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in found.by_name)
