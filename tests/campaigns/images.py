"""Images from others: mutated and sealed again, they are refused with a diagnostic or run as any program.

A seed picks one of several images, mutates it one to four times, seals it, reads it, and runs what is read
for a short time, as a host script would or command by command. `OPENWAFER_CHECKED_ENGINE=1` has the engine
check every address that it touches.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from campaigns import _image_sources as sources
from campaigns._image_mutations import Files, mutated
from csl_kit import Sources
from openwafer.codegen import _cache
from openwafer.diag import DiagnosticError, render, to_json
from openwafer.host import SdkRuntime
from openwafer.host._enums import MemcpyDataType, MemcpyOrder
from openwafer.image import Image, read, write
from openwafer.sim import Command, CopyIn, CopyOut, Engine, Launch, make_engine
from openwafer.sim._engine import StreamIn, StreamOut

SHARE = 500
LIMIT_S = 60
MEMORY_GIB = 8
CYCLES = 4000
REFERENCE_CYCLES = 600
"""A run is repeated on the reference engine if it has ended before this cycle."""
KEPT_OBJECTS = 256
"""Machine code of so many programs is kept in this process, and none on disk."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image, and what a host does with it. `width` and `height` are those of its rectangle."""

    files: Files
    commands: tuple[tuple[str, str | int, int], ...]
    """(what, name or color, elements or arguments)."""
    width: int
    height: int


SAMPLES: tuple[tuple[Sources, str, tuple[tuple[str, str | int, int], ...]], ...] = (
    (sources.PIPE, "wse3", (("launch", "run", 1), ("out", "a", 8))),
    (sources.PIPE, "wse2", (("in", "a", 8), ("launch", "run", 1), ("out", "a", 8))),
    (sources.CODE, "wse3", (("in", "x", 12), ("launch", "work", 2), ("out", "x", 12), ("out", "stamp", 1))),
    (sources.CODE, "wse2", (("launch", "work", 2), ("out", "x", 12))),
    (sources.STREAM, "wse3", (("stream in", 1, 4), ("stream out", 2, 4), ("launch", "run", 0))),
    (sources.STREAM, "wse2", (("stream in", 1, 4), ("stream out", 2, 4))),
    (sources.SUM, "wse3", (("in", "data", 4), ("launch", "run", 0), ("out", "data", 4))),
    (sources.SUM, "wse2", (("launch", "run", 0), ("out", "data", 4))),
)


@cache
def sample(number: int) -> Sample:
    """One of the samples, compiled once a process."""
    made, arch, commands = SAMPLES[number]
    with tempfile.TemporaryDirectory() as folder:
        image = made.compile(Path(folder), arch)
        write(image, Path(folder, "out"))
        files = Files.of(Path(folder, "out"))
    return Sample(files, commands, image.layout.width, image.layout.height)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="images-")


def check(seed: int) -> str | None:
    """None when the image is refused or runs; else what went wrong."""
    rng = random.Random(seed)
    number = rng.randrange(len(SAMPLES))
    chosen = sample(number)
    files, as_script = mutated(chosen.files, rng), rng.random() < 0.25
    directory = Path(_folder().name, "image")
    directory.mkdir(exist_ok=True)
    try:
        files.write(directory, rehash=rng.random() < 0.9)
    except RecursionError:  # nested deeper than can be written
        return None
    with _without_disk():
        try:
            image = read(directory)
        except DiagnosticError as refused:
            return _words(refused)
        if as_script:
            return _as_script(chosen, directory)
        if _run(chosen, image, "fast") < REFERENCE_CYCLES:
            _run(chosen, image, "reference")
        return None


def _words(failure: DiagnosticError) -> str | None:
    """Whether a diagnostic can be shown."""
    for diagnostic in failure.diagnostics:
        render(diagnostic)
        to_json(diagnostic)
        if len(diagnostic.message) > 2000:
            return f"a message of {len(diagnostic.message)} characters"
    return None


def _arguments(image: Image, name: str) -> int:
    """How many arguments a function takes; a host counts them before it launches one."""
    exports = [e for p in image.layout.programs for e in p.exports if e.name == name and e.kind == "func"]
    return len(exports[0].params) if len({len(e.params) for e in exports}) == 1 else -1


def _commands(chosen: Sample, image: Image) -> Iterator[Command]:
    for what, name, count in chosen.commands:
        data = np.arange(chosen.width * chosen.height * max(count, 1), dtype=np.uint32)
        data = data.reshape(chosen.height, chosen.width, -1)
        match what, name:
            case "launch", str():
                if (wanted := _arguments(image, name)) >= 0:
                    yield Launch(name, (3,) * wanted)
            case "in", str():
                yield CopyIn(name, 0, 0, data, 4)
            case "out", str():
                yield CopyOut(name, 0, 0, data, 4)
            case "stream in", int():
                yield StreamIn(name, 0, 0, data)
            case _, int():
                yield StreamOut(name, 0, 0, data)
            case _:
                raise AssertionError(what)


def _run(chosen: Sample, image: Image, engine: str) -> int:
    """Gives the commands and simulates for some cycles; the cycle in which it ended, or a large number."""
    try:
        made = make_engine(image, image.machine, engine=engine)  # type: ignore[arg-type]
        made.watchdog.last = CYCLES
        for command in _commands(chosen, image):
            made.run(made.submit(command), max_cycles=CYCLES)
        made.run(None, max_cycles=CYCLES)
    except DiagnosticError as failure:
        _words(failure)
        return CYCLES
    return _look(made, image)


def _look(engine: Engine, image: Image) -> int:
    engine.stats()
    for line in engine.printed():
        line.text.encode("utf-8", "replace")
    for y, x in np.argwhere(image.layout.program_of >= 0)[:4]:
        engine.read(int(x), int(y), 0, image.machine.memory.bytes_per_pe)
    return engine.now


def _as_script(chosen: Sample, directory: Path) -> str | None:
    """What `SdkRuntime` does with it."""
    os.environ["OPENWAFER_MAX_CYCLES"] = str(CYCLES)
    with contextlib.redirect_stderr(io.StringIO()):
        return _script(chosen, directory)


def _script(chosen: Sample, directory: Path) -> str | None:
    try:
        runner = SdkRuntime(str(directory))
        runner.load()
        runner.run()
        for what, name, count in chosen.commands:
            _call(runner, what, name, count, chosen)
        runner.stop()
    except DiagnosticError as failure:
        return _words(failure)
    return None


def _call(runner: SdkRuntime, what: str, name: str | int, count: int, chosen: Sample) -> None:
    options = {"data_type": MemcpyDataType.MEMCPY_32BIT, "order": MemcpyOrder.ROW_MAJOR, "nonblock": True}
    where = (0, 0, chosen.width, chosen.height, max(count, 1))
    data = np.zeros(chosen.width * chosen.height * max(count, 1), np.uint32)
    match what:
        case "launch":
            runner.launch(
                str(name), *[np.float32(1.0) if k else np.uint16(3) for k in range(count)], nonblock=True
            )
        case "in" | "stream in":
            place = runner.get_id(name) if isinstance(name, str) else name
            runner.memcpy_h2d(place, data, *where, streaming=isinstance(name, int), **options)
        case _:
            place = runner.get_id(name) if isinstance(name, str) else name
            runner.memcpy_d2h(data, place, *where, streaming=isinstance(name, int), **options)


@contextmanager
def _without_disk() -> Iterator[None]:
    """The cache of machine code in memory: thousands of programs that nobody runs again stay off the disk."""
    kept = _objects()
    real = _cache.read, _cache.write

    def keep(key: str, value: object) -> None:
        if len(kept) >= KEPT_OBJECTS:
            kept.pop(next(iter(kept)))
        kept[key] = value

    _cache.read, _cache.write = lambda key, _: kept.get(key), keep  # type: ignore[assignment]
    try:
        yield
    finally:
        _cache.read, _cache.write = real


@cache
def _objects() -> dict[str, object]:
    return {}


if __name__ == "__main__":
    for text in sys.argv[1:]:
        print(text, check(int(text)))
