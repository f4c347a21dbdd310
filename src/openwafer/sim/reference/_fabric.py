"""Routers: one queue a color and port, one wavelet a link and cycle, all copies of a wavelet or none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from openwafer.sim.reference._dsd import Fault
from openwafer.sim.reference._switch import RAMP, Switch, Wavelet

RAMP_INPUT = 5
OFFSETS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Where the neighbour at port W, E, N, S lies."""
NEVER = 1 << 62


def opposite(port: int) -> int:
    return port ^ 1


@dataclass(slots=True)
class Queue:
    """A bounded queue. `popped` is the last cycle in which a place was freed."""

    depth: int
    items: deque[Wavelet] = field(default_factory=lambda: deque[Wavelet]())
    popped: int = -1

    def pop(self, now: int) -> Wavelet:
        self.popped = now
        return self.items.popleft()

    def ready(self) -> int:
        """When the head may move."""
        return self.items[0].ready if self.items else NEVER

    def has_room(self) -> bool:
        return len(self.items) < self.depth

    def had_room(self, now: int) -> bool:
        """Whether there was room at the start of cycle `now`."""
        return len(self.items) + (self.popped == now) < self.depth


class Ramp(Protocol):
    """The PE's side of a router."""

    x: int
    y: int

    def output_queues(self, color: int) -> list[Queue]: ...

    def input_queue(self, color: int) -> Queue | None: ...

    def tear_down(self, color: int) -> None: ...


class NoPe:
    """The ramp of a router whose PE has no code."""

    x, y = -1, -1

    def output_queues(self, color: int) -> list[Queue]:
        return []

    def input_queue(self, color: int) -> Queue | None:
        return None

    def tear_down(self, color: int) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Latencies:
    """Cycles, and the depth of a router's queues."""

    hop: int
    ramp_down: int
    depth: int
    colors: int


Schedule: TypeAlias = Callable[["Router | Ramp", int], None]
"""Has a router or PE stepped in a cycle; more steps than needed do no harm."""


class Router:
    """`neighbours` are the routers at W E N S (None: outside the rectangle); `routes` are by color."""

    def __init__(self, x: int, y: int, routes: dict[int, Switch], facts: Latencies) -> None:
        self.x, self.y, self.routes, self.facts = x, y, routes, facts
        self.ramp: Ramp = NoPe()
        self.neighbours: list[Router | None] = [None] * RAMP
        self.queues = {(c, p): Queue(facts.depth) for c in routes for p in range(RAMP)}
        self.first = 0
        self.hops = 0

    def step(self, now: int, schedule: Schedule) -> bool:
        """One cycle; returns whether a wavelet moved. A fault is raised after the turn of all colors."""
        used: set[int] = set()
        moved: list[int] = []
        wrong: Fault | None = None
        for color in self._colors():
            try:
                moved += [color] if self._serve(color, now, used, schedule) else []
            except Fault as reason:
                wrong = wrong or reason
        if wrong:
            raise wrong
        if moved:
            self.first = (moved[0] + 1) % self.facts.colors
        schedule(self, now + 1 if moved else self._next_ready(now))
        return bool(moved)

    def _next_ready(self, now: int) -> int:
        """When the next head becomes ready; who makes room calls by itself."""
        ready = (queue.ready() for color in self.routes for _, queue in self._inputs(color))
        return min((cycle for cycle in ready if cycle > now), default=NEVER)

    def _colors(self) -> list[int]:
        return sorted(self.routes, key=lambda color: (color - self.first) % self.facts.colors)

    def _inputs(self, color: int) -> Iterator[tuple[int, Queue]]:
        """The queues from which a color may come, in the order in which they are tried."""
        rx = self.routes[color].rx
        for port in range(RAMP):
            if rx >> port & 1:
                yield port, self.queues[color, port]
        if rx >> RAMP & 1:
            for queue in self.ramp.output_queues(color):
                yield RAMP, queue

    def _serve(self, color: int, now: int, used: set[int], schedule: Schedule) -> bool:
        """Moves at most one wavelet of a color. `used` has the outputs taken, and RAMP_INPUT."""
        for port, queue in self._inputs(color):
            if queue.ready() > now or (port == RAMP and RAMP_INPUT in used):
                continue
            outputs = self.routes[color].outputs_of(queue.items[0])
            if used.isdisjoint(outputs) and all(self._has_room(color, p, now) for p in outputs):
                used.update(outputs, [RAMP_INPUT] if port == RAMP else [])
                self._move(color, port, queue, outputs, now, schedule)
                return True
        return False

    def _has_room(self, color: int, port: int, now: int) -> bool:
        if port == RAMP:
            queue = self.ramp.input_queue(color)
            return queue is not None and queue.has_room()
        queue = self._next_queue(color, port)
        return queue is None or queue.had_room(now)

    def _next_queue(self, color: int, port: int) -> Queue | None:
        """Where a wavelet of a color arrives at the neighbour; None: it has no route for it."""
        other = self.neighbours[port]
        return other.arrivals(color, opposite(port)) if other is not None else None

    def arrivals(self, color: int, port: int) -> Queue | None:
        """The queue of what comes to a port on a color, or of the other color of the pair if that swaps."""
        pair = color ^ 1
        if pair in self.routes and self.routes[pair].swaps(port):
            return self.queues[pair, port]
        is_taken = color in self.routes and not self.routes[color].swaps(port)
        return self.queues[color, port] if is_taken else None

    def _move(
        self, color: int, port: int, queue: Queue, outputs: list[int], now: int, schedule: Schedule
    ) -> None:
        wavelet, switch = queue.pop(now), self.routes[color]
        switch.count(wavelet)
        if wavelet.control:
            wavelet = wavelet._replace(data=switch.command(wavelet.data))
            if switch.teardown:
                self.ramp.tear_down(color)
                schedule(self.ramp, now)
        if port == RAMP:
            schedule(self.ramp, now)
        elif (upstream := self.neighbours[port]) is not None:
            schedule(upstream, now + 1)
        for output in outputs:
            self._send(color, output, wavelet, now, schedule)

    def _send(self, color: int, output: int, wavelet: Wavelet, now: int, schedule: Schedule) -> None:
        if output == RAMP:
            queue = self.ramp.input_queue(color)
            assert queue is not None
            ready = now + self.facts.ramp_down
            target: Router | Ramp = self.ramp
        else:
            queue, other = self._next_queue(color, output), self.neighbours[output]
            if queue is None or other is None:
                raise Fault("unrouted-wavelet", self._unrouted(color, output))
            ready, target = now + self.facts.hop, other
            self.hops += 1
        queue.items.append(Wavelet(wavelet.data, wavelet.control, ready))
        schedule(target, ready)

    def _unrouted(self, color: int, output: int) -> str:
        dx, dy = OFFSETS[output]
        return f"no route for color {color} at PE ({self.x + dx}, {self.y + dy}), to which a wavelet goes"
