"""The fast engine: compiled code over arrays, with a thin Python side. See `_engine.Engine`."""

from __future__ import annotations

import ctypes
import time
from functools import partial
from threading import Thread

import numpy as np

from openwafer.codegen import Ctx
from openwafer.diag import error
from openwafer.image import Image
from openwafer.machine import Machine
from openwafer.sim._engine import Command, PeStats, check_command
from openwafer.sim._print import Line, PrintLog
from openwafer.sim._profile import Profile, Rows, make_profile, row_count
from openwafer.sim._watchdog import Watchdog
from openwafer.sim.fast import _loop as loop
from openwafer.sim.fast import _report as report
from openwafer.sim.fast import _state as st
from openwafer.sim.fast._entry import entry_point
from openwafer.sim.fast._load import LoadedWafer, words
from openwafer.sim.fast._pace import Pace
from openwafer.sim.fast._print import PRINT_FUNCTION, note_print
from openwafer.sim.fast._records import command_record
from openwafer.sim.fast._snapshot import snapshot
from openwafer.sim.fast._team import TEAM_GO, TEAM_YIELD
from openwafer.sim.standstill import _standstill as standstill
from openwafer.sim.standstill._snapshot import Snapshot
from openwafer.tir import Program

FIRST_BUDGET_ITEMS = 10_000
ROUND_S = 0.05
"""PEs and routers served before control comes back, so that Ctrl-C works; then fitted to ROUND_S."""
FIRST_COMMANDS = 64


class FastEngine:
    """With `threads` > 1 the wafer is cut into bands of rows, and cycles with much to do are served by as
    many threads; results and cycles are the same."""

    def __init__(self, image: Image, machine: Machine, *, threads: int = 1, profile: bool = False) -> None:
        self.world = LoadedWafer(image, machine, threads, profile=profile)
        self.world.team[TEAM_YIELD // 8] = _yield_address()
        self._enter = entry_point()
        self.watchdog = Watchdog()
        self._log = PrintLog()
        self._pace = Pace()
        self._commands: list[Command] = []
        self._records = np.zeros((FIRST_COMMANDS, st.COMMAND_BYTES // 8), np.int64)
        self._tables: list[tuple[np.ndarray, ...]] = []
        self.world.set(st.World.COMMANDS, words(self._records))
        self._print_callback = PRINT_FUNCTION(partial(note_print, self.world, self._log))
        self.world.set(st.World.PRINT, ctypes.cast(self._print_callback, ctypes.c_void_p).value or 0)
        self._call(loop.INITIALIZE)
        if self.world.get(st.World.FAULT):
            raise report.fault(self.world)
        if self.world.profile is not None:
            self.world.profile[:] = 0

    @property
    def now(self) -> int:
        return self.world.get(st.World.NOW)

    def _call(self, what: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        return self._enter(what, self.world.address, a, b, c)

    # --- commands ----------------------------------------------------------

    def submit(self, command: Command) -> int:
        """Appends a host command, issued at `now`; returns its ticket."""
        check_command(command)
        ticket = len(self._commands)
        if ticket == len(self._records):
            self._grow()
        record, *arrays = command_record(self.world, command)
        self._records[ticket] = record
        self._tables.append(tuple(arrays))
        self._commands.append(command)
        self.world.set(st.World.COMMAND_COUNT, ticket + 1)
        self._call(loop.REWIND)
        self._call(loop.SUBMIT)
        return ticket

    def _grow(self) -> None:
        """Makes room for more commands."""
        self._records = np.concatenate([self._records, np.zeros_like(self._records)])
        self.world.set(st.World.COMMANDS, words(self._records))

    # --- running -----------------------------------------------------------

    def is_done(self, ticket: int) -> bool:
        return self._records[ticket, st.Command.LEFT // 8] == 0

    def run(self, ticket: int | None = None, *, max_cycles: int | None = None) -> None:
        """See `Engine.run`."""
        limit = st.NEVER if max_cycles is None else self.now + max_cycles
        said = self._run_until(ticket, limit)
        if said == st.LIMIT:
            raise standstill.max_cycles(self, ticket, max_cycles or 0)
        if said == st.QUIET and ticket is not None:
            raise standstill.deadlock(self.snapshot(), ticket)

    def wait(self, cycles: int) -> None:
        """See `Engine.wait`."""
        end = self.now + cycles
        self._run_until(None, end)
        self.world.set(st.World.NOW, end)
        self.world.set(st.World.TIME, end)

    def _run_until(self, ticket: int | None, limit: int) -> int:
        """What `_run_rounds` says; what goes wrong is raised."""
        try:
            said = self._run_rounds(ticket, limit)
        except KeyboardInterrupt:
            raise standstill.interrupted(self.snapshot(), ticket) from None
        if said == st.FAULTED:
            raise report.fault(self.world)
        return said

    def _run_rounds(self, ticket: int | None, limit: int) -> int:
        """Runs until something is to be said, and says what: never MORE."""
        wanted = -1 if ticket is None else ticket
        said, budget = st.MORE, FIRST_BUDGET_ITEMS
        while said == st.MORE:
            start, until = time.perf_counter(), min(limit, self.watchdog.at)
            said = self._run_round(wanted, until, budget)
            budget = budget * 2 if time.perf_counter() - start < ROUND_S else max(budget // 2, 1)
            if said == st.LIMIT and until < limit:
                said = st.MORE
                standstill.look(self, ticket, until, self._marks())
        return said

    def _marks(self) -> tuple[int, ...]:
        """Sums that grow whenever anything but scalar code happens."""
        stats = self.stats()
        missing = int(self._records[: len(self._commands), st.Command.LEFT // 8].sum())
        return stats.steps, stats.wavelet_hops, stats.dsd_elements, missing, len(self.printed())

    def snapshot(self) -> Snapshot:
        """The state as it is now, for `_explain`."""
        return snapshot(self.world, self._commands, self._records)

    def _run_round(self, ticket: int, limit: int, budget: int) -> int:
        """Runs cycles, with the help of other threads if that pays."""
        world = self.world
        is_wanted = self._pace.calls_helpers(world.get(st.World.ITEMS), world.get(st.World.WIDE_ITEMS))
        addresses = [int(a) for a in world.part_addresses[1:]] if is_wanted else []
        generation = int(world.team[TEAM_GO // 8])
        threads = [Thread(target=self._enter, args=(loop.HELP, a, generation, 0, 0)) for a in addresses]
        world.set(st.World.HELPERS, len(threads))
        for thread in threads:
            thread.start()
        start = time.perf_counter()
        try:
            return self._call(loop.RUN_CYCLES, ticket, limit, budget)
        finally:
            for thread in threads:
                thread.join()
            self._pace.note(bool(threads), world.get(st.World.ITEMS), time.perf_counter() - start)

    # --- memory and sums ---------------------------------------------------

    def read(self, x: int, y: int, address: int, size: int) -> bytes:
        """Bytes of a PE's memory as it is now; zeros where it has none."""
        base, length = self._memory(x, y)
        inside = max(min(size, length - address), 0)
        return (ctypes.string_at(base + address, inside) if inside else b"").ljust(size, b"\0")

    def write(self, x: int, y: int, address: int, data: bytes) -> None:
        base, length = self._memory(x, y)
        if address + len(data) > length:
            raise error("memory-access", f"{len(data)} bytes at address {address} of {length}")
        ctypes.memmove(base + address, data, len(data))

    def _memory(self, x: int, y: int) -> tuple[int, int]:
        number = int(self.world.layout.program_of[y, x])
        if number < 0:
            return 0, 0
        index = y * self.world.width + x
        return int(self.world.pes[index, st.Pe.MEMORY // 8]), self.world.programs[number].memory_bytes

    def profile(self) -> Profile:
        """See `Engine.profile`."""
        world = self.world
        assert world.profile is not None, "made without `profile`"
        pes: list[tuple[int, int, Program, Rows]] = []
        for y, x in np.argwhere(world.layout.program_of >= 0):
            program = world.programs[world.layout.program_of[y, x]].program
            rows = world.profile[y * world.width + x, 1 : 1 + row_count(program)]
            pes.append((int(x), int(y), program, rows))
        return make_profile(self.now, pes)

    def printed(self) -> list[Line]:
        """See `Engine.printed`."""
        return self._log.lines()

    def stats(self) -> PeStats:
        world = self.world
        return PeStats(
            steps=world.total(st.World.STEPS),
            wavelet_hops=world.total(st.World.HOPS),
            dsd_elements=world.total(st.World.ELEMENTS) + int(world.ctx[:, Ctx.ELEMENTS].sum()),
            busy_cycles=world.total(st.World.BUSY),
        )


def _yield_address() -> int:
    """Where the operating system's `sched_yield` lies, 0 if it has none."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0
