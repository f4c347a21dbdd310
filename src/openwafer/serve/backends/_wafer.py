"""A real model computed on the simulated wafer: its cycles are its time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwafer.diag import DiagnosticError
from openwafer.serve.backends._protocol import Capacity, Host, Kind
from openwafer.serve.core._clock import Clock, Work
from openwafer.serve.core._job import Job, Quote
from openwafer.serve.core._units import JOULES_PER_KWH, SECONDS_PER_HOUR

if TYPE_CHECKING:
    from openwafer.nn import Generator

_MEMORY = 1 / 64


@dataclass(frozen=True, slots=True)
class Step:
    """What one piece of work gave and took: logits, simulated seconds, joules."""

    logits: Any
    seconds: float
    joules: float


class Lane:
    """A rectangle of PEs with one text. The text stays when its answer is done: who begins as it does, and
    owns it, need not have it read again."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.owner = ""
        self.job: Job | None = None

    def prefill(self, ids: Sequence[int]) -> Step:
        """Reads a text from where it differs from the one that is there."""
        return self._measured(lambda: self.generator.resume(ids))

    def decode(self, token: int) -> Step:
        return self._measured(lambda: self.generator.feed([token]))

    def rewind(self, length: int) -> None:
        self.generator.rewind(length)

    def common(self, ids: Sequence[int], owner: str) -> int:
        """Tokens that would not be read again: none of another owner's text."""
        if owner != self.owner:
            return 0
        count = 0
        for old, new in zip(self.generator.text, ids[:-1], strict=False):
            if old != new:
                break
            count += 1
        return count

    def _measured(self, compute: Any) -> Step:
        before = self.generator.usage
        logits = compute()
        after = self.generator.usage
        return Step(logits, after.seconds - before.seconds, after.joules - before.joules)


class WaferBackend:
    """Lanes with the same model. `usd_per_s`: of one lane, its share of a system; None where nobody knows."""

    kind: Kind = "wafer"
    is_simulated = True

    def __init__(
        self, name: str, clock: Clock, lanes: Sequence[Lane], *, model: str,
        grams_per_kwh: float | None = None, pue: float = 1.0, expected_tokens: float = 64,
    ) -> None:  # fmt: skip
        self.name, self.models, self.lanes = name, (model,), list(lanes)
        self._clock, self._expected = clock, expected_tokens
        self._host: Host | None = None
        first = self.lanes[0].generator
        usage = first.usage
        columns, rows = first.session.wafer.shape
        self.system = f"{first.session.wafer.name}, {len(lanes)} × {columns} × {rows} PEs"
        part = usage.pes / usage.machine.wafer.pes_sold
        hour = usage.machine.system.price_usd_per_hour
        self._usd_per_s = None if hour is None else hour * part / SECONDS_PER_HOUR
        self._idle_w = usage.machine.system.power_idle_w * part
        self._busy_w = usage.machine.system.power_busy_w * part
        self._grams_per_j = None if grams_per_kwh is None else grams_per_kwh * pue / JOULES_PER_KWH
        self._token_s, self._prompt_s, self._watts = _warmed(self.lanes)

    def attach(self, host: Host) -> None:
        self._host = host

    def capacity(self) -> Capacity:
        busy = sum(lane.job is not None for lane in self.lanes)
        return Capacity(len(self.lanes), busy, self.lanes[0].generator.context)

    def watts(self) -> float:
        return sum(self._idle_w if lane.job is None else self._watts for lane in self.lanes)

    def extra_watts(self, job: Job) -> float:
        return self._watts - self._idle_w

    def quote(self, job: Job) -> Quote | str:
        """From the cycles of its last tokens. The prompt's time is that of pieces of a whole entry."""
        context = self.lanes[0].generator.context
        if job.prompt_tokens + (job.most_tokens or 1) > context:
            return "context"
        lane = self._lane(job)
        if lane is None:
            return "full"
        cached = 0 if job.writer is None else lane.common(job.writer.ids, job.key)
        first_s = max(job.context - cached, 1) * self._prompt_s
        written = self._expected if job.most_tokens is None else min(self._expected, job.most_tokens)
        seconds = first_s + written * self._token_s
        joules = seconds * self._watts
        usd = None if self._usd_per_s is None else seconds * self._usd_per_s
        grams = None if self._grams_per_j is None else joules * self._grams_per_j
        return Quote(first_s, self._token_s, joules, usd, grams, cached)

    def _lane(self, job: Job) -> Lane | None:
        """Of those that are free, the one that has most of the text; else the one whose text is shortest."""
        free = [lane for lane in self.lanes if lane.job is None]
        ids = [] if job.writer is None else job.writer.ids
        return max(free, key=lambda lane: (lane.common(ids, job.key), -lane.generator.length), default=None)

    # --- a job runs ---

    def start(self, job: Job) -> None:
        lane = self._lane(job)
        assert lane is not None and job.writer is not None
        cached = lane.common(job.writer.ids, job.key)
        if lane.owner != job.key:
            lane.rewind(0)
        lane.owner, lane.job = job.key, job
        job.handle, job.cached = lane, job.cached or cached
        self._clock.at(self._clock.now, lambda: self._begin(lane, job))

    def _begin(self, lane: Lane, job: Job) -> Work | None:
        """Reads the prompt: at once, or token by token where the logits behind each are wanted."""
        writer = job.writer
        if lane.job is not job or writer is None:
            return None
        ids = list(writer.ids)
        if not writer.wants_prompt:
            return Work(lambda: lane.prefill(ids), lambda step, why: self._took(lane, job, step, why))
        lane.rewind(0)
        return self._one_by_one(lane, job, ids, 0)

    def _one_by_one(self, lane: Lane, job: Job, ids: list[int], at: int) -> Work | None:
        def then(step: Step, why: Exception | None) -> Work | None:
            if at + 1 == len(ids) or why is not None or lane.job is not job:
                self._took(lane, job, step, why)
                return None
            assert job.writer is not None
            if at + 1 < job.writer.prompt_tokens:
                job.writer.read(at, step.logits)
            self._pay(job, step)
            self._clock.at(self._clock.now + step.seconds, lambda: self._one_by_one(lane, job, ids, at + 1))
            return None

        return Work(lambda: lane.decode(ids[at]), then)

    def _took(self, lane: Lane, job: Job, step: Step, why: Exception | None) -> None:
        """The logits are computed; they are there when their cycles have passed."""
        if lane.job is not job:
            return
        if why is not None:
            lane.generator.reset()
            lane.job = None
            assert self._host is not None
            return self._host.failed(job, str(why))
        self._pay(job, step)
        self._clock.at(self._clock.now + step.seconds, lambda: self._wrote(lane, job, step))

    def _pay(self, job: Job, step: Step) -> None:
        job.joules += step.joules
        job.usd += step.seconds * (self._usd_per_s or 0.0)
        job.grams += step.joules * (self._grams_per_j or 0.0)

    def _wrote(self, lane: Lane, job: Job, step: Step) -> Work | None:
        host, writer = self._host, job.writer
        if lane.job is not job or writer is None or host is None:
            return None
        if math.isnan(job.first_s):
            job.first_s = self._clock.now
            host.first(job)
        try:
            reason = writer.write(step.logits)
        except DiagnosticError as failure:
            lane.job = None
            host.failed(job, failure.diagnostics[0].message)
            return None
        job.generated += 1
        if reason is not None:
            lane.job = None
            self._expected += (job.generated - self._expected) * _MEMORY
            host.finished(job, reason)
            return None
        if lane.generator.length == len(writer.ids) - 1:
            token = writer.ids[-1]
            return Work(lambda: lane.decode(token), lambda s, why: self._took(lane, job, s, why))
        return self._begin(lane, job)

    def stop(self, job: Job) -> None:
        if job.handle.job is job:
            job.handle.job = None

    def fail(self, why: str) -> None:
        """All its jobs go elsewhere, and its texts are lost."""
        assert self._host is not None
        for lane in self.lanes:
            job, lane.job = lane.job, None
            lane.owner = ""
            if job is not None:
                self._host.failed(job, why)


def _warmed(lanes: Sequence[Lane]) -> tuple[float, float, float]:
    """Runs both entries of every lane, so that the first request finds them compiled: seconds a decoded token
    and a token of a prompt, and watts of a lane at work."""
    token_s = prompt_s = watts = 0.0
    for lane in lanes:
        lane.generator.reset()
        count = max(min(16, lane.generator.context - 1), 1)
        prompt = lane.prefill([0] * count)
        one = lane.decode(0) if lane.generator.context > 1 else prompt
        lane.generator.reset()
        token_s, prompt_s = one.seconds, prompt.seconds / count
        watts = one.joules / one.seconds if one.seconds else 0.0
    return token_s, prompt_s, watts
