"""What every kind of request comes down to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from openwafer.serve.api._errors import bad_request
from openwafer.serve.core._job import Tier

Temperature: TypeAlias = Annotated[float, Meta(ge=0, le=2)]
Part: TypeAlias = Annotated[float, Meta(gt=0, le=1)]
Penalty: TypeAlias = Annotated[float, Meta(ge=-2, le=2)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=128)]
Tokens: TypeAlias = Annotated[int, Meta(ge=1, le=2**31)]
Seed: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Name: TypeAlias = Annotated[str, Meta(max_length=256)]
Stop: TypeAlias = str | list[str] | None
MOST_STOPS = 4


@dataclass(slots=True, kw_only=True)
class Ask:
    """One prompt and how to answer it. `tier` is None for the server's choice (`auto`)."""

    model: str
    prompt: list[int]
    most_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None
    seed: int | None = None
    bias: dict[int, float] = field(default_factory=dict[int, float])
    presence: float = 0.0
    frequency: float = 0.0
    stops: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    top: int | None = None
    wants_prompt: bool = False
    tier: Tier | None = None
    session: str | None = None
    ignores_stop: bool = False
    least_tokens: int = 0
    text: str | None = None
    """The prompt as text, where it was one."""


def stops_of(stop: Stop) -> tuple[str, ...]:
    found = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if len(found) > MOST_STOPS or any(not 0 < len(s) <= 256 for s in found):
        text = f"`stop` has at most {MOST_STOPS} strings, none empty or above 256 characters"
        raise bad_request("stop", text)
    return found


def bias_of(bias: dict[str, float] | None, vocabulary: int) -> dict[int, float]:
    found: dict[int, float] = {}
    for token, value in (bias or {}).items():
        if not token.isdecimal() or int(token) >= vocabulary or not -100 <= value <= 100:
            found_words = f"found {token!r}: {value}"
            text = f"`logit_bias` has tokens below {vocabulary}, values from -100 to 100, {found_words}"
            raise bad_request("logit_bias", text)
        found[int(token)] = value
    return found


def tier_of(name: str | None) -> Tier | None:
    """`auto` and `standard_only` leave it to the server."""
    match name:
        case None | "auto" | "standard_only":
            return None
        case "ultrafast" | "priority" | "default" | "flex":
            return name
        case "fast":
            return "ultrafast"
        case _:
            text = f"there is no service tier {name!r}: ultrafast, priority, default, flex or auto"
            raise bad_request("service_tier", text)
