"""A program to CSL (edition 2.10): `pe.csl`, `layout.csl` and the kernel files that they import.

Every declaration goes through the parser and the printer of `csl`; comments stand between declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from openwafer.csl import parse, print_file
from openwafer.diag import Source
from openwafer.machine import Machine
from openwafer.nn.graph._mesh import Axis
from openwafer.nn.kernels._collectives import Line, choose_line, module_import, params_import
from openwafer.nn.kernels._kernel import Array
from openwafer.nn.kernels._kernels import KERNELS, kernel_sources
from openwafer.nn.program._memory import ALIGN_BYTES, Plan
from openwafer.nn.program._program import (
    Argument,
    Buffer,
    Call,
    Collective,
    Entry,
    Instruction,
    Position,
    Program,
    Ref,
    Runtime,
    Share,
    Valid,
)

WORD_BYTES = 4
AXES: tuple[Axis, ...] = ("x", "y")
COLLECTIVE: dict[Axis, str] = {"x": "row", "y": "column"}
FIRST_COLOR: dict[Axis, int] = {"x": 0, "y": 5}
RESERVED = (
    "x y arena memcpy sys time row column stamps stamp stamps_ptr valid share profile const var fn task param"
)


@dataclass(frozen=True, slots=True)
class Emitted:
    """Text of every file by name; `symbols` are the exported names of buffers; `phases` those of each entry,
    in order: with the parameter `profile`, entry e stamps the cycle before its first phase and behind
    each."""

    files: dict[str, str]
    symbols: dict[Buffer, str]
    phases: dict[str, tuple[str, ...]]


def emit(program: Program, plan: Plan, machine: Machine) -> Emitted:
    """Writes nothing; the caller stores the files."""
    return _Emitter(program, plan, machine).emit()


@dataclass(slots=True)
class _Emitter:
    program: Program
    plan: Plan
    machine: Machine
    names: dict[Buffer, str] = field(default_factory=dict[Buffer, str])
    taken: set[str] = field(
        default_factory=lambda: {*RESERVED.split(), *(k.module for k in KERNELS.values())}
    )
    lines: dict[Axis, Line] = field(default_factory=dict[Axis, Line])
    phases: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def emit(self) -> Emitted:
        for entry in self.program.entries:
            self.taken.update((entry.name, *(name for name, _ in entry.arguments)))
        for buffer in self.program.buffers:
            self.names[buffer] = self._free(buffer.name)
        for axis in AXES:
            if self.program.mesh.length(axis) > 1:
                self.lines[axis] = self._line(axis)
        pe, layout = self._pe(), self._layout()
        files = {"layout.csl": layout, "pe.csl": pe, **used_sources(pe, layout)}
        symbols = {b: self.names[b] for b in self._kept()}
        return Emitted(files, symbols, self.phases)

    def _line(self, axis: Axis) -> Line:
        all_of_them = (i for e in self.program.entries for i in e.instructions)
        counts = [i.n for i in all_of_them if isinstance(i, Collective) and i.axis == axis]
        return choose_line(self.machine, axis, self.program.mesh.length(axis), counts)

    def _free(self, name: str) -> str:
        base = re.sub(r"\W", "_", name)
        base = f"_{base}" if base[:1].isdigit() else base
        unique, i = base, 1
        while unique in self.taken:
            unique, i = f"{base}_{i}", i + 1
        self.taken.add(unique)
        return unique

    def _kept(self) -> list[Buffer]:
        return [b for b in self.program.buffers if b.kind != "temporary"]

    # --- the PE's program ---

    def _pe(self) -> str:
        parts = [
            "// What every PE runs. PEs differ in their position only.\n",
            *map(formatted, self._imports()),
            "\n// Position of the PE, in variables, so that all PEs share their code.\n",
            formatted("var column_of_pe: u16 = x; var row_of_pe: u16 = y;"),
            *self._arguments(),
            *self._data(),
            *(text for text in HELPERS if self._needs(text)),
        ]
        parts += ["\n", *self._stamps()]
        for entry in self.program.entries:
            parts += self._entry(entry)
        parts += ["\n", formatted(self._exports())]
        return "".join(parts)

    def _imports(self) -> Iterator[str]:
        yield "param memcpy_params; param x: u16; param y: u16; param profile: bool;"
        for axis in self.lines:
            yield f"param {COLLECTIVE[axis]}_place;"
        yield 'const sys = @import_module("<memcpy/memcpy>", memcpy_params);'
        yield 'const time = @import_module("<time>");'
        for axis, line in self.lines.items():
            yield f"const {COLLECTIVE[axis]} = {module_import(line, f'{COLLECTIVE[axis]}_place')};"
        for module in dict.fromkeys(KERNELS[c.kernel].module for c in self._calls()):
            yield f'const {module} = @import_module("{module}.csl");'

    def _calls(self) -> Iterator[Call]:
        return (i for e in self.program.entries for i in e.instructions if isinstance(i, Call))

    def _needs(self, helper: str) -> bool:
        kind = Valid if "fn valid" in helper else Share
        return any(isinstance(a, kind) for c in self._calls() for a in c.arguments)

    def _arguments(self) -> Iterator[str]:
        names = dict.fromkeys((name, dtype) for e in self.program.entries for name, dtype in e.arguments)
        if names:
            yield "\n// What the host gave at the launch.\n"
        for name, dtype in names:
            yield formatted(f"var {name}: {dtype} = {'0' if dtype == 'u16' else '0.0'};")

    def _data(self) -> Iterator[str]:
        for kind, group in groupby(sorted(self._kept(), key=lambda b: b.kind), key=lambda b: b.kind):
            yield f"\n// {KIND_TITLES[kind]}\n"
            for buffer in group:
                name = self.names[buffer]
                array = f"[{buffer.size}]{buffer.dtype}"
                start = f" = @zeros({array})" if kind in ("state", "cache") else ""
                yield formatted(
                    f"var {name}_data: {array} align({ALIGN_BYTES}){start};"
                    f"const {name}: [*]{buffer.dtype} = &{name}_data;"
                )
        if self.plan.arena_bytes:
            yield "\n// Temporaries share memory by their lifetimes.\n"
            size = self.plan.arena_bytes // WORD_BYTES
            yield formatted(f"var arena: [{size}]f32 align({ALIGN_BYTES});")
            for buffer in self.program.buffers:
                if buffer.kind == "temporary":
                    yield formatted(f"const {self.names[buffer]} = {self._in_arena(buffer)};")

    def _in_arena(self, buffer: Buffer) -> str:
        start = (self.plan.addresses[buffer] - self.plan.kept_bytes) // WORD_BYTES
        return f"@ptrcast([*]{buffer.dtype}, &arena[{start}])"

    def _stamps(self) -> Iterator[str]:
        most = max(len(list(_phases(e.instructions))) for e in self.program.entries) + 1
        yield formatted(f"var stamps: [if (profile) {3 * most} else 3]u16;")
        yield formatted("const stamps_ptr: [*]u16 = &stamps;")
        yield formatted(
            "fn stamp(comptime i: u16) void { if (profile) {"
            "time.get_timestamp(@ptrcast(*[3]u16, &stamps[3 * i])); } }"
        )

    def _entry(self, entry: Entry) -> Iterator[str]:
        calls: list[str] = []
        names: list[str] = []
        for i, (phase, instructions) in enumerate(_phases(entry.instructions)):
            name = self._free(f"{entry.name}_{phase or 'rest'}")
            body = "".join(self._instruction(instruction) for instruction in instructions)
            yield f"\n// {phase or 'The rest.'}\n" + formatted(f"fn {name}() void {{ {body} }}")
            calls.append(f"{name}(); stamp({i + 1});")
            names.append(phase)
        self.phases[entry.name] = tuple(names)
        arguments = [(name, f"{name}_now", dtype) for name, dtype in entry.arguments]
        head = ", ".join(f"{now}: {dtype}" for _, now, dtype in arguments)
        store = "".join(f"{name} = {now};" for name, now, _ in arguments)
        body = f"{store} stamp(0); {''.join(calls)} sys.unblock_cmd_stream();"
        yield "\n" + formatted(f"fn {entry.name}({head}) void {{ {body} }}")

    def _instruction(self, instruction: Instruction) -> str:
        match instruction:
            case Call(kernel, arguments):
                kinds = KERNELS[kernel].parameters
                texts = [
                    self._pointer(a, p.dtype)
                    if isinstance(p, Array) and isinstance(a, Ref)
                    else self._number(a)
                    for p, a in zip(kinds, arguments, strict=True)
                ]
                return f"{KERNELS[kernel].module}.{kernel}({', '.join(texts)});"
            case Collective(axis, op, ref, n):
                return f"{COLLECTIVE[axis]}.{op}({self._pointer(ref, 'f32')}, {n});"

    def _pointer(self, ref: Ref, dtype: str) -> str:
        name = self.names[ref.buffer]
        return f"@ptrcast([*]{dtype}, &{name}[{ref.offset}])" if ref.offset else name

    def _number(self, argument: Argument) -> str:
        match argument:
            case Position(axis):
                return _position(axis)
            case Valid(axis, size, chunk):
                return f"valid({_position(axis)}, {size}, {chunk})"
            case Share(axis, size, count):
                return f"share({_position(axis)}, {size}, {count})"
            case Runtime(name):
                return name
            case Ref():
                raise TypeError("a number is needed")
            case int():
                return str(argument)
            case float():
                return f32_text(argument)

    def _exports(self) -> str:
        symbols = "".join(f'@export_symbol({self.names[b]}, "{self.names[b]}");' for b in self._kept())
        entries = "".join(f"@export_symbol({e.name});" for e in self.program.entries)
        return f'comptime {{ {symbols} @export_symbol(stamps_ptr, "stamps"); {entries} }}'

    # --- the layout ---

    def _layout(self) -> str:
        mesh = self.program.mesh
        imports = "".join(
            f"const {COLLECTIVE[axis]} = {params_import(line, axis, FIRST_COLOR[axis])};"
            for axis, line in self.lines.items()
        )
        places = "".join(f", .{c}_place = {c}.get_place(x, y)" for c in (COLLECTIVE[a] for a in self.lines))
        names = "".join(f'@export_name("{self.names[b]}", [*]{b.dtype}, true);' for b in self._kept())
        entries = "".join(_export_entry(e) for e in self.program.entries)
        return f"// {mesh.w} × {mesh.h} PEs, all with the same program.\n" + formatted(
            f"""param profile: bool = false;
            const memcpy = @import_module("<memcpy/get_params>", .{{
              .width = {mesh.w}, .height = {mesh.h} }});
            {imports}
            layout {{
              @set_rectangle({mesh.w}, {mesh.h});
              for (@range(u16, {mesh.w})) |x| {{
                for (@range(u16, {mesh.h})) |y| {{
                  @set_tile_code(x, y, "pe.csl", .{{
                    .memcpy_params = memcpy.get_params(x), .x = x, .y = y, .profile = profile{places} }});
                }}
              }}
              {names}
              @export_name("stamps", [*]u16, true);
              {entries}
            }}"""
        )


KIND_TITLES = {
    "weight": "Weights: tiles [input features][output features], or one number a feature.",
    "gradient": "Gradients.",
    "state": "What the optimiser keeps for each weight.",
    "cache": "Keys and values of earlier tokens.",
    "input": "Inputs, from the host.",
    "output": "Outputs, for the host.",
    "constant": "Constants of the model.",
}

HELPERS = (
    "\n// How many of this PE's `chunk` elements lie below `size`.\n"
    """fn valid(position: u16, size: u16, chunk: u16) u16 {
  const first = position * chunk;
  if (first >= size) {
    return 0;
  }
  return if (size - first < chunk) size - first else chunk;
}
""",
    "\n// How many of the positions 0 … size - 1 fall to this PE when they are dealt out over `count`.\n"
    """fn share(position: u16, size: u16, count: u16) u16 {
  if (position >= size) {
    return 0;
  }
  return (size - position + count - 1) / count;
}
""",
)


def formatted(text: str) -> str:
    """Declarations as the printer writes them."""
    return print_file(parse(Source("emitted.csl", text)))


def f32_text(number: float) -> str:
    """The shortest decimal that rounds to the same f32, or its definition where there is none."""
    text = str(np.float32(number))
    return text if any(c in text for c in ".en") else f"{text}.0"


def used_sources(*texts: str) -> dict[str, str]:
    """The kernel files that texts import, and those that these import."""
    sources = kernel_sources()
    found: dict[str, str] = {}
    left = list(texts)
    while left:
        for name in re.findall(r'@import_module\("(\w+\.csl)"', left.pop()):
            if name in sources and name not in found:
                found[name] = sources[name]
                left.append(sources[name])
    return found


def _phases(instructions: Sequence[Instruction]) -> Iterable[tuple[str, list[Instruction]]]:
    return [(phase, list(group)) for phase, group in groupby(instructions, key=lambda i: i.phase)]


def _position(axis: Axis) -> str:
    return "column_of_pe" if axis == "x" else "row_of_pe"


def _export_entry(entry: Entry) -> str:
    types = ", ".join(dtype for _, dtype in entry.arguments)
    return f'@export_name("{entry.name}", fn({types})void);'
