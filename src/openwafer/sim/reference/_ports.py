"""Host ports: where the streams of the host meet a PE's queues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.sim.reference._fabric import NEVER, Queue, Wavelet
from openwafer.sim.reference._memory import Ticket
from openwafer.sim.reference._queues import Queues
from openwafer.tir import Program


@dataclass(slots=True)
class Feed:
    """One PE's part of a stream: `words[i]` is not moved before `start + (i · count + place) // rate`."""

    ticket: Ticket
    words: NDArray[np.uint32]
    start: int
    place: int
    count: int
    rate: int
    done: int = 0

    def due(self) -> int:
        """The first cycle in which the next wavelet may move; NEVER after the last."""
        if self.done == len(self.words):
            return NEVER
        return self.start + (self.done * self.count + self.place) // self.rate

    def advance(self) -> None:
        self.done += 1
        self.ticket.missing -= self.done == len(self.words)


@dataclass(slots=True)
class HostPort:
    """A host queue and the stream that fills or empties it."""

    color: int
    queue: Queue
    feed: Feed | None = None

    def due(self) -> int:
        return self.feed.due() if self.feed else NEVER


class HostPorts:
    """The host ports of one PE. Rules: “Streams from and to the host”."""

    def __init__(self, program: Program, queues: Queues, depth: int, ramp_down_cycles: int) -> None:
        self._queues, self._ramp_down_cycles = queues, ramp_down_cycles
        self.inputs = {color: HostPort(color, Queue(depth)) for color in sorted(program.host_in)}
        self.outputs = {color: HostPort(color, Queue(depth)) for color in sorted(program.host_out)}

    def step(self, now: int) -> bool:
        """One cycle; returns whether a wavelet moved."""
        moved = [self._serve_input(port, now) for port in self.inputs.values()]
        moved += [self._serve_output(port, now) for port in self.outputs.values()]
        return any(moved)

    def next(self) -> int:
        """The first cycle in which a wavelet could move as things are; it may lie in the past."""
        times = [NEVER]
        for port in self.inputs.values():
            times += [0] if port.queue.items and self._input_has_room(port) else []
            times += [port.due()] if port.queue.has_room() else []
        for port in self.outputs.values():
            times += [port.due()] if port.queue.items else []
            times += [self._sender_ready(port)] if port.queue.has_room() else []
        return min(times)

    def _input_has_room(self, port: HostPort) -> bool:
        queue = self._queues.input_queue(port.color)
        return queue is not None and queue.has_room()

    def _sender_ready(self, port: HostPort) -> int:
        return min((queue.ready() for queue in self._queues.output_queues(port.color)), default=NEVER)

    def _serve_input(self, port: HostPort, now: int) -> bool:
        moved = False
        queue = self._queues.input_queue(port.color)
        if queue is not None and port.queue.items and queue.has_room():
            wavelet = port.queue.pop(now)
            queue.items.append(Wavelet(wavelet.data, wavelet.control, now + self._ramp_down_cycles))
            moved = True
        if port.feed and port.due() <= now and port.queue.has_room():
            port.queue.items.append(Wavelet(int(port.feed.words[port.feed.done]), False, now))
            port.feed.advance()
            moved = True
        return moved

    def _serve_output(self, port: HostPort, now: int) -> bool:
        moved = False
        if port.feed and port.due() <= now and port.queue.items:
            port.feed.words[port.feed.done] = port.queue.pop(now).data
            port.feed.advance()
            moved = True
        ready = (queue for queue in self._queues.output_queues(port.color) if queue.ready() <= now)
        sender = next(ready, None)
        if sender is not None and port.queue.has_room():
            port.queue.items.append(sender.pop(now))
            self._queues.schedule(self._queues.router, now + 1)
            moved = True
        return moved
