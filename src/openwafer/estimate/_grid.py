"""One model on many systems, for many numbers of users and speeds, in one computation on arrays."""

from __future__ import annotations

from collections.abc import Sequence

from openwafer.diag import DiagnosticError
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._constants import constants
from openwafer.estimate._estimate import Estimate, check_traffic, estimate_of, load_systems, precision_of
from openwafer.estimate._known import load_model
from openwafer.estimate._points import Point, answer
from openwafer.machine.systems import Format, System


def estimate_grid(
    model: str | ModelConfig,
    on: Sequence[str | System],
    *,
    input: float = 1024,
    output: float = 256,
    users: Sequence[float] = (1,),
    speeds: Sequence[float] = (0,),
    precision: Format | None = None,
    drafted: float = 0,
    accepted: float = 0,
) -> list[tuple[int, float, float, Estimate]]:
    """As `estimate` for each of `users` and each of `speeds` (tokens/s a user, at least): the place of the
    system
    in `on`, users, speed, and what it does. Systems that do not hold the model or lack the precision are left
    out; a speed that is not reached has `meets` = False.

    Diagnostics: model-not-found, system-not-found, traffic-out-of-range, and those of the files."""
    for count in users:
        check_traffic(input, output, count, max(speeds, default=0), drafted, accepted)
    config = load_model(model) if isinstance(model, str) else model
    points: list[Point] = []
    places: list[int] = []
    for place, system in enumerate(load_systems(on)):
        form = _form(config, system, precision)
        if form is None:
            continue
        for count in users:
            for speed in speeds:
                places.append(place)
                points.append(
                    Point(
                        model=config, system=system, form=form, engine="trtllm", tokens_in=float(input),
                        tokens_out=float(output), users=float(count), least_tokens_per_s=float(speed),
                        drafted=drafted, accepted=accepted,
                    )
                )  # fmt: skip
    used = constants()
    return [
        (place, point.users, point.least_tokens_per_s, estimate_of(point, answers, at, used))
        for place, (point, answers, at) in zip(places, answer(points, used), strict=True)
        if answers.fits[at]
    ]


def _form(config: ModelConfig, system: System, precision: Format | None) -> Format | None:
    """None where the system has no such arithmetic."""
    try:
        return precision_of(config, system, precision)
    except DiagnosticError as why:
        if all(d.id == "precision-not-there" for d in why.diagnostics):
            return None
        raise
