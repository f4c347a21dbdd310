"""`SdkRuntime`: load an image, move arrays, launch functions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from openwafer.csl import ExportName
from openwafer.diag import DiagnosticError, error
from openwafer.host._arguments import raw_words, typed_words
from openwafer.host._arrays import Words, destination, from_device, to_device
from openwafer.host._core import as_array, check_place, save_core, symbol_address, write_core
from openwafer.host._engine import start_engine
from openwafer.host._machine import for_machine
from openwafer.host._missing import Missing
from openwafer.host._platform import (
    SdkCompileArtifacts,
    SdkExecutionPlatform,
    SimfabConfig,
    hardware,
    thread_count,
)
from openwafer.host._profile import write_profile
from openwafer.host._sim_log import SimLog
from openwafer.host._stats import write_stats
from openwafer.host._streams import stream_color
from openwafer.host._symbols import Rectangle, Symbols, index
from openwafer.host._transfer import Transfer, check_transfer
from openwafer.image import read
from openwafer.machine import Machine
from openwafer.sim import Command, CopyIn, CopyOut, Engine, Launch, StreamIn, StreamOut

_POLL_CYCLES = 10_000
"""How far one `is_task_done` may move time on: polling in a loop must come to an end."""

State = Literal["new", "loaded", "running", "stopped"]


@dataclass(eq=False, slots=True)
class Task:
    """Handle of a command given to the device."""

    ticket: int
    finish: Callable[[], None] | None = field(default=None, repr=False)


class SdkRuntime:
    """Runs the image in directory `name`; methods and arguments are those of the SDK's documentation.

    A blocking call simulates until its command is done; before the next command `host.launch_cycles` pass,
    in which the wafer goes on or rests, since the host takes that long. A nonblocking call returns a
    `Task`; the next blocking call simulates it too. A copy or launch behind a stream to the PEs reaches them
    `host.stream_start_cycles` after that is done. Simulated time passes only inside calls.
    `machine` (not in the SDK) is another machine than the one that the image was compiled for: its name, the
    path of its file, or itself; `OPENWAFER_MACHINE` names one, too.
    Diagnostics: those of `image.read` and of `for_machine`, and not-supported-hardware."""

    def __init__(
        self,
        name: str | os.PathLike[str] | SdkCompileArtifacts,
        platform: SdkExecutionPlatform | None = None,
        *,
        cmaddr: str | None = None,
        suppress_simfab_trace: bool = True,
        simfab_numthreads: int | None = None,
        msg_level: str = "WARNING",
        memcpy_required: bool = True,
        machine: str | Machine | None = None,
        **_: Any,
    ) -> None:
        if cmaddr:
            raise hardware(cmaddr)
        self._config = SimfabConfig() if platform is None else platform.config
        self._directory = name.artifacts_path if isinstance(name, SdkCompileArtifacts) else os.fspath(name)
        self._image = for_machine(read(self._directory), machine)
        self._layout = self._image.layout
        self._symbols = Symbols(self._layout)
        asked = self._config.num_threads if simfab_numthreads is None and platform else simfab_numthreads
        self._threads = thread_count(asked)
        self._channels = int(self._image.metadata.get("channels", "1"))
        self._log = SimLog()
        self._engine: Engine | None = None
        self._state: State = "new"
        self._pending: list[Task] = []
        self._was_blocking = False
        self._last_stream: Task | None = None
        self._facts = self._image.machine.host

    def load(self) -> None:
        """Puts the image onto a fresh wafer. Diagnostics: runtime-state, unknown-engine."""
        self._expect("load", "new")
        self._engine = start_engine(self._image, self._threads)
        self._state = "loaded"

    def run(self) -> None:
        """Lets the wafer take commands. Diagnostics: runtime-state."""
        self._expect("run", "loaded")
        self._state = "running"

    def stop(self) -> None:
        """Simulates until all commands are done and nothing can happen any more; the last command.

        What variables hold can be read afterwards: `read_symbol`, `debug_util`.
        Diagnostics: runtime-state, and those of the program."""
        engine = self._running("stop")
        for task in list(self._pending):
            self._advance(engine, task.ticket)
        self._advance(engine, None)
        self._settle()
        self._state = "stopped"
        save_core(engine, self._image, self._directory, self._config)
        write_profile(engine, self._layout.sources)
        write_stats(engine, self._image)

    def get_id(self, symbol: str) -> int:
        """The id of an exported array or function. Diagnostics: unknown-host-symbol."""
        return self._symbols.id(symbol)

    def memcpy_h2d(
        self, dest: int, src: Any, px: int, py: int, w: int, h: int, elem_per_pe: int, **options: Any
    ) -> Task:
        """Copies `src[h][w][elem_per_pe]`, flat in `order`, to array `dest` on each PE of the rectangle.

        With `streaming` the elements become wavelets, in order, on color `dest`.
        `src` is read before the call returns. 16-bit elements stand in the low halves of 32-bit ones.
        Options: streaming, data_type, order, nonblock.
        Diagnostics: memcpy-rectangle, host-argument, host-array-…, host-symbol-…, unknown-host-symbol,
        stream-…."""
        return self._h2d("memcpy_h2d", "", dest, src, (px, py, w, h), elem_per_pe, options)

    def memcpy_h2d_rowbcast(
        self, dest: int, src: Any, px: int, py: int, w: int, h: int, elem_per_pe: int, **options: Any
    ) -> Task:
        """As `memcpy_h2d`, with `src[h][elem_per_pe]`: every PE of a row gets the same data."""
        return self._h2d("memcpy_h2d_rowbcast", "row", dest, src, (px, py, w, h), elem_per_pe, options)

    def memcpy_h2d_colbcast(
        self, dest: int, src: Any, px: int, py: int, w: int, h: int, elem_per_pe: int, **options: Any
    ) -> Task:
        """As `memcpy_h2d`, with `src[w][elem_per_pe]`: every PE of a column gets the same data."""
        return self._h2d("memcpy_h2d_colbcast", "column", dest, src, (px, py, w, h), elem_per_pe, options)

    def memcpy_d2h(
        self, dest: Any, src: int, px: int, py: int, w: int, h: int, elem_per_pe: int, **options: Any
    ) -> Task:
        """Copies array `src` of each PE of the rectangle into `dest[h][w][elem_per_pe]`, flat in `order`.

        With `streaming` it takes so many wavelets that each PE sends on color `src`, in order.
        16-bit elements arrive in the low halves of 32-bit ones, with zeros above."""
        self._running("memcpy_d2h")
        transfer = check_transfer(self._symbols, "memcpy_d2h", (px, py, w, h), elem_per_pe, options)
        export = None if transfer.streaming else self._array(src, transfer, written=False)
        flat = destination(dest, transfer.shape, "dest", None if export is None else export.type)
        words: Words = np.zeros(transfer.shape, np.uint32)
        r, size = transfer.rectangle, transfer.element_bytes
        if export is None:
            color = stream_color(self._layout, src, "out", r)
            command = StreamOut(color, r.x, r.y, words, self._channels)
        else:
            command = CopyOut(export.name, r.x, r.y, words, size)
        mask = np.uint32(0xFFFF if size == 2 else 0xFFFFFFFF)
        return self._submit(
            command, transfer.nonblock, lambda: from_device(words & mask, flat, transfer.order)
        )

    def launch(self, symbol: str, *args: Any, nonblock: bool = False) -> Task:
        """Runs an exported function on every PE that has it; arguments are checked against its parameters.

        Blocking means until all PEs have begun. Diagnostics: unknown-host-symbol, launch-arguments."""
        self._running("launch")
        export, function = self._symbols.function(symbol)
        return self._submit(Launch(export.name, typed_words(function, args)), nonblock)

    def call(self, symbol: str, params: Iterable[Any] = (), *, nonblock: bool = False) -> Task:
        """As `launch`, with the arguments as raw 32-bit words."""
        self._running("call")
        export, function = self._symbols.function(symbol)
        return self._submit(Launch(export.name, raw_words(function, params)), nonblock)

    def is_task_done(self, task_handle: Task) -> bool:
        """Whether the command is done; if it is not, simulates a little further first."""
        engine = self._engine_of("is_task_done", task_handle)
        if not engine.is_done(task_handle.ticket):
            self._advance_up_to(engine, task_handle.ticket, _POLL_CYCLES)
        self._settle()
        return engine.is_done(task_handle.ticket)

    def task_wait(self, task_handle: Task) -> None:
        """Simulates until the command is done."""
        self._advance(self._engine_of("task_wait", task_handle), task_handle.ticket)
        self._settle()

    def coord_logical_to_physical(self, logical_coords: tuple[int, int]) -> tuple[int, int]:
        """Coordinates in the fabric of coordinates in the program's rectangle."""
        x, y = logical_coords
        dx, dy = self._layout.fabric_offsets
        return x + dx, y + dy

    def read_symbol(self, x: int, y: int, symbol: str, dtype: DTypeLike = np.uint8) -> NDArray[Any]:
        """The elements of a variable of PE (x, y) of the program's rectangle, as they are now.

        Diagnostics: runtime-state, core-place, unknown-device-symbol, symbol-type."""
        if self._engine is None:
            raise self._state_error("read_symbol")
        check_place(self._layout, Rectangle(index("x", x), index("y", y), 1, 1))
        program = self._layout.programs[int(self._layout.program_of[y, x])]
        address, size = symbol_address(program, symbol, x, y)
        return as_array(self._engine.read(x, y, address, size), symbol, dtype)

    def dump_core(self, path: str | os.PathLike[str]) -> None:
        """Writes the memory of all PEs to a file. Diagnostics: runtime-state, core-not-written."""
        if self._engine is None:
            raise self._state_error("dump_core")
        write_core(self._engine, self._image, Path(path))

    memcpy_h2d_stride = Missing("SdkRuntime.memcpy_h2d_stride", "stride")
    send = Missing("SdkRuntime.send", "ports")
    receive = Missing("SdkRuntime.receive", "ports")
    receive_tofile = Missing("SdkRuntime.receive_tofile", "ports")
    get_port_id = Missing("SdkRuntime.get_port_id", "ports")
    report_port_infos = Missing("SdkRuntime.report_port_infos", "ports")
    dump_elf_core = Missing("SdkRuntime.dump_elf_core", "core-dump")

    def _h2d(
        self,
        function: str,
        shared: Literal["", "row", "column"],
        dest: int,
        src: Any,
        place: tuple[int, int, int, int],
        length: int,
        options: Mapping[str, Any],
    ) -> Task:
        self._running(function)
        transfer = check_transfer(self._symbols, function, place, length, options)
        h, w, n = transfer.shape
        given = (h, 1, n) if shared == "row" else (1, w, n) if shared == "column" else (h, w, n)
        r = transfer.rectangle
        export = None if transfer.streaming else self._array(dest, transfer, written=True)
        data = to_device(src, given, transfer.order, "src", None if export is None else export.type)
        everywhere = np.ascontiguousarray(np.broadcast_to(data, transfer.shape))
        if export is None:
            color = stream_color(self._layout, dest, "in", r)
            command = StreamIn(color, r.x, r.y, everywhere, self._channels, shared)
        else:
            command = CopyIn(export.name, r.x, r.y, everywhere, transfer.element_bytes)
        return self._submit(command, transfer.nonblock)

    def _array(self, symbol: int, transfer: Transfer, *, written: bool) -> ExportName:
        """An array that all PEs of the rectangle have, and that is long enough where the image tells it."""
        export = self._symbols.array(symbol, written=written)
        self._symbols.check_present(export.name, transfer.rectangle)
        self._symbols.check_extent(export.name, transfer.rectangle, transfer.length, transfer.element_bytes)
        return export

    def _advance(self, engine: Engine, ticket: int | None, max_cycles: int | None = None) -> None:
        """Simulates; what programs print is in the log even if they fail."""
        try:
            engine.run(ticket, max_cycles=max_cycles)
        finally:
            self._log.update(engine)

    def _advance_up_to(self, engine: Engine, ticket: int | None, cycles: int) -> None:
        """Simulates so far at most; nothing to do, or the end of the ticket, ends it sooner."""
        try:
            self._advance(engine, ticket, cycles)
        except DiagnosticError as failure:
            if any(d.id != "max-cycles" for d in failure.diagnostics):
                raise

    def _wait(self, engine: Engine, cycles: int) -> None:
        """Lets the wafer go on, or rest, while the host is busy."""
        try:
            engine.wait(cycles)
        finally:
            self._log.update(engine)

    def _submit(self, command: Command, nonblock: bool, finish: Callable[[], None] | None = None) -> Task:
        engine = self._running("submit")
        if self._was_blocking:
            self._wait(engine, self._facts.launch_cycles)
        if self._last_stream is not None and not isinstance(command, (StreamIn, StreamOut)):
            self._follow(engine, self._last_stream)
        self._was_blocking = not nonblock
        task = Task(engine.submit(command), finish)
        self._last_stream = task if isinstance(command, StreamIn) and nonblock else None
        self._pending.append(task)
        if not nonblock:
            self._advance(engine, task.ticket)
            self._settle()
        return task

    def _follow(self, engine: Engine, stream: Task) -> None:
        """A copy or a launch behind a stream has its turn when that is done, and then needs as long to the
        PEs as a stream needs to its first wavelet."""
        self._advance(engine, stream.ticket)
        self._wait(engine, self._facts.stream_start_cycles)

    def _settle(self) -> None:
        """Delivers what finished commands have fetched."""
        engine = self._engine
        assert engine is not None
        done = [task for task in self._pending if engine.is_done(task.ticket)]
        for task in done:
            if task.finish is not None:
                task.finish()
        self._pending = [task for task in self._pending if task not in done]

    def _engine_of(self, function: str, task: Any) -> Engine:
        if not isinstance(task, Task):
            raise error("host-argument", f"`{function}` needs a task, found {type(task).__name__}")
        if self._engine is None:
            raise self._state_error(function)
        return self._engine

    def _running(self, function: str) -> Engine:
        if self._state != "running" or self._engine is None:
            raise self._state_error(function)
        return self._engine

    def _expect(self, function: str, state: State) -> None:
        if self._state != state:
            raise self._state_error(function)

    def _state_error(self, function: str) -> DiagnosticError:
        what = {
            "new": "before `load()`",
            "loaded": "before `run()`" if function != "load" else "after `load()`",
            "running": "after `run()`",
            "stopped": "after `stop()`",
        }[self._state]
        return error(
            "runtime-state",
            f"`{function}` was called {what}",
            help="the order is `load()`, `run()`, transfers and launches, `stop()`",
        )
