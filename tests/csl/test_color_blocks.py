"""What differs from PE to PE and is no reason to compile the code again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csl_kit import Sources, engines, read
from openwafer.csl import CompileOptions, compile_layout

LAYOUT = """
const memcpy = @import_module("<memcpy/get_params>", .{ .width = 3, .height = 2 });
layout {
  @set_rectangle(3, 2);
  for (@range(u16, 3)) |x| {
    const c = if (x == 0) @get_color(3) else if (x == 1) @get_color(4) else @get_color(5);
    for (@range(u16, 2)) |y| {
      @set_tile_code(x, y, "pe.csl", .{ .memcpy_params = memcpy.get_params(x), .c = c,
        .to = if (x == 0) EAST else if (x == 1) WEST else NORTH, .weight = if (y == 0) 7 else 9 });
      @set_color_config(x, y, c, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ RAMP } } });
    }
  }
  @export_name("seen", [*]u16, true);
  @export_name("run", fn () void);
}
"""
BLOCK = """
param memcpy_params; param c: color; param to: direction; param weight: i16;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
var seen = @zeros([2]u16);
var pointer: [*]u16 = &seen;
const out = @get_dsd(fabout_dsd, .{ .extent = 1, .fabric_color = c, .output_queue = @get_output_queue(2) });
const in = @get_dsd(fabin_dsd, .{ .extent = 1, .fabric_color = c, .input_queue = @get_input_queue(2) });
const cell = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{1} -> seen[i] });
fn run() void {
  @mov16(out, @as(u16, 40 + weight));
  @mov16(cell, in);
  sys.unblock_cmd_stream();
}
comptime { @block(c); @export_symbol(pointer, "seen"); @export_symbol(run); }
"""
ROUTES = """
param memcpy_params; param c: color; param to: direction; param weight: i16;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const color_config = @import_module("<tile_config>").color_config;
var seen = @zeros([2]u16);
var pointer: [*]u16 = &seen;
fn run() void {
  color_config.reset_routes(c, .{ .rx = RAMP, .tx = to });
  seen[0] = @get_config(color_config.get_color_config_addr(c));
  sys.unblock_cmd_stream();
}
comptime { @export_symbol(pointer, "seen"); @export_symbol(run); }
"""


def programs(folder: Path, arch: str) -> int:
    options = CompileOptions(arch=arch, memcpy=True)
    return len(compile_layout(str(folder / "layout.csl"), options).programs)


def test_a_blocked_color_that_differs(tmp_path: Path) -> None:
    image = Sources({"layout.csl": LAYOUT, "pe.csl": BLOCK}).compile(tmp_path, "wse2")
    assert {p.blocked for p in image.layout.programs} == {(3,), (4,), (5,)}
    assert len({p.functions for p in image.layout.programs}) == 1
    for engine in engines(image):
        assert read(engine, "seen", 3, 2, 1, "u2")[..., 0].tolist() == [[47] * 3, [49] * 3]


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_routes_that_differ_are_cells(tmp_path: Path, arch: str) -> None:
    """One program: the directions that code writes into registers lie in cells."""
    image = Sources({"layout.csl": LAYOUT, "pe.csl": ROUTES}).compile(tmp_path, arch)
    assert programs(tmp_path, arch) == 1
    ramp, west, east, north = 1 << 9, 1, 2, 8
    for engine in engines(image):
        seen = read(engine, "seen", 3, 2, 1, "u2")[..., 0]
        assert np.array_equal(seen, [[ramp | east, ramp | west, ramp | north]] * 2)
