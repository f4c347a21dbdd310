"""Events by time; the paced clock tells the same as the offline one."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwafer.serve.core._clock import Clock, OfflineClock, PacedClock, Work

Times = st.lists(st.floats(0, 0.01), min_size=1, max_size=12)


def told(clock: Clock, times: list[float]) -> list[tuple[float, int]]:
    """Each event makes another one, some only after a computation."""
    found: list[tuple[float, int]] = []

    def call(at: int) -> Work | None:
        found.append((clock.now, at))
        if at >= 100:
            return None

        def then(extra: float, why: Exception | None) -> None:
            clock.at(clock.now + extra, lambda: call(at + 100))

        return Work(lambda: 0.001 * at, then) if at % 3 == 0 else then(0.002, None)

    for at, when in enumerate(times):
        clock.at(when, lambda at=at: call(at))
    return found


@given(Times)
def test_the_same_order_and_times(times: list[float]) -> None:
    offline = OfflineClock()
    wanted = told(offline, times)
    offline.run()

    async def paced() -> list[tuple[float, int]]:
        clock = PacedClock(0.01)
        found = told(clock, times)
        await clock.run(until_idle=True)
        return found

    assert asyncio.run(paced()) == wanted
    assert [t for t, _ in wanted] == sorted(t for t, _ in wanted) and len(wanted) == 2 * len(times)


def test_an_event_that_was_dropped_does_not_happen() -> None:
    clock, found = OfflineClock(), list[float]()
    numbers = [clock.at(float(t), lambda: found.append(clock.now)) for t in range(5)]
    for number in (numbers[0], numbers[3], numbers[4]):
        clock.drop(number)
    clock.run()
    assert found == [1.0, 2.0] and clock.now == 2.0


def test_the_wall_waits_for_simulated_time() -> None:
    async def run() -> float:
        clock = PacedClock(100)
        clock.at(0.002, lambda: None)
        await clock.run(until_idle=True)
        return clock.now

    begun = time.monotonic()
    assert asyncio.run(run()) == 0.002
    assert time.monotonic() - begun >= 0.2


def test_simulated_time_stands_still_during_a_computation() -> None:
    """What arrives meanwhile arrives at the time at which it began, and is told behind what it gives."""
    found: list[tuple[str, float]] = []

    async def run() -> None:
        clock = PacedClock(1.0)

        def done(_: object, why: Exception | None) -> None:
            found.append((str(why), clock.now))

        def fail() -> None:
            time.sleep(0.05)
            raise ValueError("broken")

        async def arrive() -> None:
            await asyncio.sleep(0.02)
            clock.arrive(lambda: found.append(("arrived", clock.now)))

        clock.at(0.0, lambda: Work(fail, done))
        await asyncio.gather(clock.run(until_idle=True), arrive())

    asyncio.run(run())
    assert found == [("broken", 0.0), ("arrived", 0.0)]


def test_an_event_that_fails_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    found: list[float] = []

    async def run() -> None:
        clock = PacedClock(1e-3)
        clock.at(0.0, lambda: 1 / 0)  # type: ignore[return-value,arg-type]
        clock.at(1.0, lambda: found.append(clock.now))
        await clock.run(until_idle=True)

    asyncio.run(run())
    assert found == [1.0] and "ZeroDivisionError" in caplog.text
