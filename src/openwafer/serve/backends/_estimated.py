"""A large model on wafers or GPUs that are not there.

Its time, energy and cost are estimates; its tokens come from a small model, a fixed rule, or (with a trace)
from nowhere."""

from __future__ import annotations

import math

from openwafer.diag import DiagnosticError
from openwafer.estimate import Deployment
from openwafer.serve.backends._protocol import Capacity, Host, Kind
from openwafer.serve.backends._replica import Rates, Replica, Run
from openwafer.serve.backends._sources import Source
from openwafer.serve.backends._step_table import StepTable
from openwafer.serve.core._clock import Clock, Work
from openwafer.serve.core._job import BLOCK_TOKENS, Job, Quote, Writer
from openwafer.serve.core._units import JOULES_PER_KWH, SECONDS_PER_HOUR

_MEMORY = 1 / 64
"""Weight of the newest answer in what is expected of the next."""
_MOST_HOMES = 100_000


class EstimatedBackend:
    """`replicas` of a deployment.

    `expected_tokens`: what an answer is taken to have before any was seen. `grams_per_kwh`: of the grid, None
    where nobody said. `slots`: sequences of a replica at most."""

    kind: Kind = "estimated"
    is_simulated = True

    def __init__(
        self, name: str, clock: Clock, deployed: Deployment, *, models: tuple[str, ...] = (),
        source: Source | None = None, expected_tokens: float = 256, grams_per_kwh: float | None = None,
        slots: int = 256, block_tokens: int = BLOCK_TOKENS,
    ) -> None:  # fmt: skip
        self.name, self.models = name, models or (deployed.model,)
        self.system = f"{deployed.system}, {deployed.layout}"
        self.deployed, self._clock, self._source = deployed, clock, source
        self._rates = _rates(deployed, StepTable(deployed, slots))
        self._context = min(deployed.context, int(deployed.kv_tokens))
        self._slots, self._expected, self._stretch = slots, expected_tokens, 1.0
        self._grams_per_j = None if grams_per_kwh is None else grams_per_kwh * deployed.pue / JOULES_PER_KWH
        self._priced = deployed.usd_per_hour is not None
        self.replicas = [Replica(clock, self._rates, self, block_tokens) for _ in range(deployed.replicas)]
        self._loads = [0] * len(self.replicas)
        self._homes: dict[object, int] = {}
        self._picked = (0, 0)
        self._host: Host | None = None

    def attach(self, host: Host) -> None:
        self._host = host

    def capacity(self) -> Capacity:
        return Capacity(self._slots * len(self.replicas), sum(self._loads), self._context)

    def watts(self) -> float:
        return sum(replica.watts for replica in self.replicas)

    def extra_watts(self, job: Job) -> float:
        at, _ = self._pick(job)
        replica = self.replicas[at]
        return max(replica.step_with_one_more(job.context)[1] - replica.watts, 0.0)

    # --- what a job would get ---

    def quote(self, job: Job) -> Quote | str:
        rates, context = self._rates, job.context
        written = self._expected if job.most_tokens is None else min(self._expected, job.most_tokens)
        if job.prompt_tokens + (job.most_tokens or 1) > self._context:
            return "context"
        at, cached = self._picked = self._pick(job)
        replica = self.replicas[at]
        if not self._has_room(at, context + written):
            return "full"
        step_s, watts = replica.step_with_one_more(context + written / 2)
        whole_s, busy_s = rates.table.prompt(max(context - cached, 1))
        first_s = replica.wait_s() + whole_s + rates.first_s + rates.first_steps * step_s
        users = replica.writing + replica.reading + 1
        shared_s = written * step_s / users
        joules = busy_s * rates.prompt_watts + shared_s * watts
        usd = (busy_s + shared_s) * rates.usd_per_s if self._priced else None
        grams = None if self._grams_per_j is None else joules * self._grams_per_j
        return Quote(first_s, step_s * self._stretch, joules, usd, grams, cached)

    def _has_room(self, at: int, tokens: float) -> bool:
        replica = self.replicas[at]
        return self._loads[at] < self._slots and (tokens <= replica.free_tokens or not self._loads[at])

    def _pick(self, job: Job) -> tuple[int, int]:
        """The replica and the tokens of the prompt that it has: the one with the fewest jobs, or that which
        had the session or the prefix where this is sooner."""
        loads = self._loads
        least = loads.index(min(loads))
        if job.session is None and not job.blocks:
            return least, 0
        home = self._homes.get((job.key, job.session)) if job.session is not None else None
        if home is None and job.blocks:
            home = self._homes.get(job.blocks[0])
        if home is None or home == least:
            return least, self._cached(least, job)
        there, here = self._cached(home, job), self._cached(least, job)
        if there > here and self._has_room(home, job.context + self._expected):
            prompt, context = self._rates.table.prompt, job.context
            sooner = self.replicas[home].wait_s() + prompt(max(context - there, 1))[0]
            if sooner <= self.replicas[least].wait_s() + prompt(max(context - here, 1))[0]:
                return home, there
        return least, here

    def _cached(self, at: int, job: Job) -> int:
        """At least one token is read: its logits are needed."""
        return min(self.replicas[at].prefixes.cached(job.blocks), job.context - 1) if job.blocks else 0

    # --- a job runs ---

    def start(self, job: Job) -> None:
        """Right behind its quote."""
        at, cached = self._picked
        known = job.known_tokens
        left = self._expected if known is None else max(known - job.generated, 1)
        run = Run(job, self.replicas[at], job.context + self._expected, job.context + left / 2,
                  1 if known is None else max(known - job.generated - 1, 1))  # fmt: skip
        job.handle, job.cached = (at, run), job.cached or cached
        self._loads[at] += 1
        if job.session is not None:
            self._remember((job.key, job.session), at)
        if job.blocks:
            self._remember(job.blocks[0], at)
        self.replicas[at].read(run, max(job.context - cached, 1))

    def _remember(self, what: object, at: int) -> None:
        """Where a session or a prefix was last."""
        self._homes.pop(what, None)
        self._homes[what] = at
        if len(self._homes) > _MOST_HOMES:
            del self._homes[next(iter(self._homes))]

    def stop(self, job: Job) -> None:
        if job.handle is not None:
            self._leave(*job.handle)

    def _leave(self, at: int, run: Run) -> None:
        if run.is_over:
            return
        replica = self.replicas[at]
        replica.leave(run)
        self._loads[at] -= 1
        if self._grams_per_j is not None:
            run.job.grams += (run.job.joules - run.paid_joules) * self._grams_per_j
        run.job.handle = None
        if run.job.blocks:
            replica.prefixes.add(run.job.blocks, replica.free_tokens)

    def wrote(self, run: Run) -> Work | None:
        """Called by a replica: first for the first token, then `stride` steps later each time."""
        job, host = run.job, self._host
        assert host is not None
        if math.isnan(job.first_s):
            job.first_s = self._clock.now
            host.first(job)
        if job.known_tokens is not None:
            job.generated = job.known_tokens if run.has_begun else job.generated + 1
            run.has_begun = True
            if job.generated >= job.known_tokens:
                self._finish(run, "length")
            return None
        assert job.writer is not None and self._source is not None, "a request that is no trace has a text"
        source, writer = self._source, job.writer
        if source.is_slow:
            return Work(lambda: logits_of(source, writer), lambda found, why: self._computed(run, found, why))
        return self._computed(run, logits_of(source, writer), None)

    def _computed(self, run: Run, logits: object, why: Exception | None) -> None:
        if run.is_over:
            return
        if why is not None:
            assert self._host is not None
            self._leave(run.job.handle[0], run)
            return self._host.failed(run.job, str(why))
        assert run.job.writer is not None and self._host is not None
        try:
            reason = run.job.writer.write(logits)
        except DiagnosticError as failure:
            self._leave(run.job.handle[0], run)
            return self._host.failed(run.job, failure.diagnostics[0].message)
        run.job.generated += 1
        if reason is not None:
            self._finish(run, reason)

    def _finish(self, run: Run, reason: str) -> None:
        job, count = run.job, run.job.generated
        self._expected += (count - self._expected) * _MEMORY
        if count > 1 and job.first_s < self._clock.now:
            real = (self._clock.now - job.first_s) / (count - 1) / run.step_s
            self._stretch += (real - self._stretch) * _MEMORY
        self._leave(job.handle[0], run)
        assert self._host is not None
        self._host.finished(job, reason)

    def settle(self) -> None:
        """Adds up what its replicas took until now."""
        for replica in self.replicas:
            replica.settle()

    def usd_of_all(self) -> float | None:
        """Of all replicas since the start of the clock, idle or not; None where there is no price."""
        return self._rates.usd_per_s * len(self.replicas) * self._clock.now if self._priced else None

    def fail(self, why: str) -> None:
        """All its jobs go elsewhere, its caches are lost: what happens when a system breaks."""
        assert self._host is not None
        for at, replica in enumerate(self.replicas):
            for run in list(replica.runs.values()):
                self._leave(at, run)
                self._host.failed(run.job, why)
            replica.prefixes.clear()


def logits_of(source: Source, writer: Writer) -> object:
    """Behind the text so far; those behind each token of the prompt are read first, where they are wanted."""
    if writer.wants_prompt:
        for at in range(1, writer.prompt_tokens):
            writer.read(at - 1, source.logits(writer.ids[:at]))
    return source.logits(writer.ids)


def _rates(deployed: Deployment, table: StepTable) -> Rates:
    return Rates(
        table=table, prompt_watts=deployed.prompt_watts, idle_watts=deployed.idle_watts,
        usd_per_s=(deployed.usd_per_hour or 0.0) / SECONDS_PER_HOUR, first_s=deployed.first_s,
        first_steps=deployed.first_steps, kv_tokens=deployed.kv_tokens,
    )  # fmt: skip
