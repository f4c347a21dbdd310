"""Decisions: which of the backends a request goes to, and why not to the others."""

from __future__ import annotations

import math
from collections.abc import Mapping

from openwafer.serve.backends._protocol import Backend
from openwafer.serve.core._clock import Clock
from openwafer.serve.core._job import Candidate, Job, Quote
from openwafer.serve.router._breaker import Breaker
from openwafer.serve.router._policy import Policy


class Chooser:
    """Asks backends, and knows which of them may be asked. With `explains` the reasons of all are kept."""

    def __init__(
        self, clock: Clock, backends: Mapping[str, Backend], policy: Policy, *, explains: bool
    ) -> None:
        self._clock, self._backends, self._policy, self._explains = clock, backends, policy, explains
        breaking = policy.breaker
        self.breakers = {name: Breaker(breaking.failures, breaking.open_s) for name in backends}
        self.draining: set[str] = set()
        self.down: set[str] = set()
        self.is_capped = policy.power_cap_w < math.inf

    def watts(self) -> float:
        return sum(backend.watts() for backend in self._backends.values())

    def look(self, job: Job) -> Candidate | None:
        """Asks all backends of the model: the best candidate. The others say why not."""
        best, least, found = None, math.inf, list[Candidate]()
        for backend in self._backends.values():
            if job.model not in backend.models:
                continue
            why, quote = self._why_not(backend, job)
            candidate = Candidate(backend.name, quote, why)
            found.append(candidate)
            if not why and quote is not None and (price := self._price(job, quote)) < least:
                best, least = candidate, price
        if self._explains:
            found = [c if c.why_not or c is best else c._replace(why_not="costs more") for c in found]
        job.candidates = found
        return best

    def _why_not(self, backend: Backend, job: Job) -> tuple[str, Quote | None]:
        """An empty reason if it could have the job."""
        name, limit = backend.name, job.limit
        if name in self.down:
            return "down", None
        if name in self.draining:
            return "draining", None
        if self.breakers[name].refuses(self._clock.now):
            return "open breaker", None
        if name in job.avoids:
            return "it failed this answer", None
        quote = backend.quote(job)
        if isinstance(quote, str):
            return quote, None
        if quote.token_s > limit.token_s:
            return _too_slow(backend, "a token", quote.token_s, limit.token_s), quote
        if (
            math.isnan(job.first_s)
            and (late := self._clock.now - job.arrived_s + quote.first_s) > limit.first_s
        ):
            return _too_slow(backend, "the first token", late, limit.first_s), quote
        if self.is_capped and job.tier == "flex" and self._is_above_cap(backend, job):
            return "power cap", quote
        return "", quote

    def _is_above_cap(self, backend: Backend, job: Job) -> bool:
        return self.watts() + backend.extra_watts(job) > self._policy.power_cap_w

    def _price(self, job: Job, quote: Quote) -> float:
        weight = self._policy.objective
        seconds = quote.first_s + quote.token_s * (job.most_tokens or 1)
        return (
            weight.usd * (quote.usd or 0.0) + weight.joules * (quote.joules or 0.0)
            + weight.grams * (quote.grams or 0.0) + weight.seconds * seconds
        )  # fmt: skip


def _too_slow(backend: Backend, what: str, seconds: float, most: float) -> str:
    """It may be faster when it has less to do."""
    word = "wait" if backend.capacity().running else "slow"
    return f"{word}: {what} takes {seconds:.3g} s, above {most:.3g} s"
