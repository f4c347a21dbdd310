"""One replica of an estimated backend: sequences that share its steps, and prompts between them.

All running sequences advance by one token a step; the length of a step depends on how many there are.
`_steps` counts steps, so a sequence ends at a number of steps that is known when it starts, whoever comes and
goes meanwhile. While a prompt is read no step is made (for as long as it keeps the replica busy).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import Protocol

from openwafer.serve.backends._prefixes import Prefixes
from openwafer.serve.backends._step_table import StepTable
from openwafer.serve.core._clock import Clock, Work
from openwafer.serve.core._job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a second of a replica takes. `first_s`, `first_steps`: of a first token, on top of its prompt."""

    table: StepTable
    prompt_watts: float
    idle_watts: float
    usd_per_s: float
    first_s: float
    first_steps: float
    kv_tokens: float


class Owner(Protocol):
    """The backend that the replica belongs to."""

    def wrote(self, run: Run) -> Work | None:
        """A sequence has another token."""
        ...


class Run:
    """A job on a replica. `is_over` when it was stopped; `stride`: steps until it is looked at again."""

    __slots__ = (
        "context", "has_begun", "is_over", "job", "joules", "paid_joules", "replica", "reserved", "share_s",
        "step_s", "stride",
    )  # fmt: skip

    def __init__(self, job: Job, replica: Replica, reserved: float, context: float, stride: int) -> None:
        self.job, self.replica, self.reserved, self.context = job, replica, reserved, context
        self.stride, self.is_over, self.has_begun = stride, False, False
        self.paid_joules = job.joules
        self.joules = self.share_s = math.nan
        """The replica's sums when it started to write; `nan` while its prompt is read."""
        self.step_s = 0.0


class Replica:
    """Sums since the start: `joules` in all, of which `idle_joules` were nobody's."""

    __slots__ = (
        "_busy_until", "_clock", "_context", "_count", "_heap", "_joules_each", "_owner", "_rates",
        "_share_s", "_since", "_steps", "_wake_event", "_wake_s", "idle_joules", "joules", "prefixes",
        "reading", "reserved", "runs", "step_s", "watts", "writing",
    )  # fmt: skip

    def __init__(self, clock: Clock, rates: Rates, owner: Owner, block_tokens: int) -> None:
        self._clock, self._rates, self._owner = clock, rates, owner
        self.prefixes = Prefixes(block_tokens)
        self.reading = self.writing = 0
        self.reserved = 0.0
        self.runs: dict[str, Run] = {}
        self.step_s, self.watts = 0.0, rates.idle_watts
        self.joules = self.idle_joules = 0.0
        self._steps = self._joules_each = self._share_s = self._context = 0.0
        self._since = self._busy_until = clock.now
        self._wake_s, self._wake_event = math.inf, 0
        self._heap: list[tuple[float, int, Run]] = []
        self._count = 0

    @property
    def free_tokens(self) -> float:
        return self._rates.kv_tokens - self.reserved

    def wait_s(self) -> float:
        """Until the next prompt can be read."""
        return max(self._busy_until - self._clock.now, 0.0)

    def step_with_one_more(self, context: float) -> tuple[float, float]:
        """Seconds and watts of a step."""
        users = self.writing + self.reading + 1
        mean = (self._context + context) / (self.writing + 1)
        return self._rates.table.step(users, mean)

    # --- a job comes and goes ---

    def read(self, run: Run, tokens: int) -> None:
        """Reads `tokens` of a prompt as soon as those before it are read."""
        clock, rates = self._clock, self._rates
        self._advance()
        whole_s, busy_s = rates.table.prompt(tokens)
        begin = self._busy_until if self._busy_until > clock.now else clock.now
        self._busy_until = begin + busy_s
        self.reading += 1
        self.reserved += run.reserved
        self.runs[run.job.id] = run
        self.prefixes.shrink(self.free_tokens)
        run.job.joules += busy_s * rates.prompt_watts
        run.job.usd += busy_s * rates.usd_per_s
        steps_s = rates.first_steps * self.step_with_one_more(run.context)[0] if rates.first_steps else 0.0
        self._set_watts()
        clock.at(begin + whole_s + rates.first_s + steps_s, lambda: self._begin(run))

    def _begin(self, run: Run) -> Work | None:
        """The prompt is read, its first token is there."""
        if run.is_over:
            return None
        self._advance()
        self.reading -= 1
        self.writing += 1
        self._context += run.context
        self._set_step()
        run.joules, run.share_s, run.step_s = self._joules_each, self._share_s, self.step_s
        work = self._owner.wrote(run)
        if not run.is_over:
            self._look_at(run, self._steps + run.stride)
        return work

    def leave(self, run: Run) -> None:
        """Frees its place; its share of the energy and the time is the job's."""
        if run.is_over:
            return
        self._advance()
        run.is_over = True
        del self.runs[run.job.id]
        self.reserved -= run.reserved
        if math.isnan(run.share_s):
            self.reading -= 1
            self._set_watts()
            return
        run.job.joules += self._joules_each - run.joules
        run.job.usd += (self._share_s - run.share_s) * self._rates.usd_per_s
        self.writing -= 1
        self._context -= run.context
        self._set_step()
        self._wake()

    # --- steps ---

    def settle(self) -> None:
        """Adds up to now."""
        self._advance()

    def _advance(self) -> None:
        """Adds up what has been since the last change."""
        now, since, rates = self._clock.now, self._since, self._rates
        if now <= since:
            return
        begin = min(max(self._busy_until, since), now)
        passed = now - begin
        spent = (begin - since) * rates.prompt_watts
        if self.writing:
            self._steps += passed / self.step_s
            self._joules_each += passed * self.watts / self.writing
            self._share_s += passed / self.writing
            spent += passed * self.watts
        else:
            self.idle_joules += passed * rates.idle_watts
            spent += passed * rates.idle_watts
        self.joules += spent
        self._since = now

    def _set_step(self) -> None:
        if self.writing:
            self.step_s, self.watts = self._rates.table.step(self.writing, self._context / self.writing)
        else:
            self._context = 0.0
            self._set_watts()

    def _set_watts(self) -> None:
        if not self.writing:
            self.watts = self._rates.prompt_watts if self.reading else self._rates.idle_watts

    def _look_at(self, run: Run, steps: float) -> None:
        self._count += 1
        heapq.heappush(self._heap, (steps, self._count, run))
        self._wake()

    def _due_s(self) -> float:
        """When the next sequence is looked at, if nothing changes until then."""
        heap = self._heap
        while heap and heap[0][2].is_over:
            heapq.heappop(heap)
        if not heap:
            return math.inf
        begin = self._busy_until if self._busy_until > self._since else self._since
        return begin + (heap[0][0] - self._steps) * self.step_s

    def _wake(self) -> None:
        """An event at the next look, unless one comes before it: that looks again."""
        due = self._due_s()
        if due < self._wake_s:
            if self._wake_s < math.inf:
                self._clock.drop(self._wake_event)
            self._wake_s = due
            self._wake_event = self._clock.at(due, self._woken)
        elif due == math.inf and self._wake_s < math.inf:
            self._clock.drop(self._wake_event)
            self._wake_s = math.inf

    def _woken(self) -> Work | None:
        self._wake_s = math.inf
        if self._due_s() <= self._clock.now:
            steps, _, run = heapq.heappop(self._heap)
            work = self._owner.wrote(run)
            if not run.is_over:
                self._look_at(run, steps + run.stride)
            self._wake()
            return work
        self._wake()
        return None
