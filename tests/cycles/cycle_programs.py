"""CSL programs whose cycles have a closed form."""

from __future__ import annotations

from csl_kit import Sources

LAYOUT = """
param width: u16;
param n: u16;
param far: u16;
const line: color = @get_color(0);
const back: color = @get_color(1);
const memcpy = @import_module("<memcpy/get_params>", .{ .width = width, .height = 1 });
layout {
  @set_rectangle(width, 1);
  for (@range(u16, width)) |x| {
    const even = x % 2 == 0;
    @set_tile_code(x, 0, "pe.csl", .{
      .memcpy_params = memcpy.get_params(x), .n = n, .x = x, .far = far, .line = line,
      .send = if (even) line else back, .receive = if (even) back else line, .width = width });
    %ROUTES%
  }
  @export_name("stamps", [*]u16, true);
  @export_name("y", [*]f32, true);
  @export_name("run", fn()void);
}
"""

HEAD = """
param memcpy_params;
param n: u16;
param x: u16;
param far: u16;
param width: u16;
param line: color;
param send: color;
param receive: color;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const time = @import_module("<time>");
const done_id = @get_local_task_id(10);
const next_id = @get_local_task_id(11);
var stamps: [12]u16;
const stamps_ptr: [*]u16 = &stamps;
fn stamp(i: u16) void {
  time.get_timestamp(@ptrcast(*[3]u16, &stamps[3 * i]));
}
"""

TAIL = """
comptime {
  @export_symbol(stamps_ptr, "stamps");
  @export_symbol(y_ptr, "y");
  @export_symbol(run);
}
"""

QUEUES = """
const oq = @get_output_queue(2);
const iq = @get_input_queue(2);
comptime {
  if (@is_arch("wse3")) {
    @initialize_queue(oq, .{ .color = %OUT% });
    @initialize_queue(iq, .{ .color = %IN% });
  }
}
"""

NO_ROUTES = ""
ALONG = """
    const first = x == 0;
    @set_color_config(x, 0, line, .{ .routes = .{
      .rx = .{if (first) RAMP else WEST}, .tx = .{if (x == far) RAMP else EAST} } });
"""
NEIGHBORS = """
    if (x != width - 1) {
      @set_color_config(x, 0, if (even) line else back, .{ .routes = .{ .rx = .{RAMP}, .tx = .{EAST} } });
    }
    if (x != 0) {
      @set_color_config(x, 0, if (even) back else line, .{ .routes = .{ .rx = .{WEST}, .tx = .{RAMP} } });
    }
"""


def program(body: str, routes: str = NO_ROUTES, queues: tuple[str, str] | None = None) -> Sources:
    """A layout of one row with `body` as the code of every PE; `queues` are the colors of its queues."""
    extra = "" if queues is None else QUEUES.replace("%OUT%", queues[0]).replace("%IN%", queues[1])
    layout = LAYOUT.replace("%ROUTES%", routes)
    return Sources({"layout.csl": layout, "pe.csl": HEAD + extra + body + TAIL})


ON_MEMORY = """
var a: [n + 4]f32 align(16);
var b: [n + 4]f32 align(16);
var y: [n + 4]f32 align(16);
const y_ptr: [*]f32 = &y;
const d = @get_dsd(mem1d_dsd, .{ .base_address = &y, .extent = n });
const s0 = @get_dsd(mem1d_dsd, .{ .base_address = &a, .extent = n });
const s1 = @get_dsd(mem1d_dsd, .{ .base_address = %B%, .extent = n %STRIDE% });
fn run() void {
  stamp(0);
  stamp(1);
  @fmuls(d, s0, s1);
  stamp(2);
  sys.unblock_cmd_stream();
}
"""

SCALAR_LOOP = """
var a: [64]f32;
var y: [64]f32;
const y_ptr: [*]f32 = &y;
var factor: f32 = 3.0;
fn axpy(k: f32) void {
  for (@range(u16, n)) |i| {
    y[i] += k * a[i];
  }
}
fn run() void {
  stamp(0);
  axpy(factor);
  stamp(1);
  sys.unblock_cmd_stream();
}
"""

STREAM = """
var y: [64]f32;
const y_ptr: [*]f32 = &y;
const y_dsd = @get_dsd(mem1d_dsd, .{ .base_address = &y, .extent = n });
fn run() void {
  stamp(0);
  if (x == 0) {
    const out = @get_dsd(fabout_dsd, .{ .extent = n, .fabric_color = line, .output_queue = oq });
    @fmovs(out, y_dsd, .{ .async = true, .activate = done_id });
  } else if (x == far) {
    const in = @get_dsd(fabin_dsd, .{ .extent = n, .fabric_color = line, .input_queue = iq });
    @fmovs(y_dsd, in, .{ .async = true, .activate = done_id });
  } else {
    sys.unblock_cmd_stream();
  }
}
task done() void {
  stamp(1);
  sys.unblock_cmd_stream();
}
comptime {
  @bind_local_task(done, done_id);
}
"""

CHAIN = """
const west = @get_input_queue(3);
const east = @get_output_queue(3);
comptime {
  if (@is_arch("wse3")) {
    @initialize_queue(east, .{ .color = send });
    @initialize_queue(west, .{ .color = receive });
  }
}
var y: [128]f32;
const y_ptr: [*]f32 = &y;
const y_dsd = @get_dsd(mem1d_dsd, .{ .base_address = &y, .extent = n });
fn run() void {
  for (@range(u16, n)) |i| {
    y[i] = 1.0;
  }
  stamp(0);
  const out = @get_dsd(fabout_dsd, .{ .extent = n, .fabric_color = send, .output_queue = east });
  const in = @get_dsd(fabin_dsd, .{ .extent = n, .fabric_color = receive, .input_queue = west });
  if (x == 0) {
    @fmovs(out, y_dsd, .{ .async = true, .activate = done_id });
  } else if (x == width - 1) {
    @fadds(y_dsd, y_dsd, in, .{ .async = true, .activate = done_id });
  } else {
    @fadds(out, y_dsd, in, .{ .async = true, .activate = done_id });
  }
}
task done() void {
  stamp(1);
  sys.unblock_cmd_stream();
}
comptime {
  @bind_local_task(done, done_id);
}
"""

RELAY = """
const west = @get_input_queue(3);
const east = @get_output_queue(3);
comptime {
  if (@is_arch("wse3")) {
    @initialize_queue(east, .{ .color = send });
    @initialize_queue(west, .{ .color = receive });
  }
}
var y: [128]f32;
const y_ptr: [*]f32 = &y;
const y_dsd = @get_dsd(mem1d_dsd, .{ .base_address = &y, .extent = n });
inline fn pass() void {
  const out = @get_dsd(fabout_dsd, .{ .extent = n, .fabric_color = send, .output_queue = east });
  @fmovs(out, y_dsd, .{ .async = true, .activate = done_id });
}
fn run() void {
  stamp(0);
  if (x == 0) {
    pass();
  } else {
    const in = @get_dsd(fabin_dsd, .{ .extent = n, .fabric_color = receive, .input_queue = west });
    @fmovs(y_dsd, in, .{ .async = true, .activate = next_id });
  }
}
task next() void {
  if (x == width - 1) {
    stamp(1);
    sys.unblock_cmd_stream();
  } else {
    pass();
  }
}
task done() void {
  sys.unblock_cmd_stream();
}
comptime {
  @bind_local_task(done, done_id);
  @bind_local_task(next, next_id);
}
"""
