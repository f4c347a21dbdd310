"""`SdkRuntime`: load an image, move arrays, launch functions."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from openwafer.diag import DiagnosticError, error, suggest
from openwafer.host._arguments import raw_words, typed_words
from openwafer.host._arrays import Shape, Words, destination, from_device, to_device
from openwafer.host._engine import start_engine
from openwafer.host._enums import MemcpyDataType, MemcpyOrder
from openwafer.host._missing import Missing, not_supported
from openwafer.host._platform import SdkCompileArtifacts, SdkExecutionPlatform, hardware, thread_count
from openwafer.host._stats import write_stats
from openwafer.host._symbols import Rectangle, Symbols, index
from openwafer.image import read
from openwafer.sim._engine import Command, CopyIn, CopyOut, Engine, Launch

_POLL_CYCLES = 10_000
"""How far one `is_task_done` may move time on: polling in a loop must come to an end."""

_OPTIONS = ("streaming", "data_type", "order", "nonblock")

_Enum = TypeVar("_Enum", bound=enum.Enum)
State = Literal["new", "loaded", "running", "stopped"]


@dataclass(eq=False, slots=True)
class Task:
    """Handle of a command given to the device."""

    ticket: int
    finish: Callable[[], None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Transfer:
    """The checked options that all memcpy functions share."""

    rectangle: Rectangle
    length: int
    element_bytes: Literal[2, 4]
    order: MemcpyOrder
    nonblock: bool

    @property
    def shape(self) -> Shape:
        return self.rectangle.h, self.rectangle.w, self.length


class SdkRuntime:
    """Runs the image in directory `name`; methods and arguments are those of the SDK's documentation.

    A blocking call simulates until its command is done. A nonblocking one returns a `Task`; the next blocking
    call simulates it too. Simulated time passes only inside calls.
    Diagnostics: those of `image.read`, and not-supported-hardware."""

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
        **_: Any,
    ) -> None:
        if cmaddr:
            raise hardware(cmaddr)
        if simfab_numthreads is None and platform is not None:
            simfab_numthreads = platform.config.num_threads
        path = name.artifacts_path if isinstance(name, SdkCompileArtifacts) else name
        self._image = read(path)
        self._symbols = Symbols(self._image.layout)
        self._threads = thread_count(simfab_numthreads)
        self._engine: Engine | None = None
        self._state: State = "new"
        self._pending: list[Task] = []

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
        """Simulates until all commands are done and nothing can happen any more; the last call.

        Diagnostics: runtime-state, and those of the program."""
        engine = self._running("stop")
        for task in list(self._pending):
            engine.run(task.ticket)
        engine.run(None)
        self._settle()
        self._state = "stopped"
        layout = self._image.layout
        write_stats(engine.now, layout.width * layout.height)

    def get_id(self, symbol: str) -> int:
        """The id of an exported array or function. Diagnostics: unknown-host-symbol."""
        return self._symbols.id(symbol)

    def memcpy_h2d(
        self, dest: int, src: Any, px: int, py: int, w: int, h: int, elem_per_pe: int, **options: Any
    ) -> Task:
        """Copies `src[h][w][elem_per_pe]`, flat in `order`, to array `dest` on each PE of the rectangle.

        `src` is read before the call returns. 16-bit elements stand in the low halves of 32-bit ones.
        Options: streaming, data_type, order, nonblock.
        Diagnostics: memcpy-rectangle, host-argument, host-array-…, host-symbol-…, unknown-host-symbol."""
        transfer = self._transfer("memcpy_h2d", (px, py, w, h), elem_per_pe, options)
        data = to_device(src, transfer.shape, transfer.order, "src")
        return self._copy_in(dest, transfer, data)

    def memcpy_h2d_rowbcast(
        self, dest: int, src: Any, px: int, py: int, w: int, h: int, elem_per_pe: int, **options: Any
    ) -> Task:
        """As `memcpy_h2d`, with `src[h][elem_per_pe]`: every PE of a row gets the same data."""
        transfer = self._transfer("memcpy_h2d_rowbcast", (px, py, w, h), elem_per_pe, options)
        rows, _, length = transfer.shape
        data = to_device(src, (rows, 1, length), transfer.order, "src")
        return self._copy_in(dest, transfer, data)

    def memcpy_h2d_colbcast(
        self, dest: int, src: Any, px: int, py: int, w: int, h: int, elem_per_pe: int, **options: Any
    ) -> Task:
        """As `memcpy_h2d`, with `src[w][elem_per_pe]`: every PE of a column gets the same data."""
        transfer = self._transfer("memcpy_h2d_colbcast", (px, py, w, h), elem_per_pe, options)
        _, columns, length = transfer.shape
        data = to_device(src, (1, columns, length), transfer.order, "src")
        return self._copy_in(dest, transfer, data)

    def memcpy_d2h(
        self, dest: Any, src: int, px: int, py: int, w: int, h: int, elem_per_pe: int, **options: Any
    ) -> Task:
        """Copies array `src` of each PE of the rectangle into `dest[h][w][elem_per_pe]`, flat in `order`.

        16-bit elements arrive in the low halves of 32-bit ones, with zeros above."""
        transfer = self._transfer("memcpy_d2h", (px, py, w, h), elem_per_pe, options)
        flat = destination(dest, transfer.shape, "dest")
        export = self._symbols.array(src, written=False)
        self._symbols.check_present(export.name, transfer.rectangle)
        words: Words = np.zeros(transfer.shape, np.uint32)
        r = transfer.rectangle
        command = CopyOut(export.name, r.x, r.y, words, transfer.element_bytes)
        return self._submit(command, transfer.nonblock, lambda: from_device(words, flat, transfer.order))

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
            try:
                engine.run(task_handle.ticket, max_cycles=_POLL_CYCLES)
            except DiagnosticError as failure:
                if any(d.id != "max-cycles" for d in failure.diagnostics):
                    raise
        self._settle()
        return engine.is_done(task_handle.ticket)

    def task_wait(self, task_handle: Task) -> None:
        """Simulates until the command is done."""
        self._engine_of("task_wait", task_handle).run(task_handle.ticket)
        self._settle()

    def coord_logical_to_physical(self, logical_coords: tuple[int, int]) -> tuple[int, int]:
        """Coordinates in the fabric of coordinates in the program's rectangle."""
        x, y = logical_coords
        dx, dy = self._image.layout.fabric_offsets
        return x + dx, y + dy

    memcpy_h2d_stride = Missing("SdkRuntime.memcpy_h2d_stride", "stride")
    read_symbol = Missing("SdkRuntime.read_symbol", "read-symbol")
    send = Missing("SdkRuntime.send", "ports")
    receive = Missing("SdkRuntime.receive", "ports")
    receive_tofile = Missing("SdkRuntime.receive_tofile", "ports")
    get_port_id = Missing("SdkRuntime.get_port_id", "ports")
    report_port_infos = Missing("SdkRuntime.report_port_infos", "ports")
    dump_core = Missing("SdkRuntime.dump_core", "core-dump")
    dump_elf_core = Missing("SdkRuntime.dump_elf_core", "core-dump")

    def _transfer(
        self,
        function: str,
        rectangle: tuple[int, int, int, int],
        elem_per_pe: int,
        options: Mapping[str, Any],
    ) -> _Transfer:
        self._running(function)
        if unknown := next((name for name in options if name not in _OPTIONS), None):
            raise error(
                "host-argument", f"`{function}` has no option `{unknown}`", help=suggest(unknown, _OPTIONS)
            )
        if options.get("streaming"):
            raise not_supported(f"`{function}` with `streaming=True`", "streaming")
        length = index("elem_per_pe", elem_per_pe)
        if length < 1:
            raise error("host-argument", f"`elem_per_pe` must be at least 1, found {length}")
        size = _member("data_type", options.get("data_type", MemcpyDataType.MEMCPY_32BIT), MemcpyDataType)
        order = _member("order", options.get("order", MemcpyOrder.ROW_MAJOR), MemcpyOrder)
        where = self._symbols.rectangle(*rectangle)
        return _Transfer(where, length, size.element_bytes, order, bool(options.get("nonblock")))

    def _copy_in(self, dest: int, transfer: _Transfer, data: Words) -> Task:
        export = self._symbols.array(dest, written=True)
        self._symbols.check_present(export.name, transfer.rectangle)
        r = transfer.rectangle
        everywhere = np.ascontiguousarray(np.broadcast_to(data, transfer.shape))
        command = CopyIn(export.name, r.x, r.y, everywhere, transfer.element_bytes)
        return self._submit(command, transfer.nonblock)

    def _submit(self, command: Command, nonblock: bool, finish: Callable[[], None] | None = None) -> Task:
        engine = self._running("submit")
        task = Task(engine.submit(command), finish)
        self._pending.append(task)
        if not nonblock:
            engine.run(task.ticket)
            self._settle()
        return task

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


def _member(name: str, value: Any, kind: type[_Enum]) -> _Enum:
    if not isinstance(value, kind):
        members = " or ".join(f"{kind.__name__}.{m.name}" for m in kind)
        raise error("host-argument", f"`{name}` must be {members}, found {value!r}")
    return value
