"""Copies that are longer than the array they name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from openwafer.csl import CompileOptions, compile_layout
from openwafer.diag import DiagnosticError, warn_once
from openwafer.host import MemcpyDataType, SdkRuntime
from openwafer.image import build, write

LAYOUT = """param fill: u16;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = 2, .height = 1 });
layout {
  @set_rectangle(2, 1);
  @set_tile_code(0, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(0), .n = 4 });
  @set_tile_code(1, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(1), .n = fill });
  @export_name("first", [*]f32, true);
  @export_name("tail", [*]f32, true);
  @export_name("halves", [*]i16, true);
  @export_name("turns", [*]f32, true);
  @export_name("one", *i32, true);
  @export_name("swap", fn()void);
}
"""
PE = """param memcpy_params;
param n: u16;
const memcpy = @import_module("<memcpy/memcpy>", memcpy_params);
var a = @zeros([n]f32);
var b = @zeros([n]f32);
var c = @zeros([n]i16);
var single: i32 = 0;
const first: [*]f32 = &a;
var tail: [*]f32 = @ptrcast([*]f32, &b[1]);
const halves: [*]i16 = &c;
const one: *i32 = &single;
var turns: [*]f32 = &a;
fn swap() void {
  turns = &b;
  memcpy.unblock_cmd_stream();
}
comptime {
  @export_symbol(first, "first");
  @export_symbol(tail, "tail");
  @export_symbol(halves, "halves");
  @export_symbol(turns, "turns");
  @export_symbol(one, "one");
  @export_symbol(swap);
}
"""
N16, N32 = MemcpyDataType.MEMCPY_16BIT, MemcpyDataType.MEMCPY_32BIT


def started(folder: Path, fill: int = 4) -> SdkRuntime:
    (folder / "layout.csl").write_text(LAYOUT)
    (folder / "pe.csl").write_text(PE)
    options = CompileOptions(arch="wse3", memcpy=True, params={"fill": str(fill)}, fabric_offsets=(4, 1))
    write(build(compile_layout(str(folder / "layout.csl"), options), "wse3"), folder / "out")
    runtime = SdkRuntime(folder / "out")
    runtime.load()
    runtime.run()
    return runtime


@pytest.mark.parametrize(
    ("name", "length", "kind", "fits"),
    [
        ("first", 4, N32, 4),
        ("tail", 3, N32, 3),
        ("halves", 4, N16, 4),
        ("halves", 2, N32, 2),
        ("one", 1, N32, 1),
    ],
)
@pytest.mark.parametrize("way", ["in", "out"])
def test_a_copy_may_fill_an_array_and_no_more(
    tmp_path: Path, name: str, length: int, kind: MemcpyDataType, fits: int, way: str
) -> None:
    runtime = started(tmp_path)
    copy = runtime.memcpy_h2d if way == "in" else runtime.memcpy_d2h

    def move(count: int) -> None:
        array, symbol = np.ones(2 * count, np.uint32), runtime.get_id(name)
        ends = (symbol, array) if way == "in" else (array, symbol)
        copy(*ends, 0, 0, 2, 1, count, data_type=kind)

    move(length)
    before = runtime.read_symbol(0, 0, "b", "f4")
    with pytest.raises(DiagnosticError) as caught:
        move(length + (1 if way == "in" else 2))
    (told,) = caught.value.diagnostics
    assert told.id == "memcpy-beyond-array"
    assert told.help == f"`elem_per_pe` can be {fits} at most"
    np.testing.assert_array_equal(runtime.read_symbol(0, 0, "b", "f4"), before)


def test_a_read_of_one_element_more_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runtime = started(tmp_path, fill=2)
    warn_once.cache_clear()
    symbol = runtime.get_id("first")
    runtime.memcpy_d2h(np.zeros(5, np.float32), symbol, 0, 0, 1, 1, 5)
    told = capsys.readouterr().err
    assert "warning[memcpy-beyond-array]: `first` has 16 bytes" in told


def test_the_shortest_array_of_the_rectangle_counts(tmp_path: Path) -> None:
    runtime = started(tmp_path, fill=2)
    symbol = runtime.get_id("first")
    runtime.memcpy_h2d(symbol, np.ones(4, np.float32), 0, 0, 1, 1, 4)
    with pytest.raises(DiagnosticError, match="memcpy-beyond-array"):
        runtime.memcpy_h2d(symbol, np.ones(8, np.float32), 0, 0, 2, 1, 4)


def test_a_pointer_that_the_program_moves_is_followed(tmp_path: Path) -> None:
    runtime = started(tmp_path)
    runtime.launch("swap", nonblock=False)
    runtime.memcpy_h2d(runtime.get_id("turns"), np.full(8, 3, np.float32), 0, 0, 2, 1, 4)
    assert list(runtime.read_symbol(1, 0, "b", "f4")) == [3] * 4
    assert list(runtime.read_symbol(1, 0, "a", "f4")) == [0] * 4
