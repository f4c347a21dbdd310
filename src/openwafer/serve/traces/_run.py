"""A trace through the router: offline as fast as can be, or paced against the wall, with the same result."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.serve._build import make_estimated
from openwafer.serve.backends._estimated import EstimatedBackend
from openwafer.serve.backends._file import EstimatedSpec, Spec
from openwafer.serve.core._clock import Clock, OfflineClock, PacedClock
from openwafer.serve.core._job import TIERS, Job
from openwafer.serve.router._policy import Policy
from openwafer.serve.router._router import Router
from openwafer.serve.traces._trace import Trace

MODEL = "trace"
_COLUMNS = ("arrived_s", "started_s", "first_s", "ended_s", "joules", "usd", "grams")
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Pool:
    """What a backend took in all, whether it worked or not. Dollars are those of its whole time."""

    name: str
    system: str
    answers: int
    joules: float
    idle_joules: float
    usd: float | None
    systems: int


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Of each request, in the order of the trace. `backend` is an index into `pools`, -1 for none; `finish`
    are indices into `reasons`; times are simulated seconds, `nan` where a request had none."""

    columns: dict[str, NDArray[np.float64]]
    backend: NDArray[np.int32]
    tier: NDArray[np.int8]
    finish: NDArray[np.int16]
    generated: NDArray[np.int64]
    cached: NDArray[np.int64]
    reasons: tuple[str, ...]
    pools: tuple[Pool, ...]
    order: NDArray[np.int32]
    """Requests in the order in which they ended."""
    span_s: float
    wall_s: float


class _Recorder:
    """Keeps numbers, not jobs: a day has a million."""

    def __init__(self, count: int, names: Sequence[str]) -> None:
        self.columns = {name: np.full(count, math.nan) for name in _COLUMNS}
        self.backend, self.tier = np.full(count, -1, np.int32), np.zeros(count, np.int8)
        self.finish = np.zeros(count, np.int16)
        self.generated, self.cached = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.order = array("i")
        self.reasons: dict[str, int] = {}
        self._places = {name: at for at, name in enumerate(names)} | {"": -1}
        self._tiers = {tier: at for at, tier in enumerate(TIERS)}

    def ended(self, job: Job) -> None:
        at, columns = int(job.id), self.columns
        columns["arrived_s"][at], columns["started_s"][at] = job.arrived_s, job.started_s
        columns["first_s"][at], columns["ended_s"][at] = job.first_s, job.ended_s
        columns["joules"][at], columns["usd"][at], columns["grams"][at] = job.joules, job.usd, job.grams
        self.backend[at], self.tier[at] = self._places[job.backend], self._tiers[job.tier]
        self.generated[at], self.cached[at] = job.generated, job.cached
        self.finish[at] = self.reasons.setdefault(str(job.finish), len(self.reasons))
        self.order.append(at)


class _Replay:
    """The requests of a trace as events; the next one is registered when one comes."""

    def __init__(self, trace: Trace, router: Router, recorder: _Recorder, progress: Progress | None) -> None:
        self._trace, self._router, self._ended, self._progress = trace, router, recorder.ended, progress
        self._times: list[float] = trace.arrived_s.tolist()
        self._prompts: list[int] = trace.prompt_tokens.tolist()
        self._answers: list[int] = trace.completion_tokens.tolist()
        self._at = 0

    def begin(self) -> None:
        self._router.clock.at(self._times[0], self._arrive)

    def _arrive(self) -> None:
        at, trace = self._at, self._trace
        self._at = at + 1
        if self._at < len(self._times):
            self._router.clock.at(self._times[self._at], self._arrive)
        tier = "default" if trace.tiers is None else trace.tiers[at]
        job = Job(
            str(at), MODEL, self._prompts[at], key="" if trace.keys is None else trace.keys[at], tier=tier,
            limit=self._router.policy.limits[tier], known_tokens=self._answers[at], end=self._ended,
            session=None if trace.sessions is None else trace.sessions[at],
            blocks=() if trace.blocks is None else trace.blocks[at],
        )  # fmt: skip
        self._router.submit(job)
        if self._progress is not None and at % 100_000 == 0:
            self._progress(at)


def run_trace(
    trace: Trace, specs: Sequence[Spec], policy: Policy, *, factor: float | None = None,
    progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """All requests of a trace; with `factor` wall seconds a simulated second, else offline. Deterministic.

    Diagnostics: trace-needs-estimated, and those of `deploy`."""
    others = [spec.name for spec in specs if not isinstance(spec, EstimatedSpec)]
    if others:
        text = f"`{others[0]}` computes real tokens, and a trace has no texts"
        raise error("trace-needs-estimated", text, help="backends of kind `estimated`")
    clock = OfflineClock() if factor is None else PacedClock(factor)
    estimated = [spec for spec in specs if isinstance(spec, EstimatedSpec)]
    backends = [_backend(spec, clock, trace.block_tokens) for spec in estimated]
    recorder = _Recorder(len(trace), [backend.name for backend in backends])
    router = Router(clock, backends, policy, explains=False)
    _Replay(trace, router, recorder, progress).begin()
    begun = time.monotonic()
    _run(clock)
    wall_s = time.monotonic() - begun
    for backend in backends:
        backend.settle()
    pools = tuple(
        _pool(b, s, recorder, at) for at, (b, s) in enumerate(zip(backends, estimated, strict=True))
    )
    return Outcome(
        recorder.columns, recorder.backend, recorder.tier, recorder.finish, recorder.generated,
        recorder.cached, tuple(recorder.reasons), pools, np.array(recorder.order, np.int32), clock.now,
        wall_s,
    )  # fmt: skip


def _run(clock: Clock) -> None:
    """Without the collector of cycles: jobs are many and have none that live."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        if isinstance(clock, OfflineClock):
            clock.run()
        elif isinstance(clock, PacedClock):
            asyncio.run(clock.run(until_idle=True))
    finally:
        if was_on:
            gc.enable()


def _backend(spec: EstimatedSpec, clock: Clock, block_tokens: int) -> EstimatedBackend:
    found = make_estimated(spec, clock, None, block_tokens=block_tokens)
    found.models = (MODEL,)
    return found


def _pool(backend: EstimatedBackend, spec: EstimatedSpec, recorder: _Recorder, at: int) -> Pool:
    joules = sum(replica.joules for replica in backend.replicas)
    idle = sum(replica.idle_joules for replica in backend.replicas)
    answers = int((recorder.backend == at).sum())
    return Pool(backend.name, backend.system, answers, joules, idle, backend.usd_of_all(), spec.systems)
