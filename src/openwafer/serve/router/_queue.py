"""Waiting requests, fair between keys: start-time fair queueing by the tokens that are asked for."""

from __future__ import annotations

from collections import deque

from openwafer.serve.core._job import Job


class FairQueue:
    """Each key is served in its own order. Of all keys the one goes first that has had the least: a key
    that was away begins at what the others have had."""

    __slots__ = ("_by_key", "_count", "_had", "_now")

    def __init__(self) -> None:
        self._by_key: dict[str, deque[Job]] = {}
        self._had: dict[str, float] = {}
        self._now = 0.0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, job: Job, *, first: bool = False) -> None:
        """`first`: in front of its key's others, for what goes on."""
        waiting = self._by_key.get(job.key)
        if waiting is None:
            waiting = self._by_key[job.key] = deque()
            self._had[job.key] = max(self._had.get(job.key, 0.0), self._now)
        if first:
            waiting.appendleft(job)
        else:
            waiting.append(job)
        self._count += 1

    def heads(self) -> list[Job]:
        """The next job of each key, in the order in which they are served."""
        if len(self._by_key) == 1:
            return [next(iter(self._by_key.values()))[0]]
        return [self._by_key[key][0] for key in sorted(self._by_key, key=lambda k: (self._had[k], k))]

    def take(self, job: Job) -> None:
        """A head starts."""
        self._now = self._had[job.key]
        self._had[job.key] += job.prompt_tokens + (job.most_tokens or 0)
        self.remove(job)

    def remove(self, job: Job) -> None:
        """Wherever it stands."""
        waiting = self._by_key[job.key]
        waiting.remove(job)
        self._count -= 1
        if not waiting:
            del self._by_key[job.key]
            if self._had[job.key] <= self._now:
                del self._had[job.key]
