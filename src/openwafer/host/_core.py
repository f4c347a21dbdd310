"""The memory of all PEs after a run, in a file: what debuggers look into."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from openwafer.csl import Layout
from openwafer.diag import DiagnosticError, error, suggest
from openwafer.host._platform import SimfabConfig
from openwafer.host._symbols import Rectangle
from openwafer.image import Image, used_bytes
from openwafer.sim import Engine
from openwafer.tir import Program

FILE = "core.npz"
"""Name of the file in the image directory."""

AUTOMATIC_BYTES = 1 << 24
"""A core up to this size is written after every run, a larger one when asked for."""


def core_bytes(image: Image) -> int:
    """Size of the symbols of all PEs."""
    counts = np.bincount(image.layout.program_of.ravel() + 1, minlength=len(image.layout.programs) + 1)[1:]
    return sum(int(n) * used_bytes(p) for n, p in zip(counts, image.layout.programs, strict=True))


def save_core(engine: Engine, image: Image, directory: str, config: SimfabConfig) -> None:
    """After a run: the core in the image directory, unless it is large and nobody asked for it."""
    path = Path(config.core_path or core_path(directory))
    if config.dump_core:
        write_core(engine, image, path)
    elif core_bytes(image) <= AUTOMATIC_BYTES and os.access(directory, os.W_OK):
        write_core(engine, image, core_path(directory))


def memories(engine: Engine, image: Image) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """For each program its number and `[PE, address]`: its PEs row-major, up to its last symbol."""
    layout = image.layout
    for number, program in enumerate(layout.programs):
        places, size = np.argwhere(layout.program_of == number), used_bytes(program)
        content = b"".join(engine.read(int(x), int(y), 0, size) for y, x in places)
        yield str(number), np.frombuffer(content, np.uint8).reshape(len(places), size)


def write_core(engine: Engine, image: Image, path: Path) -> None:
    """Array `p` of the file holds the memory of the PEs of program p, row-major, up to its last symbol.

    Diagnostics: core-not-written."""
    try:
        with path.open("wb") as file:
            np.savez(file, **dict(memories(engine, image)))  # pyright: ignore[reportArgumentType]
    except OSError as reason:
        raise error("core-not-written", f"`{path}`: {reason.strerror}") from None


class Core:
    """The symbols of all PEs, by coordinates in the program's rectangle."""

    def __init__(self, image: Image, memories: list[NDArray[np.uint8]]) -> None:
        self._layout = image.layout
        self._memories = memories

    def symbol(self, x: int, y: int, name: str) -> bytes:
        """The content of a variable. Diagnostics: core-place, unknown-device-symbol."""
        program = self._program(x, y)
        address, size = symbol_address(program, name, x, y)
        return self.memory(x, y, address, size)

    def memory(self, x: int, y: int, address: int, size: int) -> bytes:
        """Bytes of a PE's memory, zeros behind its last symbol."""
        number = int(self._layout.program_of[y, x])
        row = int((self._layout.program_of.ravel()[: y * self._layout.width + x] == number).sum())
        return self._memories[number][row, address : address + size].tobytes().ljust(size, b"\0")

    def _program(self, x: int, y: int) -> Program:
        check_place(self._layout, Rectangle(x, y, 1, 1))
        return self._layout.programs[int(self._layout.program_of[y, x])]


def check_place(layout: Layout, r: Rectangle) -> None:
    """Diagnostics: core-place, when PEs lie outside of the program's rectangle."""
    if r.x < 0 or r.y < 0 or r.w < 1 or r.h < 1 or r.x + r.w > layout.width or r.y + r.h > layout.height:
        dx, dy = layout.fabric_offsets
        message = f"{r.w} × {r.h} PEs at ({r.x}, {r.y}) are not among the {layout.width} × {layout.height}"
        raise error("core-place", message, notes=(f"PE (0, 0) of the program is ({dx}, {dy}) of the fabric",))


def symbol_address(program: Program, name: str, x: int, y: int) -> tuple[int, int]:
    """Address and size of a variable. Diagnostics: unknown-device-symbol."""
    for symbol in program.symbols:
        if symbol.name == name:
            return symbol.address, symbol.size
    names = [symbol.name for symbol in program.symbols]
    message = f"PE ({x}, {y}) has no variable `{name}`"
    raise error("unknown-device-symbol", message, help=suggest(name, names))


def as_array(content: bytes, symbol: str, dtype: DTypeLike) -> NDArray[Any]:
    """The elements of a variable. Diagnostics: symbol-type."""
    wanted = np.dtype(dtype)
    if len(content) % wanted.itemsize:
        message = f"`{symbol}` has {len(content)} bytes, not a multiple of the {wanted.itemsize} of {wanted}"
        raise error("symbol-type", message)
    return np.frombuffer(content, wanted).copy()


def read_core(image: Image, path: Path) -> Core:
    """Diagnostics: no-core."""
    try:
        with np.load(path) as file:
            memories = [file[str(number)] for number in range(len(image.layout.programs))]
    except FileNotFoundError:
        raise _no_core(f"there is no `{path}`") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as reason:
        raise _no_core(f"`{path}` cannot be read: {reason}") from None
    layout = image.layout
    for number, (memory, program) in enumerate(zip(memories, layout.programs, strict=True)):
        shape = (int((layout.program_of == number).sum()), used_bytes(program))
        if memory.shape != shape or memory.dtype != np.uint8:
            raise _no_core(f"`{path}` is from another compilation")
    return Core(image, memories)


def _no_core(message: str) -> DiagnosticError:
    return error(
        "no-core",
        message,
        help="run the program to its end, with `SimfabConfig(dump_core=True)` if it is large",
    )


def core_path(directory: str | os.PathLike[str]) -> Path:
    return Path(directory) / FILE
