"""The router: takes requests, asks backends, starts, queues, moves, refuses.

It does nothing of its own accord: all calls come as events of one clock, so the same requests at the same
times give the same decisions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from openwafer.serve.backends._protocol import Backend
from openwafer.serve.core._clock import Clock
from openwafer.serve.core._job import TIERS, Job, Tier
from openwafer.serve.router._chooser import Chooser
from openwafer.serve.router._policy import Policy
from openwafer.serve.router._queue import FairQueue

Watcher = Callable[[str, Job], None]
"""Is told of `queued`, `started`, `first`, `moved` and `ended`."""
_LATER = ("full", "wait", "open breaker", "draining", "power cap", "down")
"""Reasons that may pass."""


class Router:
    """`watch` is told what happens to each job. With `explains` jobs keep all candidates of their last
    decision."""

    def __init__(
        self, clock: Clock, backends: Sequence[Backend], policy: Policy, *, explains: bool = True,
        watch: Watcher | None = None,
    ) -> None:  # fmt: skip
        self.clock, self.policy = clock, policy
        self.backends = {backend.name: backend for backend in backends}
        self._chooser = Chooser(clock, self.backends, policy, explains=explains)
        self.breakers, self.watts = self._chooser.breakers, self._chooser.watts
        self.draining, self.down = self._chooser.draining, self._chooser.down
        self.running: dict[str, Job] = {}
        self.queues: dict[Tier, FairQueue] = {tier: FairQueue() for tier in TIERS}
        self._flex: dict[str, Job] = {}
        self._watch = watch
        self.waiting = 0
        """Requests in all queues."""
        self._is_moving = False
        for backend in backends:
            backend.attach(self)

    def serves(self, model: str) -> list[Backend]:
        return [backend for backend in self.backends.values() if model in backend.models]

    # --- requests ---

    def submit(self, job: Job) -> None:
        """Starts it, puts it into the queue, or ends it with an error, which begins with `error:` and a
        code."""
        job.arrived_s = self.clock.now
        if not self.queues[job.tier] and self._place(job):
            return
        self._wait(job)

    def _wait(self, job: Job) -> None:
        if self.queues[job.tier] or not job.candidates:
            self._chooser.look(job)
        reasons = [c.why_not for c in job.candidates]
        if not any(reason.startswith(_LATER) for reason in reasons):
            return self._end(job, self._why_never(job))
        if self.waiting >= self.policy.most_waiting:
            return self._end(job, "error:queue_full")
        self._enqueue(job, job.arrived_s + job.limit.wait_s)

    def _why_never(self, job: Job) -> str:
        reasons = {c.why_not for c in job.candidates}
        if not reasons:
            return "error:model_not_found"
        return "error:context_length_exceeded" if reasons == {"context"} else "error:tier_unavailable"

    def _enqueue(self, job: Job, until_s: float, *, first: bool = False) -> None:
        self.queues[job.tier].push(job, first=first)
        self.waiting += 1
        job.wait = -1
        self._tell("queued", job)
        self._retry_later()
        if until_s < math.inf:
            job.wait = self.clock.at(until_s, lambda: self._waited(job))

    def _waited(self, job: Job) -> None:
        """Too long."""
        job.wait = -1
        self._leave_queue(job)
        self._chooser.look(job)
        self._end(job, "error:tier_unavailable")

    def _leave_queue(self, job: Job) -> None:
        self.queues[job.tier].remove(job)
        self._has_left(job)

    def _has_left(self, job: Job) -> None:
        self.waiting -= 1
        if job.wait is not None and job.wait > 0:
            self.clock.drop(job.wait)
        job.wait = None

    def cancel(self, job: Job) -> None:
        """The client has gone."""
        if job.finish is not None:
            return
        if job.wait is not None:
            self._leave_queue(job)
        elif job.id in self.running:
            self.backends[job.backend].stop(job)
            self.breakers[job.backend].let_go()
        self._end(job, "cancelled")
        self.dispatch()

    # --- decisions ---

    def _place(self, job: Job) -> bool:
        """Starts it where it is best."""
        best = self._chooser.look(job)
        if best is None:
            return False
        backend = self.backends[best.backend]
        job.backend, job.kind = backend.name, backend.kind
        job.tried.append(backend.name)
        if math.isnan(job.started_s):
            job.started_s = self.clock.now
        self.running[job.id] = job
        if job.tier == "flex":
            self._flex[job.id] = job
        self.breakers[backend.name].started()
        self._tell("started", job)
        backend.start(job)
        return True

    def dispatch(self) -> None:
        """Starts what waits, as far as there is room: classes in their order, keys by what they had."""
        if self._is_moving or not self.waiting:
            return
        self._is_moving = True
        try:
            for tier in TIERS:
                while self.queues[tier] and self._start_one(self.queues[tier]):
                    pass
        finally:
            self._is_moving = False

    def _start_one(self, queue: FairQueue) -> bool:
        for job in queue.heads()[:8]:
            if self._place(job):
                queue.take(job)
                self._has_left(job)
                return True
        return False

    # --- the power cap ---

    def _shed(self) -> None:
        """Puts flexible answers back, the last first, while the others need the power."""
        while self._flex and self.watts() > self.policy.power_cap_w:
            job = self._flex[next(reversed(self._flex))]
            self.backends[job.backend].stop(job)
            self.breakers[job.backend].let_go()
            self._release(job)
            self._enqueue(job, math.inf, first=True)

    # --- what backends tell ---

    def first(self, job: Job) -> None:
        self._tell("first", job)
        if self._chooser.is_capped and self._flex:
            self._shed()
        if self.waiting:
            self.dispatch()

    def finished(self, job: Job, reason: str) -> None:
        self.breakers[job.backend].succeeded()
        self._release(job)
        self._end(job, reason)
        self.dispatch()

    def failed(self, job: Job, why: str, retry_after_s: float | None = None) -> None:
        """Another backend goes on where this one stopped, if there is one."""
        self.breakers[job.backend].fail(self.clock.now, retry_after_s)
        self._release(job)
        job.failures += 1
        job.avoids = (*job.avoids, job.backend)
        if job.failures >= self.policy.attempts:
            self._end(job, f"error:backend_failed:{why}")
        elif self._place(job) or self._place_again(job):
            self._tell("moved", job)
        elif any(c.why_not.startswith(_LATER) for c in job.candidates):
            self._enqueue(job, self.clock.now + job.limit.wait_s, first=True)
        else:
            self._end(job, f"error:backend_failed:{why}")

    def _place_again(self, job: Job) -> bool:
        """Where it failed before, if it can go nowhere else."""
        job.avoids = ()
        return self._place(job)

    def _retry_later(self) -> None:
        """When a breaker lets a trial through again."""
        ends = [b.open_until_s for b in self.breakers.values() if b.open_until_s > self.clock.now]
        if ends:
            self.clock.at(min(ends), self.dispatch)

    def _release(self, job: Job) -> None:
        self.running.pop(job.id, None)
        self._flex.pop(job.id, None)

    def _end(self, job: Job, reason: str) -> None:
        self._release(job)
        job.finish, job.ended_s = reason, self.clock.now
        self._tell("ended", job)
        if job.end is not None:
            job.end(job)

    def _tell(self, what: str, job: Job) -> None:
        if self._watch is not None:
            self._watch(what, job)

    # --- what operators do ---

    def drain(self, name: str) -> None:
        """Nothing new goes there; what runs there ends there."""
        self.draining.add(name)

    def resume(self, name: str) -> None:
        """It gets requests again, after `drain` or `kill`."""
        self.draining.discard(name)
        self.down.discard(name)
        self.breakers[name].succeeded()
        self.breakers[name].open_until_s = -math.inf
        self.dispatch()

    def kill(self, name: str, why: str = "it was switched off") -> None:
        """What runs there goes on elsewhere."""
        self.down.add(name)
        self.backends[name].fail(why)
        self.dispatch()
