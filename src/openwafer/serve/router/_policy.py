"""The policy as data: `router.toml`, with defaults that are explained there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from openwafer.diag import Source, error, suggest
from openwafer.files import MIB, parse_toml, read_text
from openwafer.serve.core._job import TIERS, Limit, Tier

ID = "policy-invalid"
Weight = Annotated[float, Meta(ge=0, le=1e12)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars a unit."""

    usd: Weight = 1.0
    joules: Weight = 0.0
    grams: Weight = 0.0
    seconds: Weight = 0.0


class TierPromise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    first_s: Seconds = math.inf
    token_s: Seconds = math.inf
    wait_s: Seconds = math.inf


class Power(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cap_w: Weight = 0.0


class Breaking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    failures: Annotated[int, Meta(ge=1, le=1000)] = 3
    open_s: Seconds = 10.0


class Failover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    attempts: Annotated[int, Meta(ge=1, le=100)] = 4


class Queueing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    most: Annotated[int, Meta(ge=0, le=10**7)] = 10_000


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    objective: Objective
    tier: dict[str, TierPromise]
    power: Power
    breaker: Breaking
    failover: Failover
    queue: Queueing


@dataclass(frozen=True, slots=True)
class Policy:
    objective: Objective
    limits: dict[Tier, Limit]
    power_cap_w: float
    breaker: Breaking
    attempts: int
    most_waiting: int


def default_text() -> str:
    """The default policy with its explanation."""
    return resources.files("openwafer.serve").joinpath("data/router.toml").read_text("utf-8")


def load_policy(path: str | Path | None = None) -> Policy:
    """The default policy, with what a file says in its place. Diagnostics: policy-invalid."""
    document = parse_toml(Source("router.toml", default_text()), ID)
    if path is not None:
        text = read_text(Path(path), "policy", ID, MIB)
        _merge(document, parse_toml(Source(str(path), text), ID), str(path))
    return _policy(document, str(path or "router.toml"))


def _merge(into: dict[str, Any], new: dict[str, Any], path: str) -> None:
    for name, value in new.items():
        if name not in into:
            hint = suggest(name, list(into))
            raise error(ID, f"{path}: there is no `{name}`", help=hint or f"there are {', '.join(into)}")
        if isinstance(into[name], dict) and isinstance(value, dict) and name != "tier":
            into[name] = into[name] | value
        elif name == "tier" and isinstance(value, dict):
            tiers = cast("dict[str, Any]", value)
            into[name] = into[name] | {t: into[name].get(t, {}) | p for t, p in tiers.items()}
        else:
            into[name] = value


def _policy(document: dict[str, Any], path: str) -> Policy:
    try:
        read = msgspec.convert(document, _Document)
    except (msgspec.ValidationError, TypeError) as reason:
        raise error(ID, f"{path}: {reason}") from None
    for name in read.tier:
        if name not in TIERS:
            raise error(ID, f"{path}: there is no tier `{name}`", help=f"there are {', '.join(TIERS)}")
    promises: dict[Tier, TierPromise] = {tier: read.tier.get(tier, TierPromise()) for tier in TIERS}
    limits: dict[Tier, Limit] = {tier: Limit(p.first_s, p.token_s, p.wait_s) for tier, p in promises.items()}
    return Policy(
        read.objective, limits, read.power.cap_w or math.inf, read.breaker, read.failover.attempts,
        read.queue.most,
    )  # fmt: skip
