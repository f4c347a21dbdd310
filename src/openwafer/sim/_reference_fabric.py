"""Routers: one queue a color and port, one wavelet a link and cycle, all copies of a wavelet or none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from openwafer.csl._tir import ColorConfig
from openwafer.sim import _control as control
from openwafer.sim._reference_dsd import Fault

RAMP = 4
PORTS = 5
RAMP_INPUT = 5
OFFSETS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Where the neighbour at port W, E, N, S lies."""
NEVER = 1 << 62


def opposite(port: int) -> int:
    return port ^ 1


class Wavelet(NamedTuple):
    data: int
    control: bool
    ready: int


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


class NoPe:
    """The ramp of a router whose PE has no code."""

    x, y = -1, -1

    def output_queues(self, color: int) -> list[Queue]:
        return []

    def input_queue(self, color: int) -> Queue | None:
        return None


@dataclass(frozen=True, slots=True)
class Latencies:
    """Cycles, and the depth of a router's queues."""

    hop: int
    ramp_down: int
    depth: int
    colors: int


Schedule: TypeAlias = Callable[["Router | Ramp", int], None]
"""Has a router or PE stepped in a cycle; more steps than needed do no harm."""


class Switch:
    """How a router sends a color: by the position that is current; invalid ones are None."""

    def __init__(self, config: ColorConfig) -> None:
        self.positions, self.current = config.positions, config.current
        self.config = config

    @property
    def rx(self) -> int:
        """The mask of ports from which wavelets are taken."""
        return self._masks()[0]

    @property
    def outputs(self) -> list[int]:
        tx = self._masks()[1]
        return [port for port in range(PORTS) if tx >> port & 1]

    def _masks(self) -> tuple[int, int]:
        masks = self.positions[self.current]
        assert masks is not None
        return masks

    def outputs_of(self, wavelet: Wavelet) -> list[int]:
        """Where a wavelet goes: a control wavelet may ask not to be given to the PE."""
        if wavelet.control and control.is_ignored_by_pe(wavelet.data):
            return [port for port in self.outputs if port != RAMP]
        return self.outputs

    def command(self, word: int) -> int:
        """Carries out the first command of a control wavelet; returns the word that is sent on."""
        before, command = self.current, control.first_command(word)
        if command == control.TEARDOWN:
            raise Fault("not-supported-teardown", f"teardown of color {self.config.color}")
        if command == control.RESET:
            self.current = 0
        elif command == control.ADVANCE:
            self.current = self._next()
        changed = self.current != before
        pops = (False, True, changed, changed or command == control.NOP)
        return control.without_first(word) if pops[self.config.pop_mode] else word

    def _next(self) -> int:
        later = (i for i in range(self.current + 1, len(self.positions)) if self.positions[i] is not None)
        return next(later, 0 if self.config.ring else self.current)


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
        """One cycle; returns whether a wavelet moved."""
        used: set[int] = set()
        first = -1
        for color in self._colors():
            if self._serve(color, now, used, schedule) and first < 0:
                first = color
        if first >= 0:
            self.first = (first + 1) % self.facts.colors
        schedule(self, now + 1 if first >= 0 else self._next_ready(now))
        return first >= 0

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
                self._move(color, port, queue, outputs, now, schedule)
                used.update(outputs, [RAMP_INPUT] if port == RAMP else [])
                return True
        return False

    def _has_room(self, color: int, port: int, now: int) -> bool:
        if port == RAMP:
            queue = self.ramp.input_queue(color)
            return queue is not None and queue.has_room()
        other = self.neighbours[port]
        return other is None or color not in other.routes or other.queues[color, opposite(port)].had_room(now)

    def _move(
        self, color: int, port: int, queue: Queue, outputs: list[int], now: int, schedule: Schedule
    ) -> None:
        wavelet = queue.pop(now)
        if wavelet.control:
            wavelet = wavelet._replace(data=self.routes[color].command(wavelet.data))
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
            other = self.neighbours[output]
            if other is None or color not in other.routes:
                raise Fault("unrouted-wavelet", self._unrouted(color, output))
            queue, ready, target = other.queues[color, opposite(output)], now + self.facts.hop, other
            self.hops += 1
        queue.items.append(Wavelet(wavelet.data, wavelet.control, ready))
        schedule(target, ready)

    def _unrouted(self, color: int, output: int) -> str:
        dx, dy = OFFSETS[output]
        return f"no route for color {color} at PE ({self.x + dx}, {self.y + dy}), to which a wavelet goes"
