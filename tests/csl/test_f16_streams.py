"""Streams of 16-bit floats, in every SIMD mode, with arithmetic on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csl_kit import Sources, engines, read

LAYOUT = """const memcpy = @import_module("<memcpy/get_params>", .{ .width = 2, .height = 1 });
layout {
  @set_rectangle(2, 1);
  @set_tile_code(0, 0, "send.csl", .{ .memcpy_params = memcpy.get_params(0) });
  @set_tile_code(1, 0, "add.csl", .{ .memcpy_params = memcpy.get_params(1) });
  @set_color_config(0, 0, @get_color(1), .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } });
  @set_color_config(1, 0, @get_color(1), .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } });
  @export_name("sums", [*]f16, true);
  @export_name("run", fn()void);
}
"""
PE = """param memcpy_params;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const n = %(n)d;
const channel = @get_color(1);
const queue = @get_%(direction)s_queue(2);
const done_id = @get_local_task_id(10);
var sums align(16) = @zeros([n]f16);
var sums_ptr: [*]f16 = &sums;
const here = @get_dsd(mem1d_dsd, .{ .base_address = &sums, .extent = n });
const there = @get_dsd(%(kind)s_dsd, .{
  .extent = n, .fabric_color = channel, .%(direction)s_queue = queue%(mode)s });
task done() void { sys.unblock_cmd_stream(); }
fn run() void {
  for (@range(u16, n)) |i| { sums[i] = @as(f16, i) * %(factor)s; }
  %(operation)s
}
comptime {
  @bind_local_task(done, done_id);
  if (@is_arch("wse3")) { @initialize_queue(queue, .{ .color = channel }); }
  @export_symbol(sums_ptr, "sums");
  @export_symbol(run);
}
"""
MODES = {"none": "", "32": ", .simd_mode = .{ .simd_32 = true }", "64": ", .simd_mode = .{ .simd_64 = true }"}
SENDS = "@fmovh(there, here, .{ .async = true, .activate = done_id });"
ADDS = "@faddh(here, here, there, .{ .async = true, .activate = done_id });"


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [1, 10, 27])
def test_what_comes_is_added(n: int, mode: str, arch: str, tmp_path: Path) -> None:
    common = {"n": n, "mode": MODES[mode]}
    send = common | {"direction": "output", "kind": "fabout", "factor": "0.5", "operation": SENDS}
    add = common | {"direction": "input", "kind": "fabin", "factor": "2.0", "operation": ADDS}
    made = Sources({"layout.csl": LAYOUT, "send.csl": PE % send, "add.csl": PE % add}).compile(tmp_path, arch)
    for engine in engines(made):
        sums = read(engine, "sums", 2, 1, n, "u2").view(np.float16)[0]
        assert sums.tolist() == [(np.arange(n) * 0.5).tolist(), (np.arange(n) * 2.5).tolist()]
        assert engine.stats().wavelet_hops == (n if mode == "none" else -(-n // 2))
