"""Where a program runs: on the simulator, or on the interpreter that defines what it must give."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from openwafer.csl import CompileOptions, compile_layout
from openwafer.image import Image, build, used_bytes
from openwafer.machine import Machine
from openwafer.nn.kernels._kernel import NUMPY_DTYPES
from openwafer.nn.program._emit import Emitted
from openwafer.nn.program._interpret import Interpreter
from openwafer.nn.program._memory import Plan
from openwafer.nn.program._program import Buffer, Entry, Program
from openwafer.sim import CopyIn, CopyOut, Launch, make_engine

EngineName = Literal["fast", "reference", "numpy"]
Tiles = NDArray[Any]
"""The local arrays of a buffer: `[h, w, *shape]`."""


class Device(Protocol):
    """A mesh with a program loaded."""

    @property
    def now(self) -> int:
        """Cycles since the start."""
        ...

    @property
    def busy_cycles(self) -> int:
        """Cycles in which PEs ran code or memory operations, summed over them."""
        ...

    def write(self, buffer: Buffer, tiles: Tiles) -> None: ...

    def read(self, buffer: Buffer) -> Tiles: ...

    def launch(self, entry: Entry, arguments: Mapping[str, float]) -> None:
        """Runs an entry to its end on all PEs."""
        ...

    def memories(self) -> list[bytes]:
        """The memory of every PE as it is now, row-major. Takes no simulated time."""
        ...

    def restore(self, memories: list[bytes]) -> None:
        """Puts back what `memories` gave; between launches nothing else of a PE matters."""
        ...


class InterpretedDevice:
    """Kernels by their NumPy definitions; it counts no cycles."""

    now = 0
    busy_cycles = 0

    def __init__(self, program: Program, plan: Plan) -> None:
        self._interpreter = Interpreter(program, plan.addresses, plan.bytes)

    def write(self, buffer: Buffer, tiles: Tiles) -> None:
        self._interpreter.array(buffer)[:] = tiles

    def read(self, buffer: Buffer) -> Tiles:
        return self._interpreter.array(buffer).copy()

    def launch(self, entry: Entry, arguments: Mapping[str, float]) -> None:
        self._interpreter.run(entry, arguments)

    def memories(self) -> list[bytes]:
        return [self._interpreter.memory.tobytes()]

    def restore(self, memories: list[bytes]) -> None:
        memory = self._interpreter.memory
        memory[:] = np.frombuffer(memories[0], memory.dtype).reshape(memory.shape)


class SimulatedDevice:
    """The emitted CSL, compiled and on a simulated wafer."""

    def __init__(
        self, program: Program, symbols: Mapping[Buffer, str], image: Image, machine: Machine,
        engine: Literal["fast", "reference"], *, threads: int = 1,
    ) -> None:  # fmt: skip
        self._mesh = program.mesh
        self._symbols = symbols
        self._used_bytes = max(used_bytes(program) for program in image.layout.programs)
        self._engine = make_engine(image, machine, engine=engine, threads=threads)

    @property
    def now(self) -> int:
        return self._engine.now

    @property
    def busy_cycles(self) -> int:
        return self._engine.stats().busy_cycles

    def write(self, buffer: Buffer, tiles: Tiles) -> None:
        values = np.ascontiguousarray(tiles, buffer_dtype(buffer))
        data = values.view(f"u{values.itemsize}").reshape(self._mesh.h, self._mesh.w, buffer.size)
        self._run(CopyIn(self._symbols[buffer], 0, 0, data.astype(np.uint32, copy=False), _width(buffer)))

    def read(self, buffer: Buffer) -> Tiles:
        data = np.zeros((self._mesh.h, self._mesh.w, buffer.size), np.uint32)
        self._run(CopyOut(self._symbols[buffer], 0, 0, data, _width(buffer)))
        bits = data.astype(f"u{_width(buffer)}", copy=False)
        return bits.view(buffer_dtype(buffer)).reshape(self._mesh.h, self._mesh.w, *buffer.shape)

    def launch(self, entry: Entry, arguments: Mapping[str, float]) -> None:
        self._run(Launch(entry.name, tuple(_word(arguments[n], t) for n, t in entry.arguments)))
        self._engine.run(None)

    def memories(self) -> list[bytes]:
        return [self._engine.read(x, y, 0, self._used_bytes) for x, y in self._places()]

    def restore(self, memories: list[bytes]) -> None:
        for (x, y), memory in zip(self._places(), memories, strict=True):
            self._engine.write(x, y, 0, memory)

    def _places(self) -> list[tuple[int, int]]:
        return [(x, y) for y in range(self._mesh.h) for x in range(self._mesh.w)]

    def stamps(self, count: int) -> NDArray[np.int64]:
        """`[h, w, count]` cycles at which the phases of the last launch ended."""
        data = np.zeros((self._mesh.h, self._mesh.w, 3 * count), np.uint32)
        self._run(CopyOut("stamps", 0, 0, data, 2))
        parts = data.astype(np.int64).reshape(self._mesh.h, self._mesh.w, count, 3)
        return parts[..., 0] + (parts[..., 1] << 16) + (parts[..., 2] << 32)

    def _run(self, command: CopyIn | CopyOut | Launch) -> None:
        self._engine.run(self._engine.submit(command))


def buffer_dtype(buffer: Buffer) -> np.dtype[Any]:
    return np.dtype(NUMPY_DTYPES[buffer.dtype])


def _width(buffer: Buffer) -> Literal[2, 4]:
    """Bytes of an element."""
    return 2 if buffer.dtype == "f16" else 4


def _word(number: float, dtype: str) -> int:
    return int(number) if dtype == "u16" else int(np.float32(number).view(np.uint32))


def compile_emitted(emitted: Emitted, machine: Machine, *, profile: bool = False) -> Image:
    """The image of emitted CSL; files are written to a temporary directory only."""
    directory = Path(tempfile.mkdtemp(prefix="openwafer-"))
    try:
        for name, text in emitted.files.items():
            (directory / name).write_text(text, "utf-8")
        params = {"profile": "true"} if profile else {}
        options = CompileOptions(arch=machine.arch, params=params, memcpy=True, machine=machine)
        layout = compile_layout(str(directory / "layout.csl"), options)
        return build(layout, machine)
    finally:
        shutil.rmtree(directory)
