"""The service behind the API: makes jobs of what is asked, and gives their answers back as they grow."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Protocol

from openwafer.diag import DiagnosticError
from openwafer.serve.api._ask import Ask
from openwafer.serve.api._errors import ApiError, bad_request, job_error
from openwafer.serve.api._keys import Caller
from openwafer.serve.core._clock import PacedClock
from openwafer.serve.core._job import TIERS, Job, Limit, Tier, blocks_of
from openwafer.serve.core._receipt import receipt
from openwafer.serve.router._router import Router
from openwafer.serve.text._answer import Answer, Piece
from openwafer.serve.text._codec import Codec
from openwafer.serve.text._grammar import Grammar
from openwafer.serve.text._sample import Sampling

_MOST_DECISIONS = 10_000
_RETRY_S = 1.0
"""Where nobody knows when a place is free."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model by the name that clients use."""

    name: str
    codec: Codec
    created: int = field(default_factory=lambda: int(time.time()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Limits of what a client may ask: bytes of a body, tokens of an answer, choices, wall seconds of an
    answer, of a body and of a client that does not read."""

    most_bytes: int = 4 * 2**20
    most_tokens: int = 4096
    most_choices: int = 8
    answer_s: float = 600.0
    body_s: float = 30.0
    write_s: float = 30.0
    vendor: bool = False
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What headers ask for: seconds to the first token and between tokens, and whether another class will
    do."""

    first_s: float | None = None
    token_s: float | None = None
    allows_downgrade: bool = False


class Stream:
    """An answer that grows. `next` gives what is new; nothing at its end."""

    def __init__(self, job: Job, answer: Answer | None) -> None:
        self.job, self.answer = job, answer
        self.begun = time.monotonic()
        self.first: float | None = None
        self.ended: float | None = None
        self._pieces: list[Piece] = []
        self._changed = asyncio.Event()

    def tell(self, piece: Piece) -> None:
        if self.first is None:
            self.first = time.monotonic()
        self._pieces.append(piece)
        self._changed.set()

    def end(self) -> None:
        self.ended = time.monotonic()
        self._changed.set()

    async def wait(self) -> None:
        """Until something is there, or the end. Raises `ApiError` if it ended with an error."""
        while not self._pieces and self.job.finish is None:
            self._changed.clear()
            await self._changed.wait()
        if not self._pieces and self.job.has_failed:
            raise job_error(str(self.job.finish), _RETRY_S)

    async def next(self) -> list[Piece]:
        """Raises `ApiError` if the answer failed."""
        await self.wait()
        found, self._pieces = self._pieces, []
        return found

    @property
    def wall_s(self) -> float:
        return (self.ended or time.monotonic()) - self.begun

    @property
    def wall_first_s(self) -> float | None:
        return None if self.first is None else self.first - self.begun


class Observer(Protocol):
    """Is told of every answer that has ended."""

    def ended(self, stream: Stream) -> None: ...


class Service:
    """`log` gets a receipt a line."""

    def __init__(
        self, clock: PacedClock, router: Router, models: list[ServedModel], options: Options, *,
        log: IO[str] | None = None, observers: tuple[Observer, ...] = (),
    ) -> None:  # fmt: skip
        self.clock, self.router, self.options = clock, router, options
        self.models = {model.name: model for model in models}
        self._log, self._observers = log, observers
        self._decisions: OrderedDict[str, tuple[str, dict[str, Any]]] = OrderedDict()
        self.streams: dict[str, Stream] = {}
        """Those that go on."""
        self.is_draining = False
        self.stop: Callable[[], None] = lambda: None
        """Ends the server."""

    def model(self, name: str) -> ServedModel:
        if (found := self.models.get(name)) is None:
            text = f"the model `{name[:200]}` does not exist; there are {', '.join(self.models)}"
            raise ApiError(404, text, code="model_not_found", param="model")
        return found

    # --- a request ---

    def begin(self, ask: Ask, caller: Caller, wishes: Wishes, count: int = 1) -> list[Stream]:
        """Starts `count` answers."""
        if self.is_draining:
            raise ApiError(503, "the server is going down", code="draining", retry_after_s=_RETRY_S)
        if count > self.options.most_choices:
            raise bad_request("n", f"at most {self.options.most_choices} choices")
        most = self._most_tokens(ask)
        tier = self._tier(ask, caller)
        caller.tokens.take((len(ask.prompt) + most) * count, "tokens")
        seed = secrets.randbits(62) if ask.seed is None else ask.seed & (2**63 - 1)
        if ask.seed is None and self.options.seed is not None:
            seed = self.options.seed
        streams = [self._stream(ask, caller, wishes, tier, most, seed + at) for at in range(count)]
        for stream in streams:
            self.clock.arrive(lambda job=stream.job: self.router.submit(job))
        return streams

    def _most_tokens(self, ask: Ask) -> int:
        """What is asked for, or what fits. Diagnostics: context_length_exceeded."""
        backends = self.router.serves(ask.model)
        context = max((b.capacity().context for b in backends), default=0)
        room = context - len(ask.prompt)
        if not ask.prompt:
            raise bad_request("prompt", "the prompt has no tokens", "empty_string")
        if room < (ask.most_tokens or 1):
            text = (
                f"the context has {context} tokens; the prompt has {len(ask.prompt)}, "
                f"the answer may have {ask.most_tokens or 1}"
            )
            raise ApiError(400, text, code="context_length_exceeded", param="messages")
        if ask.most_tokens is not None and ask.most_tokens > self.options.most_tokens:
            text = f"an answer has at most {self.options.most_tokens} tokens here"
            raise bad_request("max_completion_tokens", text)
        return ask.most_tokens or min(room, self.options.most_tokens)

    def _tier(self, ask: Ask, caller: Caller) -> Tier:
        if ask.tier is None:
            return "default" if "default" in caller.tiers else caller.tiers[0]
        if ask.tier not in caller.tiers:
            text = f"this key has the tiers {', '.join(caller.tiers)}"
            raise ApiError(403, text, code="tier_not_allowed", param="service_tier")
        return ask.tier

    def _stream(self, ask: Ask, caller: Caller, wishes: Wishes, tier: Tier, most: int, seed: int) -> Stream:
        codec = self.model(ask.model).codec
        sampling = Sampling(
            ask.temperature, ask.top_p, ask.top_k, seed % 2**63, ask.bias, ask.presence, ask.frequency
        )
        job = Job(
            f"dec_{secrets.token_hex(12)}", ask.model, len(ask.prompt), key=caller.name, tier=tier,
            limit=self._limit(tier, wishes), session=ask.session, most_tokens=most,
            blocks=blocks_of(ask.prompt, caller.name), end=lambda job: self._ended(job, wishes),
        )  # fmt: skip
        stream = Stream(job, None)
        grammar = None if ask.schema is None else self._grammar(codec, ask.schema)
        stream.answer = Answer(
            codec, ask.prompt, most, sampling, stream.tell, stops=ask.stops, grammar=grammar, top=ask.top,
            wants_prompt=ask.wants_prompt, ignores_stop=ask.ignores_stop, least_tokens=ask.least_tokens,
        )  # fmt: skip
        job.writer, job.body = stream.answer, {"text": ask.text, "ask": ask, "seed": seed}
        self.streams[job.id] = stream
        return stream

    def _grammar(self, codec: Codec, schema: dict[str, Any]) -> Grammar:
        try:
            return Grammar(codec, schema)
        except DiagnosticError as reason:
            text = f"`response_format`: {reason.diagnostics[0].message}"
            raise bad_request("response_format", text) from None

    def _limit(self, tier: Tier, wishes: Wishes) -> Limit:
        return self.router.policy.limits[tier].stricter(wishes.first_s, wishes.token_s)

    def _ended(self, job: Job, wishes: Wishes) -> None:
        """A class that nobody can keep is not replaced by another, unless the request allows it."""
        lower = TIERS[TIERS.index(job.tier) + 1 :]
        if job.finish == "error:tier_unavailable" and wishes.allows_downgrade and lower:
            job.tier, job.finish = lower[0], None
            job.limit = self._limit(job.tier, Wishes())
            arrived = job.arrived_s
            self.router.submit(job)
            job.arrived_s = arrived
            return
        stream = self.streams.pop(job.id)
        stream.end()
        found = self.receipt(stream)
        self._decisions[job.id] = (job.key, found)
        while len(self._decisions) > _MOST_DECISIONS:
            self._decisions.popitem(last=False)
        if self._log is not None:
            self._log.write(json.dumps({"time": time.time(), "key": job.key} | found) + "\n")
        for observer in self._observers:
            observer.ended(stream)

    def cancel(self, streams: list[Stream]) -> None:
        """The client has gone, or it took too long."""
        for stream in streams:
            if stream.job.finish is None:
                self.clock.arrive(lambda job=stream.job: self.router.cancel(job))

    # --- receipts ---

    def receipt(self, stream: Stream) -> dict[str, Any]:
        backend = self.router.backends.get(stream.job.backend)
        system = "" if backend is None else backend.system
        return receipt(stream.job, system=system, wall_s=stream.wall_s, wall_first_s=stream.wall_first_s)

    def decision(self, id: str, caller: Caller) -> dict[str, Any]:
        """Of the caller's own answers."""
        key, found = self._decisions.get(id, ("", None))
        if found is None or (key != caller.name and not caller.is_admin):
            raise ApiError(404, "there is no such decision", code="decision_not_found", param="id")
        return found

    def decisions(self, caller: Caller, most: int) -> list[dict[str, Any]]:
        """Receipts of the caller's answers, the newest first."""
        begun = [self.receipt(s) for s in reversed(self.streams.values()) if s.job.key == caller.name]
        ended = (found for key, found in reversed(self._decisions.values()) if key == caller.name)
        return [*begun[:most], *islice(ended, max(most - len(begun), 0))]
