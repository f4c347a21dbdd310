"""Reads the programs of a Markdown file, compiles and runs them."""

from __future__ import annotations

import re
import shlex
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from openwafer.csl import CompileOptions, compile_layout
from openwafer.diag import Diagnostic, render
from openwafer.image import Image, build
from openwafer.machine import load_machine
from openwafer.sim import Engine, Launch, make_engine

LAYOUT = """layout {{
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "program.csl", .{{ {params} }});
  @export_name("run", fn()void);
}}
"""
RUN = "\ncomptime { @export_symbol(run); }\n"
MAX_CYCLES = 1_000_000
Scalar = int | float | bool


@dataclass(frozen=True)
class Expected:
    """Where a diagnostic must point: line and column from 1 (column 0: anywhere in the line), `length` 0:
    any."""

    id: str
    line: int
    column: int
    length: int
    message: str


@dataclass
class Block:
    """One program: `text` is a PE program, or a layout if it has a `layout` block. `files` lie beside it."""

    path: Path
    line: int
    heading: str
    text: str
    options: dict[str, str]
    files: dict[str, str]
    error: Expected | None = None
    warning: Expected | None = None
    prints: list[str] = field(default_factory=list)
    results: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.path.stem}:{self.line}"

    @property
    def is_layout(self) -> bool:
        return re.search(r"^layout\b", self.text, re.M) is not None

    @property
    def file(self) -> str:
        return "layout.csl" if self.is_layout else "program.csl"

    def texts(self) -> dict[str, str]:
        """The program, and the layout around it."""
        if self.is_layout:
            return {"layout.csl": self.text}
        tail = RUN if re.search(r"^(export )?fn run\(\)", self.text, re.M) else ""
        layout = LAYOUT.format(params=self.options.get("with", ""))
        return {"program.csl": self.text + tail, "layout.csl": layout}

    def write(self, folder: Path) -> None:
        for name, text in {**self.files, **self.texts()}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)


def read(path: Path) -> list[Block]:
    """The programs of a file; those with `file=` in their info string are files for the others of the
    section."""
    blocks: list[Block] = []
    files: dict[str, str] = {}
    heading = ""
    lines = path.read_text().split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("#"):
            heading, files = line.lstrip("# "), {}
        elif line.startswith("```csl"):
            options = dict(part.split("=", 1) for part in shlex.split(line[6:]))
            end = lines.index("```", at)
            text = "\n".join(lines[at:end]) + "\n"
            if "file" in options:
                files[options["file"]] = text
            else:
                blocks.append(_block(path, at, heading, text, options, files))
            at = end + 1
    return blocks


_NOTE = re.compile(r"//\s*(\^*)\s*(error|warning|prints|result)\b:?\s*(.*)$")


def _block(
    path: Path, line: int, heading: str, text: str, options: dict[str, str], files: dict[str, str]
) -> Block:
    block = Block(path, line, heading, text, options, files)
    for number, content in enumerate(text.split("\n"), 1):
        note = _NOTE.search(content)
        if note is None:
            continue
        carets, kind, rest = note.groups()
        if kind == "prints":
            block.prints.append(f"{number}: {rest}")
        elif kind == "result":
            name, _, values = rest.partition(":")
            block.results[name.strip()] = values.split()
        else:
            id, _, message = rest.removeprefix("[").partition("]")
            where = (number - 1, note.start(1) + 1, len(carets)) if carets else (number, 0, 0)
            setattr(block, kind, Expected(id, *where, message.strip()))
    return block


def compile_block(block: Block) -> tuple[Image, list[str], list[Diagnostic]]:
    """The image, what `@comptime_print` wrote as `line: text`, and the warnings."""
    arch = block.options.get("arch", "wse2")
    params = dict(p.split(":") for p in block.options.get("params", "").split(",") if p)
    options = CompileOptions(arch=arch, params=params, edition=block.options.get("edition"))
    told: list[str] = []
    warned: list[Diagnostic] = []
    layout = compile_layout("layout.csl", options, printed=told.append, warned=warned.append)
    marks = (re.match(rf"{re.escape(block.file)}:(\d+):\d+: (.*)", line, re.S) for line in told)
    return build(layout, arch), [f"{m[1]}: {m[2]}" for m in marks if m], warned


def check_place(block: Block, expected: Expected | None, found: Diagnostic) -> None:
    """Whether a diagnostic is the one that a comment expects, at its place."""
    assert expected is not None, render(found)
    assert found.id == expected.id, render(found)
    if expected.message:
        assert found.message == expected.message
    if found.span is None:
        assert expected.column == 0, render(found)
        return
    source = found.span.source
    if source.path in block.files or source.path.startswith("<"):
        assert expected.column == 0, render(found)
        return
    assert source.path == block.file, render(found)
    line, column = source.position(found.span.start)
    assert line == expected.line, render(found)
    if expected.column:
        assert column == expected.column, render(found)
        end = found.span.end
        if "\n" not in source.text[found.span.start : end]:
            assert end - found.span.start == expected.length, render(found)


def run(image: Image, name: str) -> Engine:
    """The engine of this name after `run` has ended and nothing more can happen."""
    engine = make_engine(image, load_machine(image.machine), engine=name)
    engine.submit(Launch("run"))
    engine.run(max_cycles=MAX_CYCLES)
    return engine


def values(image: Image, engine: Engine, name: str) -> list[str]:
    """The content of a variable of PE (0, 0) as text: floats as `repr` of the f32 or f16, rounded to be
    short."""
    symbol = next(s for s in image.layout.programs[image.layout.program_of[0, 0]].symbols if s.name == name)
    element = symbol.type.rpartition("]")[2]
    data = engine.read(0, 0, symbol.address, symbol.size)
    if element in ("f16", "f32"):
        kind = np.float16 if element == "f16" else np.float32
        return [str(v) for v in np.frombuffer(data, kind)]
    if element == "bool":
        return [str(bool(v)).lower() for v in np.frombuffer(data, np.uint16)]
    bits = int(element[1:])
    size = 1 if bits <= 8 else 2 if bits <= 16 else 4 if bits <= 32 else 8
    code = {1: "b", 2: "h", 4: "i", 8: "q"}[size]
    code = code if element[0] == "i" else code.upper()
    return [str(v) for v in struct.unpack(f"<{len(data) // size}{code}", data)]
