"""What the router needs of a backend, and a backend of the router."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from openwafer.serve.core._job import Job, Quote

Kind: TypeAlias = Literal["wafer", "estimated", "upstream"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """Answers at once, those that are under way, and tokens of the longest text."""

    slots: int
    running: int
    context: int


class Host(Protocol):
    """What a backend tells. `finished` and `failed` free a place, in which the next request may start."""

    def first(self, job: Job) -> None:
        """Its first token is there."""
        ...

    def finished(self, job: Job, reason: str) -> None: ...

    def failed(self, job: Job, why: str, retry_after_s: float | None = None) -> None:
        """The backend could not go on. What was written stays written."""
        ...


class Backend(Protocol):
    """Where a request may go."""

    name: str
    kind: Kind
    system: str
    models: tuple[str, ...]
    is_simulated: bool
    """Whether its times are simulated ones; those of upstreams are the wall's."""

    def attach(self, host: Host) -> None: ...

    def capacity(self) -> Capacity: ...

    def quote(self, job: Job) -> Quote | str:
        """What `job` would get now, or why it cannot have it: `full` if it could later."""
        ...

    def start(self, job: Job) -> None:
        """Reads the prompt and what was written so far, and goes on."""
        ...

    def stop(self, job: Job) -> None:
        """Forgets a job that it runs; its costs so far are the job's."""
        ...

    def watts(self) -> float:
        """IT power now; 0 where nobody knows."""
        ...

    def extra_watts(self, job: Job) -> float:
        """By how much the power rises if it starts."""
        ...

    def fail(self, why: str) -> None:
        """Breaks off: all its jobs are told to the host as failed, its caches are lost."""
        ...
