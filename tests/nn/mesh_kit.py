"""Programs on a mesh with collectives along both axes, and their time stamps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csl_kit import Sources, execute, read, stamps, start
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.nn.kernels._collectives import Line, choose_line, module_import, params_import
from openwafer.nn.kernels._kernels import kernel_sources
from openwafer.sim import CopyIn, Launch

LAYOUT = """
const memcpy = @import_module("<memcpy/get_params>", .{ .width = %WIDTH%, .height = %HEIGHT% });
const row = %ROW%;
const column = %COLUMN%;
layout {
  @set_rectangle(%WIDTH%, %HEIGHT%);
  for (@range(u16, %WIDTH%)) |x| {
    for (@range(u16, %HEIGHT%)) |y| {
      @set_tile_code(x, y, "pe.csl", .{
        .memcpy_params = memcpy.get_params(x),
        .row_place = row.get_place(x, y),
        .column_place = column.get_place(x, y),
      });
    }
  }
%NAMES%
  @export_name("stamps", [*]u16, true);
  @export_name("run", fn()void);
}
"""
PE = """
param memcpy_params;
param row_place;
param column_place;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const time = @import_module("<time>");
const row = %ROW%;
const column = %COLUMN%;
%IMPORTS%
var stamps: [%STAMPS%]u16;
const stamps_ptr: [*]u16 = &stamps;
%ARRAYS%
fn stamp(i: u16) void {
  time.get_timestamp(@ptrcast(*[3]u16, &stamps[3 * i]));
}
fn run() void {
%BODY%
  sys.unblock_cmd_stream();
}
comptime {
%EXPORTS%
  @export_symbol(stamps_ptr, "stamps");
  @export_symbol(run);
}
"""


@dataclass(frozen=True, slots=True)
class Mesh:
    """`arrays` are name → (elements a PE, CSL type). `body` is CSL; `imports` are kernel modules."""

    lines: tuple[Line, Line]
    arrays: dict[str, tuple[int, str]]
    body: str
    imports: tuple[str, ...] = ()
    stamps: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Width, height."""
        return self.lines[0].length, self.lines[1].length

    def compile(self, directory: Path, arch: str) -> Image:
        directory.mkdir(exist_ok=True)
        row, column = self.lines
        layout = {
            "WIDTH": row.length,
            "HEIGHT": column.length,
            "ROW": params_import(row, "x", 0),
            "COLUMN": params_import(column, "y", 5),
            "NAMES": "\n".join(f'@export_name("{n}", [*]{t}, true);' for n, (_, t) in self.arrays.items()),
        }
        pe = {
            "ROW": module_import(row, "row_place"),
            "COLUMN": module_import(column, "column_place"),
            "IMPORTS": "\n".join(f'const {m} = @import_module("{m}.csl");' for m in self.imports),
            "STAMPS": 3 * self.stamps,
            "ARRAYS": "\n".join(self._declare(i, name) for i, name in enumerate(self.arrays)),
            "BODY": self.body,
            "EXPORTS": "\n".join(f'@export_symbol({n}, "{n}");' for n in self.arrays),
        }
        files = {"layout.csl": _fill(LAYOUT, layout), "pe.csl": _fill(PE, pe), **kernel_sources()}
        return Sources(files).compile(directory, arch)

    def _declare(self, number: int, name: str) -> str:
        """Neighbouring arrays start in different banks."""
        count, dtype = self.arrays[name]
        shift = (number % 2) * (2 if dtype.endswith("16") else 1)
        return (
            f"var {name}_data: [{count + shift}]{dtype} align(16);\n"
            f"const {name}: [*]{dtype} = @ptrcast([*]{dtype}, &{name}_data[{shift}]);"
        )


def _fill(template: str, values: dict[str, Any]) -> str:
    for key, value in values.items():
        template = template.replace(f"%{key}%", str(value))
    return template


def lines(arch: str, width: int, height: int, *counts: int) -> tuple[Line, Line]:
    """The lines that suit all-reduces of these many elements."""
    machine = load_machine(arch)
    return choose_line(machine, "x", width, counts), choose_line(machine, "y", height, counts)


@dataclass(frozen=True, slots=True)
class MeshRun:
    """Arrays `[y, x, element]` by name, and time stamps `[y, x, stamp]`."""

    arrays: dict[str, NDArray[Any]]
    stamps: NDArray[np.int64]


def run_mesh(mesh: Mesh, image: Image, inputs: dict[str, NDArray[Any]], engine: str = "fast") -> MeshRun:
    """Copies `inputs` in, launches `run`, and reads everything back."""
    machine = start(image, engine)
    width, height = mesh.shape
    for name, values in inputs.items():
        size = values.itemsize
        words = np.ascontiguousarray(values).reshape(height, width, -1).view(f"u{size}").astype(np.uint32)
        execute(machine, [CopyIn(name, 0, 0, words, size)])  # type: ignore[arg-type]
    execute(machine, [Launch("run")])
    arrays = {
        n: read(machine, n, width, height, c, f"f{int(t[1:]) // 8}") for n, (c, t) in mesh.arrays.items()
    }
    return MeshRun(arrays, stamps(machine, width, height, mesh.stamps))
