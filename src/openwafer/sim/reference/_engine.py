"""The reference engine: the rules of `docs/semantics.md` in plain Python, slow and meant to be read.

Routers and PEs are visited only in cycles in which they can do something: each says when that is, and is
called earlier when a wavelet, room in a queue or a command comes.
"""

from __future__ import annotations

import heapq

from openwafer.cost import add_costs
from openwafer.diag import DiagnosticError
from openwafer.image import Image
from openwafer.machine import Machine
from openwafer.sim._engine import Command, PeStats, check_command
from openwafer.sim._print import Line, PrintLog
from openwafer.sim._profile import Profile, make_profile
from openwafer.sim._watchdog import Watchdog
from openwafer.sim.reference._code import Code
from openwafer.sim.reference._dsd import Fault
from openwafer.sim.reference._fabric import NEVER, OFFSETS, Latencies, Ramp, Router
from openwafer.sim.reference._host import Host
from openwafer.sim.reference._pe import Pe
from openwafer.sim.reference._report import fault
from openwafer.sim.reference._snapshot import snapshot
from openwafer.sim.reference._switch import Switch
from openwafer.sim.standstill import _standstill as standstill
from openwafer.sim.standstill._snapshot import Snapshot
from openwafer.tir import ColorConfig, Program, row_config

Place = tuple[int, int]


class ReferenceEngine:
    """See `Engine`. `threads` plays no role."""

    def __init__(self, image: Image, machine: Machine, *, threads: int = 1, profile: bool = False) -> None:
        self.now = 0
        self.watchdog = Watchdog()
        self._log = PrintLog()
        self._machine, self._layout = machine, image.layout
        self._heap: list[tuple[int, bool, int]] = []
        self._scheduled: set[tuple[int, bool, int]] = set()
        self._programs: tuple[Program, ...] = image.layout.programs
        self._codes = [Code(add_costs(p, machine, profile=profile), machine, p) for p in self._programs]
        self._routers: dict[Place, Router] = {}
        self._pes: dict[Place, Pe] = {}
        for y in range(image.layout.height):
            for x in range(image.layout.width):
                self._add(x, y)
        for router in self._routers.values():
            router.neighbours = [self._routers.get((router.x + dx, router.y + dy)) for dx, dy in OFFSETS]
        self._host = Host(self._pes, machine.host, self._schedule)
        for pe in self._pes.values():
            try:
                pe.load()
            except (Fault, ZeroDivisionError) as reason:
                raise fault(reason, pe, 0) from None

    def _add(self, x: int, y: int) -> None:
        fabric = self._machine.fabric
        facts = Latencies(
            fabric.hop_cycles, fabric.ramp_down_cycles, fabric.router_queue_depth, fabric.colors
        )
        router = Router(x, y, self._routes(x, y), facts)
        self._routers[x, y] = router
        program = int(self._layout.program_of[y, x])
        if program >= 0:
            cells = [int(cell) for cell in self._layout.cells[y, x]]
            router.ramp = self._pes[x, y] = Pe(router, cells, self._codes[program], self._schedule, self._log)

    def _routes(self, x: int, y: int) -> dict[int, Switch]:
        """By color: the layout's, overridden by the program's own."""
        configs = {
            color: row_config(color, self._layout.configs[index].tolist())
            for color, index in enumerate(self._layout.config_of[y, x])
            if index >= 0
        }
        program = int(self._layout.program_of[y, x])
        own: tuple[ColorConfig, ...] = self._programs[program].colors if program >= 0 else ()
        configs |= {config.color: config for config in own}
        return {c: Switch(config) for c, config in configs.items() if config.positions[config.current]}

    def _schedule(self, item: Router | Ramp, cycle: int) -> None:
        """Has `item` stepped in `cycle`; once, however often that is asked for."""
        entry = (cycle, isinstance(item, Pe), item.y * self._layout.width + item.x)
        if cycle < NEVER and entry not in self._scheduled:
            self._scheduled.add(entry)
            heapq.heappush(self._heap, entry)

    # the host's side

    def submit(self, command: Command) -> int:
        """Appends a host command, issued at `now`; returns its ticket."""
        check_command(command)
        ticket = self._host.submit(command)
        self._host.advance(self.now)
        return ticket

    def is_done(self, ticket: int) -> bool:
        return self._host.is_done(ticket)

    def run(self, ticket: int | None = None, *, max_cycles: int | None = None) -> None:
        """See `Engine.run`."""
        limit = NEVER if max_cycles is None else self.now + max_cycles
        try:
            while (ticket is None or not self.is_done(ticket)) and self._step(ticket, limit, max_cycles or 0):
                pass
        except KeyboardInterrupt:
            raise standstill.interrupted(self.snapshot(), ticket) from None

    def wait(self, cycles: int) -> None:
        """See `Engine.wait`."""
        end = self.now + cycles
        try:
            while self._next_cycle() < end:
                self._step(None, NEVER, 0)
        except KeyboardInterrupt:
            raise standstill.interrupted(self.snapshot(), None) from None
        self.now = end

    def _step(self, ticket: int | None, limit: int, max_cycles: int) -> bool:
        """Simulates the next cycle in which something can happen; False if there is none."""
        cycle = self._next_cycle()
        if cycle == NEVER and ticket is not None:
            raise standstill.deadlock(self.snapshot(), ticket)
        if NEVER > cycle >= limit:
            raise standstill.max_cycles(self, ticket, max_cycles)
        if NEVER > cycle >= self.watchdog.at:
            standstill.look(self, ticket, cycle, self._marks())
        if cycle < NEVER:
            self._run_cycle(cycle)
        return cycle < NEVER

    def _marks(self) -> tuple[int, ...]:
        """Sums that grow whenever anything but scalar code happens."""
        stats = self.stats()
        missing = sum(ticket.missing for ticket in self._host.tickets)
        return stats.steps, stats.wavelet_hops, stats.dsd_elements, missing, len(self.printed())

    def snapshot(self) -> Snapshot:
        """The state as it is now, for `_explain`."""
        layout = self._layout
        return snapshot(
            self.now, layout.width, layout.height, self._pes, self._routers, self._host, layout.sources
        )

    def _next_cycle(self) -> int:
        return self._heap[0][0] if self._heap else NEVER

    def _run_cycle(self, cycle: int) -> None:
        """First the routers, then the PEs, each in row-major order: the heap holds them so. A fault is raised
        when the others of its phase have had their turn."""
        wrong: DiagnosticError | None = None
        is_pe = False
        while self._next_cycle() == cycle and not (wrong and self._heap[0][1] != is_pe):
            entry = heapq.heappop(self._heap)
            self._scheduled.remove(entry)
            is_pe, (y, x) = entry[1], divmod(entry[2], self._layout.width)
            item = (self._pes if is_pe else self._routers)[x, y]
            try:
                if item.step(cycle, self._schedule):
                    self.now = cycle + 1
            except (Fault, ZeroDivisionError) as reason:
                wrong = wrong or fault(reason, item, cycle)
        if wrong:
            self.now = cycle + 1
            raise wrong
        self._host.advance(cycle + 1)

    def read(self, x: int, y: int, address: int, size: int) -> bytes:
        pe = self._pes.get((x, y))
        return bytes(pe.memory[address : address + size]) if pe else bytes(size)

    def write(self, x: int, y: int, address: int, data: bytes) -> None:
        self._pes[x, y].memory[address : address + len(data)] = data

    def profile(self) -> Profile:
        """See `Engine.profile`."""
        pes = sorted(self._pes.values(), key=lambda pe: (pe.y, pe.x))
        return make_profile(self.now, [(pe.x, pe.y, pe.program, pe.counts.rows) for pe in pes])

    def printed(self) -> list[Line]:
        """See `Engine.printed`."""
        return self._log.lines()

    def stats(self) -> PeStats:
        pes = list(self._pes.values())
        return PeStats(
            steps=sum(pe.steps for pe in pes),
            wavelet_hops=sum(router.hops for router in self._routers.values()),
            dsd_elements=sum(pe.elements for pe in pes),
            busy_cycles=sum(pe.busy_cycles for pe in pes),
        )
