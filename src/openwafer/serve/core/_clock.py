"""The clock: simulated seconds, and what happens at them.

One order for both kinds: by time, then by registration. The offline clock goes from event to event; the
paced one waits until the wall has come so far. What happens is the same, so a trace gives the same simulated
times.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

logger = logging.getLogger("openwafer.serve")


@dataclass(frozen=True, slots=True)
class Work:
    """A computation whose length in simulated time is known only when it is done: the clock stands still
    meanwhile. `then` gets its result, or what it raised."""

    run: Callable[[], Any]
    then: Callable[[Any, Exception | None], Work | None]


Call: TypeAlias = Callable[[], Work | None]


class Clock:
    """Events by simulated time."""

    def __init__(self) -> None:
        self.now = 0.0
        """Simulated seconds since the start."""
        self._heap: list[tuple[float, int, Call]] = []
        self._count = 0
        self._dropped: set[int] = set()

    def at(self, time_s: float, call: Call) -> int:
        """Calls at `time_s`, or now if that is past. The event's number."""
        self._count += 1
        heapq.heappush(self._heap, (time_s if time_s > self.now else self.now, self._count, call))
        return self._count

    def drop(self, number: int) -> None:
        """An event that has not happened yet does not happen."""
        self._dropped.add(number)

    def arrive(self, call: Call) -> None:
        """Calls for something from outside, at the present."""
        self.at(self.now, call)

    @property
    def next_s(self) -> float | None:
        """When something happens next."""
        heap, dropped = self._heap, self._dropped
        while dropped and heap and heap[0][1] in dropped:
            dropped.remove(heapq.heappop(heap)[1])
        return heap[0][0] if heap else None

    def _step(self) -> Work | None:
        self.now, _, call = heapq.heappop(self._heap)
        return call()


class OfflineClock(Clock):
    """From event to event, as fast as the machine can."""

    def run(self) -> None:
        """Until nothing more happens."""
        while self.next_s is not None:
            work = self._step()
            while work is not None:
                work = work.then(*_outcome(work))


class PacedClock(Clock):
    """Simulated time runs `1 / factor` times as fast as the wall: with a factor of 1,000 a millisecond of the
    wafer takes a second. It stands still during `Work`."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor
        self._anchor = (0.0, time.monotonic())
        self._held = False
        self._changed = asyncio.Event()

    def at(self, time_s: float, call: Call) -> int:
        self._changed.set()
        return super().at(time_s, call)

    def arrive(self, call: Call) -> None:
        """At the simulated time that corresponds to the wall's; at the present one during `Work`."""
        self.at(self.now if self._held else self._simulated(), call)

    async def run(self, *, until_idle: bool = False) -> None:
        """For ever; with `until_idle` until nothing more happens."""
        self._anchor, steps = (self.now, time.monotonic()), 0
        while True:
            self._changed.clear()
            if self.next_s is None and until_idle:
                return
            if (wait := self._wait()) is None or wait > 0:
                await self._sleep(wait)
                continue
            work = self._step_or_tell()
            if work is not None:
                await self._hold(work)
            elif (steps := steps + 1) % 64 == 0:
                await asyncio.sleep(0)

    def _step_or_tell(self) -> Work | None:
        """An event that fails is logged: others go on."""
        try:
            return self._step()
        except Exception:
            logger.exception("an event failed")
            return None

    def _wait(self) -> float | None:
        """Seconds on the wall until the next event; None if there is none."""
        if self.next_s is None:
            return None
        simulated, wall = self._anchor
        return wall + (self.next_s - simulated) * self.factor - time.monotonic()

    async def _sleep(self, wait: float | None) -> None:
        """Until the time has come, or something new is registered."""
        if wait is None:
            await self._changed.wait()
            return
        alarm = asyncio.get_running_loop().call_later(wait, self._changed.set)
        await self._changed.wait()
        alarm.cancel()

    def _simulated(self) -> float:
        """Never beyond the next event: what happens before it is told first."""
        simulated, wall = self._anchor
        found = simulated + (time.monotonic() - wall) / self.factor
        return max(self.now, found if self.next_s is None else min(found, self.next_s))

    async def _hold(self, work: Work) -> None:
        begun, self._held = time.monotonic(), True
        loop = asyncio.get_running_loop()
        try:
            following: Work | None = work
            while following is not None:
                result, failure = await loop.run_in_executor(None, _outcome, following)
                following = following.then(result, failure)
        except Exception:
            logger.exception("an event failed")
        finally:
            self._held = False
        spent = (time.monotonic() - begun) / self.factor
        resumed = self.now + spent if self.next_s is None else min(self.now + spent, self.next_s)
        self._anchor = (resumed, time.monotonic())


def _outcome(work: Work) -> tuple[Any, Exception | None]:
    """The result, or what was raised: a backend that fails is an event like others."""
    try:
        return work.run(), None
    except Exception as failure:
        return None, failure
