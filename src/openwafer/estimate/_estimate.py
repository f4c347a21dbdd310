"""One question, many systems: what each delivers for a model and its traffic, at which energy and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from openwafer.diag import Diagnostic, DiagnosticError, error
from openwafer.estimate._bands import Banded, Kind, band
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._constants import Constants, constants
from openwafer.estimate._known import load_model
from openwafer.estimate._points import BINDS, Answers, Point, answer
from openwafer.machine.systems import FORMATS, SYSTEMS, Format, GpuSystem, System, load_system

STORED_SMALL: dict[Format, Format] = {"fp8": "w8a16", "fp4": "w4a16"}
"""How a system without such arithmetic holds weights that are published so."""
Engine = Literal["trtllm", "vllm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one system delivers. Energy is IT energy: systems with hosts, without the building (`pue` adds
    it).

    `meets` is False where no layout gives a user the tokens a second that were asked for: then the numbers
    are
    those of the fastest layout. Chips that serve count as a part of a server. `layout`: replicas × chips (×
    stages of a pipeline), or × wafers; groups that only read prompts after a plus.
    """

    model: str
    system: str
    kind: Kind
    precision: Format
    meets: bool
    systems: int
    layout: str
    first_token_s: Banded
    tokens_per_s_per_user: Banded
    tokens_per_s: Banded
    tokens_per_s_per_system: Banded
    joules_per_token: Banded
    facility_joules_per_token: Banded
    usd_per_million_tokens: Banded | None
    binds: str
    assumed: tuple[str, ...]


def estimate(
    model: str | ModelConfig,
    on: Sequence[str | System],
    *,
    input: float = 1024,
    output: float = 256,
    users: float = 1,
    tokens_per_second_per_user: float = 0,
    precision: Format | None = None,
    engine: Engine = "trtllm",
    drafted: float = 0,
    accepted: float = 0,
    c: Constants | None = None,
) -> list[Estimate]:
    """What each system of `on` does for `users` requests in flight of `input` and `output` tokens.

    `drafted` tokens a round of speculative decoding, each right with probability `accepted`.
    Diagnostics: model-not-found, system-not-found, precision-not-there, model-fits-nowhere,
    target-out-of-reach,
    traffic-out-of-range, and those of the files.
    """
    check_traffic(input, output, users, tokens_per_second_per_user, drafted, accepted)
    config = load_model(model) if isinstance(model, str) else model
    systems = load_systems(on)
    points = [
        Point(
            model=config, system=system, form=precision_of(config, system, precision), engine=engine,
            tokens_in=float(input), tokens_out=float(output), users=float(users),
            least_tokens_per_s=tokens_per_second_per_user, drafted=drafted, accepted=accepted,
        )
        for system in systems
    ]  # fmt: skip
    used = c or constants()
    answers = answer(points, used)
    _check_any(config, answers, tokens_per_second_per_user)
    return [estimate_of(*entry, used) for entry in answers if entry[1].fits[entry[2]]]


def load_systems(on: Sequence[str | System]) -> list[System]:
    """Diagnostics: system-none-named, and those of `load_system`."""
    if not on:
        raise error("system-none-named", "no system is named", help=f"one of {', '.join(SYSTEMS)}, or a file")
    return [load_system(s) if isinstance(s, str) else s for s in on]


def check_traffic(
    input: float,
    output: float,
    users: float,
    tokens_per_second_per_user: float,
    drafted: float,
    accepted: float,
) -> None:
    """Diagnostics: traffic-out-of-range."""
    for name, value, low, high in (
        ("input", input, 1, 1e8), ("output", output, 1, 1e8), ("users", users, 1, 1e9),
        ("tokens-per-second-per-user", tokens_per_second_per_user, 0, 1e9), ("drafted", drafted, 0, 64),
        ("accepted", accepted, 0, 0.999),
    ):  # fmt: skip
        if not low <= value <= high:
            raise error("traffic-out-of-range", f"`{name}` must be from {low:g} to {high:g}, found {value:g}")


def precision_of(model: ModelConfig, system: System, wanted: Format | None) -> Format:
    """What was asked for, or the format of the published weights, stored small where the system cannot
    compute it.

    Diagnostics: precision-unknown, precision-not-there.
    """
    if wanted is not None and wanted not in FORMATS:
        raise error("precision-unknown", f"no precision `{wanted}`", help=f"one of {', '.join(FORMATS)}")
    if wanted is not None:
        if system.peak_flop_per_s(wanted) is None:
            has = ", ".join(f for f in FORMATS if system.peak_flop_per_s(f) is not None)
            text = f"`{system.name}` has no arithmetic in `{wanted}`"
            raise error("precision-not-there", text, help=f"it has {has}")
        return wanted
    found: list[Format] = [f for f in FORMATS if f == model.stored]
    stored: Format = found[0] if found else "f16"
    if stored == "fp4" or system.peak_flop_per_s(stored) is None:
        return STORED_SMALL.get(stored, "f16")
    return stored


def _check_any(model: ModelConfig, answers: list[tuple[Point, Answers, int]], least: float) -> None:
    """Diagnoses a model that no system holds, and a speed that none of those that do can reach."""
    holding = [entry for entry in answers if entry[1].fits[entry[2]]]
    if answers and not holding:
        names = ", ".join(point.system.name for point, _, _ in answers)
        text = f"`{model.name}` with this traffic fits on none of {names}"
        raise error(
            "model-fits-nowhere", text, help="store it smaller (`--precision`), or shorten the traffic"
        )
    if holding and not any(a.meets[i] for _, a, i in holding):
        speeds = {point.system.name: 1 / float(a.token_s[i]) for point, a, i in holding}
        best = max(speeds, key=lambda name: speeds[name])
        notes = tuple(f"`{name}` reaches {speed:.4g} tokens/s a user" for name, speed in speeds.items())
        text = f"no system gives a user {least:g} tokens/s"
        help = f"the best is {speeds[best]:.4g} tokens/s on `{best}`"
        raise DiagnosticError([Diagnostic("target-out-of-reach", text, None, notes=notes, help=help)])


def estimate_of(point: Point, answers: Answers, at: int, c: Constants) -> Estimate:
    """One answer in the words of the user."""
    kind: Kind = "gpu" if isinstance(point.system, GpuSystem) else "wafer"
    value = {
        n: float(getattr(answers, n)[at])
        for n in ("systems", "share", "token_s", "first_s", "tokens_per_s", "watts")
    }
    joules = value["watts"] / value["tokens_per_s"]
    dollars = _dollars(point.system, value["share"], value["tokens_per_s"])
    return Estimate(
        model=point.model.name,
        system=point.system.name,
        kind=kind,
        precision=point.form,
        meets=bool(answers.meets[at]),
        systems=int(value["systems"]),
        layout=_layout(kind, answers, at),
        first_token_s=band(kind, "first", value["first_s"]),
        tokens_per_s_per_user=band(kind, "speed", 1 / value["token_s"]),
        tokens_per_s=band(kind, "throughput", value["tokens_per_s"]),
        tokens_per_s_per_system=band(kind, "throughput", value["tokens_per_s"] / value["share"]),
        joules_per_token=band(kind, "energy", joules),
        facility_joules_per_token=band(kind, "energy", joules * c.site.pue),
        usd_per_million_tokens=None if dollars is None else band(kind, "throughput", dollars),
        binds="capacity" if answers.full[at] else BINDS[int(np.argmax(answers.parts[:, at]))],
        assumed=tuple(f.name for f in point.system.by_name.values() if f.status == "assumed"),
    )


def _dollars(system: System, count: float, tokens_per_s: float) -> float | None:
    """A million output tokens; chips of a server and whole wafer systems, paid for by the hour."""
    hour = system.usd_per_hour
    return None if hour is None else hour * count / (tokens_per_s * 3600) * 1e6


def _layout(kind: Kind, answers: Answers, at: int) -> str:
    replicas, group, pipes, prompts = (
        int(getattr(answers, n)[at]) for n in ("replicas", "group", "pipes", "prompts")
    )
    if kind == "wafer":
        return f"{replicas} × {group} wafer{'s' if group > 1 else ''}"
    apart = f" + {prompts} × TP{group} for prompts" if prompts else ""
    return f"{replicas} × TP{group}" + (f" × PP{pipes}" if pipes > 1 else "") + apart
