"""Energy and cost of a token against the speed that a user gets, and where systems change places."""

from __future__ import annotations

from collections.abc import Sequence

from openwafer.diag import DiagnosticError
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._estimate import Estimate, estimate
from openwafer.machine.systems import Format, System

SPEEDS = (10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 400.0)


def frontier(
    model: str | ModelConfig,
    on: Sequence[str | System],
    *,
    input: float = 1024,
    output: float = 256,
    users: float = 256,
    speeds: Sequence[float] = SPEEDS,
    precision: Format | None = None,
    drafted: float = 0,
    accepted: float = 0,
) -> dict[float, list[Estimate]]:
    """Tokens/s a user → the systems that reach it, each in its cheapest layout; cheapest system first."""
    found: dict[float, list[Estimate]] = {}
    for speed in speeds:
        try:
            rows = estimate(
                model, on, input=input, output=output, users=users, tokens_per_second_per_user=speed,
                precision=precision, drafted=drafted, accepted=accepted,
            )  # fmt: skip
        except DiagnosticError as failure:
            if failure.diagnostics[0].id != "target-out-of-reach":
                raise
            rows = []
        found[speed] = sorted((row for row in rows if row.meets), key=_dollars)
    return found


def _dollars(row: Estimate) -> float:
    return row.usd_per_million_tokens.value if row.usd_per_million_tokens else float("inf")
