"""Requests on their way through the service, and what limits them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

Tier: TypeAlias = Literal["ultrafast", "priority", "default", "flex"]
TIERS: tuple[Tier, ...] = ("ultrafast", "priority", "default", "flex")
"""Who is served first."""
Finish: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]
BLOCK_TOKENS = 128
"""Prefixes are shared in blocks of so many tokens."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a class promises, in simulated seconds: to the first token (waiting included), between tokens,
    and how long a request may wait before it starts."""

    first_s: float = math.inf
    token_s: float = math.inf
    wait_s: float = math.inf

    def stricter(self, first_s: float | None, token_s: float | None) -> Limit:
        """With what a request asks for itself."""
        first = min(self.first_s, math.inf if first_s is None else first_s)
        return Limit(first, min(self.token_s, math.inf if token_s is None else token_s), self.wait_s)


class Quote(NamedTuple):
    """What a backend would give a request now, in simulated seconds, joules (IT), dollars and grams of CO₂
    (the building's share included). Costs that nobody knows are None."""

    first_s: float
    token_s: float
    joules: float | None
    usd: float | None
    grams: float | None
    cached: int = 0


class Writer(Protocol):
    """What is written: it chooses tokens and tells the client."""

    ids: list[int]
    """Prompt and answer so far."""
    prompt_tokens: int
    wants_prompt: bool
    """Whether it needs the logits behind each token of the prompt."""

    def read(self, at: int, logits: Any) -> None:
        """Logits behind token `at` of the prompt."""
        ...

    def write(self, logits: Any) -> Finish | None:
        """Chooses the next token. A reason if the answer ends with it."""
        ...

    def relay(self, text: str, ids: Sequence[int], finish: Finish | None) -> None:
        """Takes what another service has written."""
        ...


class Candidate(NamedTuple):
    """A backend that was looked at: its quote, and why it was not taken ("" if it was)."""

    backend: str
    quote: Quote | None
    why_not: str


class Job:
    """One answer on its way. Times are simulated seconds; `nan` until they are known."""

    __slots__ = (
        "arrived_s", "asked_tier", "avoids", "backend", "blocks", "body", "cached", "candidates", "end",
        "ended_s", "failures", "finish", "first_s", "generated", "grams", "handle", "id", "joules", "key",
        "kind", "known_tokens", "limit", "model", "most_tokens", "prompt_tokens", "session", "started_s",
        "tier", "tried", "usd", "wait", "writer",
    )  # fmt: skip

    def __init__(
        self, id: str, model: str, prompt_tokens: int, *, key: str = "", tier: Tier = "default",
        limit: Limit | None = None, session: str | None = None, blocks: tuple[int, ...] = (),
        most_tokens: int | None = None, known_tokens: int | None = None, writer: Writer | None = None,
        body: dict[str, Any] | None = None, end: Callable[[Job], None] | None = None,
    ) -> None:  # fmt: skip
        self.id, self.model, self.key = id, model, key
        self.tier: Tier = tier
        self.asked_tier: Tier = tier
        self.limit = limit or Limit()
        self.session, self.blocks, self.prompt_tokens = session, blocks, prompt_tokens
        self.most_tokens, self.known_tokens = most_tokens, known_tokens
        """`known_tokens`: of a trace, how many come. Backends know it, the router does not."""
        self.writer, self.body, self.end = writer, body, end
        self.arrived_s = self.started_s = self.first_s = self.ended_s = math.nan
        self.generated = self.cached = self.failures = 0
        self.joules = self.usd = self.grams = 0.0
        self.backend, self.kind = "", ""
        self.tried: list[str] = []
        """Backends that had it, the last one has it now."""
        self.avoids: tuple[str, ...] = ()
        """Backends that failed it."""
        self.candidates: list[Candidate] = []
        self.finish: str | None = None
        """How it ended; an error begins with `error:`."""
        self.handle: Any = None
        """What its backend keeps with it."""
        self.wait: int | None = None
        """The event that ends its waiting, -1 if none does; None while it does not wait."""

    @property
    def context(self) -> int:
        """Tokens to be read before the next one is written."""
        return self.prompt_tokens + self.generated

    @property
    def has_failed(self) -> bool:
        return self.finish is not None and self.finish.startswith("error:")


def blocks_of(ids: Sequence[int], owner: str) -> tuple[int, ...]:
    """Names of the whole blocks of a text, each of all that is before it; other owners have other names."""
    import hashlib

    chain, names = hashlib.blake2b(owner.encode(), digest_size=8), list[int]()
    for at in range(0, len(ids) - len(ids) % BLOCK_TOKENS, BLOCK_TOKENS):
        chain.update(b"".join(int(token).to_bytes(4, "little") for token in ids[at : at + BLOCK_TOKENS]))
        names.append(int.from_bytes(chain.digest(), "little"))
    return tuple(names)
