"""The queues between a PE and its router."""

from __future__ import annotations

from openwafer.machine import Machine
from openwafer.sim.reference._dsd import Fault
from openwafer.sim.reference._fabric import Queue, Router, Schedule, Wavelet
from openwafer.tir import Program


class Queues:
    """Input and output queues by id, each bound to a color. `now` is the cycle under way."""

    def __init__(self, router: Router, program: Program, machine: Machine, schedule: Schedule) -> None:
        self.router, self.schedule, self.now = router, schedule, 0
        self.host_out = program.host_out
        self.ramp_up_cycles = machine.fabric.ramp_up_cycles
        depths = {"in": machine.queues.input_depth, "out": machine.queues.output_depth}
        queues = {(q.direction, q.id): Queue(depths[q.direction][q.id]) for q in program.queues}
        self.inputs = {id: queue for (direction, id), queue in queues.items() if direction == "in"}
        self.outputs = {id: queue for (direction, id), queue in queues.items() if direction == "out"}
        self.color_of = {(q.direction, q.id): q.color for q in program.queues}
        self._colors_out: dict[int, list[int]] = {}
        self._receiving: dict[int, Queue] = {}
        self._sending: dict[int, list[Queue]] = {}
        for id in sorted(self.inputs):
            self._receiving.setdefault(self.color_of["in", id], self.inputs[id])
        outputs = sorted((q.id, q.color) for q in program.queues if q.direction == "out")
        for id, color in outputs:
            self._sending.setdefault(color, []).append(self.outputs[id])
            self._colors_out.setdefault(id, []).append(color)

    def input_queue(self, color: int) -> Queue | None:
        """The queue that receives a color: the lowest id."""
        return self._receiving.get(color)

    def output_queues(self, color: int) -> list[Queue]:
        """The queues that send a color next, by id; empty ones, too."""
        queues = self._sending.get(color, [])
        return [queue for queue in queues if not queue.items or queue.items[0].color == color]

    def has_queue(self, direction: str, color: int) -> bool:
        return color in (self._receiving if direction == "in" else self._sending)

    def pop(self, queue: int) -> int:
        """The data of the head; the router may use the place from the next cycle on."""
        self.schedule(self.router, self.now + 1)
        return self.inputs[queue].pop(self.now).data

    def push(self, queue: int, data: int, control: bool, color: int) -> None:
        """`color` counts for a queue that is bound to several."""
        router, colors = self.router, self._colors_out[queue]
        color = colors[0] if len(colors) == 1 else color
        if color not in router.routes and color not in self.host_out:
            place = f"PE ({router.x}, {router.y}), which sends on it"
            raise Fault("unrouted-wavelet", f"no route for color {color} at {place}")
        ready = self.now + 1 + self.ramp_up_cycles
        self.outputs[queue].items.append(Wavelet(data, control, ready, color))
        self.schedule(router, ready)
