"""Compiling and running small CSL programs in tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openwafer.csl import CompileOptions, compile_layout
from openwafer.image import Image, build
from openwafer.machine import load_machine
from openwafer.sim import Command, CopyOut, Engine, Launch, make_engine

ENGINES = ("reference", "fast")


@dataclass(frozen=True, slots=True)
class Sources:
    """CSL files by name; `layout.csl` is the layout."""

    files: dict[str, str]

    def compile(self, directory: Path, arch: str, **params: int) -> Image:
        for name, text in self.files.items():
            (directory / name).write_text(text)
        options = CompileOptions(arch=arch, params={n: str(v) for n, v in params.items()}, memcpy=True)
        return build(compile_layout(str(directory / "layout.csl"), options), arch)


def start(image: Image, engine: str, threads: int = 1) -> Engine:
    return make_engine(image, load_machine(image.machine), engine=engine, threads=threads)  # type: ignore[arg-type]


def execute(engine: Engine, commands: Sequence[Command]) -> None:
    """Runs the commands one after another, then until nothing happens."""
    for command in commands:
        engine.run(engine.submit(command))
    engine.run(None)


def read(engine: Engine, name: str, width: int, height: int, length: int, dtype: str = "u4") -> np.ndarray:
    """Exported array `name` of every PE, `[y, x, i]`."""
    size = np.dtype(dtype).itemsize
    data = np.zeros((height, width, length), np.uint32)
    engine.run(engine.submit(CopyOut(name, 0, 0, data, size)))  # type: ignore[arg-type]
    return data.astype(f"u{size}").view(dtype)


def stamps(engine: Engine, width: int, height: int, count: int, name: str = "stamps") -> np.ndarray:
    """48-bit time stamps `[y, x, stamp]` in cycles."""
    words = (
        read(engine, name, width, height, 3 * count, "u2").astype(np.int64).reshape(height, width, count, 3)
    )
    return words[..., 0] + (words[..., 1] << 16) + (words[..., 2] << 32)


def engines(image: Image, function: str = "run") -> Iterator[Engine]:
    """Both engines, after one launch of `function`; checks that they end in the same cycle."""
    ends: list[int] = []
    for name in ENGINES:
        engine = start(image, name)
        execute(engine, [Launch(function)])
        ends.append(engine.now)
        yield engine
    assert len(set(ends)) == 1, f"cycles differ: {dict(zip(ENGINES, ends, strict=True))}"
