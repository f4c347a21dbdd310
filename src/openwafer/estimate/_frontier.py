"""Energy and cost of a token against the speed that a user gets, and where systems change places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from openwafer.estimate._bands import Kind
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._constants import constants
from openwafer.estimate._estimate import Estimate, check_traffic, estimate_of, load_systems, precision_of
from openwafer.estimate._known import load_model
from openwafer.estimate._points import Point, answer
from openwafer.machine.systems import Format, System

SPEEDS = (10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 400.0, 600.0, 1000.0, 2000.0)
_RATIO, _FIRST, _LAST = 1.01, 5.0, 20_000.0
"""Of the speeds between which crossings are sought."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """From this speed a user on, systems of `kind` are the best in `what` ("cost", "energy"), `system` first
    among them where they begin to be; both are None from where nobody reaches the speed."""

    what: str
    tokens_per_s_per_user: float
    kind: Kind | None
    system: str | None


@dataclass(frozen=True, slots=True)
class Frontier:
    """`rows`: tokens/s a user → the systems that reach it, each in its cheapest layout, cheapest first;
    `crossings` in cost and in energy, by speed."""

    rows: dict[float, list[Estimate]]
    crossings: list[Crossing]


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
) -> Frontier:
    """What a token costs on each system when every user must get a speed, for many speeds.

    Diagnostics: as `estimate`, but a speed that nobody reaches is a row without systems.
    """
    check_traffic(input, output, users, max(speeds, default=0), drafted, accepted)
    config = load_model(model) if isinstance(model, str) else model
    systems = load_systems(on)

    def at(wanted: Sequence[float]) -> dict[float, list[Estimate]]:
        points = [
            Point(
                model=config, system=system, form=precision_of(config, system, precision), engine="trtllm",
                tokens_in=float(input), tokens_out=float(output), users=float(users),
                least_tokens_per_s=speed, drafted=drafted, accepted=accepted,
            )
            for speed in wanted for system in systems
        ]  # fmt: skip
        return _by_speed(points, wanted)

    steps = int(np.log(_LAST / _FIRST) / np.log(_RATIO))
    fine = at([_FIRST * _RATIO**i for i in range(steps)])
    crossings = [*_crossings("cost", fine, dollars), *_crossings("energy", fine, _joules)]
    return Frontier(at(speeds), sorted(crossings, key=lambda crossing: crossing.tokens_per_s_per_user))


def _by_speed(points: Sequence[Point], wanted: Sequence[float]) -> dict[float, list[Estimate]]:
    c, found = constants(), {speed: list[Estimate]() for speed in wanted}
    for point, answers, i in answer(points, c):
        if answers.fits[i] and answers.meets[i]:
            found[point.least_tokens_per_s].append(estimate_of(point, answers, i, c))
    return {speed: sorted(rows, key=dollars) for speed, rows in found.items()}


def _crossings(
    what: str, rows: dict[float, list[Estimate]], score: Callable[[Estimate], float]
) -> Iterator[Crossing]:
    """Where the kind of the best system changes, to the ratio of the speeds that were tried."""
    before: Kind | str | None = ""
    for speed, found in rows.items():
        best = min(found, key=score) if found else None
        kind = best.kind if best else None
        if kind != before:
            yield Crossing(what, speed, kind, best.system if best else None)
        before = kind


def dollars(row: Estimate) -> float:
    """Of a million tokens; a system without a price comes last."""
    return row.usd_per_million_tokens.value if row.usd_per_million_tokens else float("inf")


def _joules(row: Estimate) -> float:
    return row.joules_per_token.value
