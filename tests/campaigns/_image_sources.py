"""Small programs whose images the campaign `images` mutates: together they use whatever an image can hold."""

from __future__ import annotations

from csl_kit import Sources

_MEMCPY = '@import_module("<memcpy/get_params>", .{ .width = %d, .height = %d });'

_PIPE_LAYOUT = f"""const memcpy = {_MEMCPY % (3, 1)}
const line = @get_color(5);
const turn = @get_color(6);
layout {{
  @set_rectangle(3, 1);
  for (@range(u16, 3)) |x| {{
    const name = if (x == 0) "left.csl" else if (x == 1) "middle.csl" else "right.csl";
    @set_tile_code(x, 0, name, .{{ .memcpy_params = memcpy.get_params(x), .scale = 2 * x + 1 }});
  }}
  @set_color_config(0, 0, line, .{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ EAST }} }} }});
  @set_color_config(1, 0, line, .{{
    .routes = .{{ .rx = .{{ WEST }}, .tx = .{{ RAMP }} }},
    .filter = .{{ .kind = .{{ .counter = true }}, .count_data = true, .init_counter = 0, .limit1 = 7,
                 .max_counter = 7 }} }});
  @set_color_config(1, 0, turn, .{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ EAST }} }} }});
  @set_color_config(2, 0, turn, .{{
    .routes = .{{ .rx = .{{ WEST }}, .tx = .{{ RAMP }} }},
    .switches = .{{ .pos1 = .{{ .tx = EAST }}, .ring_mode = true,
                   .pop_mode = .{{ .always_pop = true }} }} }});
  @export_name("run", fn(f32)void);
  @export_name("a", [*]f32, true);
}}
"""
_HEAD = """param memcpy_params;
param scale: u16;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const log = @import_module("<simprint>");
const line = @get_color(5);
const turn = @get_color(6);
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
var a align(16) = @zeros([8]f32);
var a_ptr: [*]f32 = &a;
const as = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{8} -> a[i] });
const done_id = @get_local_task_id(10);
"""
_LEFT = (
    _HEAD
    + """const out = @get_dsd(fabout_dsd, .{ .extent = 8, .fabric_color = line, .output_queue = oq });
fn run(start: f32) void {
  for (@range(i16, 8)) |i| { a[i] = start + @as(f32, i) * @as(f32, scale); }
  @fmovs(out, as, .{ .async = true, .activate = done });
}
task done() void { log.print_string("sent\\n"); sys.unblock_cmd_stream(); }
comptime {
  @bind_local_task(done, done_id);
  if (@is_arch("wse3")) { @initialize_queue(oq, .{ .color = line }); }
  @export_symbol(a_ptr, "a");
  @export_symbol(run);
}
"""
)
_MIDDLE = (
    _HEAD
    + """const in = @get_dsd(fabin_dsd, .{ .extent = 8, .fabric_color = line, .input_queue = iq });
const out = @get_dsd(fabout_dsd, .{ .extent = 8, .fabric_color = turn, .output_queue = oq });
var buffer align(16) = @zeros([4]f32);
const fifo = @allocate_fifo(buffer, .{ .activate_push = pushed, .activate_pop = popped });
var seen: u16 = 0;
task pushed() void { seen += 1; }
task popped() void { seen += 16; }
fn run(start: f32) void {
  @set_fifo_write_length(fifo, 8);
  @set_fifo_read_length(fifo, 8);
  @fmovs(fifo, in, .{ .async = true });
  @fadds(out, start, fifo, .{ .async = true, .activate = done });
}
const config = @import_module("<tile_config>");
task done() void {
  config.switch_config.set_current_switch_position(turn, 0);
  config.color_config.set_io_direction(turn, config.color_config.fabric_io.RX_RAMP);
  sys.unblock_cmd_stream();
}
comptime {
  @bind_local_task(done, done_id);
  @bind_local_task(pushed, @get_local_task_id(11));
  @bind_local_task(popped, @get_local_task_id(12));
  if (@is_arch("wse3")) {
    @initialize_queue(oq, .{ .color = turn });
    @initialize_queue(iq, .{ .color = line });
  }
  @export_symbol(a_ptr, "a");
  @export_symbol(run);
}
"""
)
_RIGHT = (
    _HEAD
    + """const take_id = if (@is_arch("wse3")) @get_data_task_id(iq) else @get_data_task_id(turn);
var count: i16 = 0;
fn run(start: f32) void { a[0] = start; }
task take(word: f32) void {
  a[count] += word;
  count += 1;
  if (count == 8) { log.print_f32(word); log.print_string(" last\\n"); sys.unblock_cmd_stream(); }
}
task finish() void { a[7] = 0.0; }
comptime {
  @bind_control_task(finish, @get_control_task_id(40));
  @bind_data_task(take, take_id);
  if (@is_arch("wse3")) { @initialize_queue(iq, .{ .color = turn }); }
  @export_symbol(a_ptr, "a");
  @export_symbol(run);
}
"""
)
PIPE = Sources({"layout.csl": _PIPE_LAYOUT, "left.csl": _LEFT, "middle.csl": _MIDDLE, "right.csl": _RIGHT})

_CODE_LAYOUT = f"""const memcpy = {_MEMCPY % (2, 2)}
layout {{
  @set_rectangle(2, 2);
  for (@range(u16, 2)) |x| {{
    for (@range(u16, 2)) |y| {{
      @set_tile_code(x, y, "pe.csl", .{{ .memcpy_params = memcpy.get_params(x),
                                        .table = @as(i16, x) - @as(i16, y) }});
    }}
  }}
  @export_name("work", fn(u16, f32)void);
  @export_name("x", [*]f32, true);
  @export_name("stamp", [*]u16, false);
}}
"""
_CODE = """param memcpy_params;
param table: i16;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const time = @import_module("<time>");
const math = @import_module("<math>");
const random = @import_module("<random>");
const n = 12;
const Pair = struct { first: i32, second: f16 };
var x align(16) = @zeros([n]f32);
var y align(16) = @zeros([n, 2]f16);
var x_ptr: [*]f32 = &x;
var stamp = @zeros([3]u16);
var stamp_ptr: [*]u16 = &stamp;
var pair = Pair { .first = 3, .second = 0.5 };
const xs = @get_dsd(mem1d_dsd, .{ .base_address = &x, .extent = n });
const ys = @get_dsd(mem4d_dsd, .{ .tensor_access = |i, j|{n, 2} -> y[i, j] });
const dest = @get_dsr(dsr_dest, 1);
const source = @get_dsr(dsr_src1, 2);
fn square(v: f32) f32 { return v * v + 0.25; }
fn clamp(value: i16, limit: i16) i16 {
  if (value > limit) { return limit; }
  return value;
}
fn work(count: u16, factor: f32) void {
  time.enable_tsc();
  for (@range(u16, count)) |i| {
    if (i >= n) { break; }
    x[i] += @as(f32, table * @as(i16, i % 2)) * factor + @as(f32, clamp(@as(i16, i), 7));
  }
  var left: u16 = count & 15;
  while (left > 0) : (left -= 1) { pair.first = pair.first ^ @as(i32, left << 2); }
  @fmuls(xs, xs, factor);
  @fmacs(xs, xs, xs, 0.5);
  @map(square, xs, xs);
  @faddh(ys, ys, pair.second);
  @load_to_dsr(dest, xs, .{ .save_address = true });
  @load_to_dsr(source, xs);
  @fadds(dest, 1.0, source);
  var total: f32 = 0.0;
  @fadds(&total, total, xs);
  x[0] = math.sqrt(total) + random.random_f32(0.0, 2.0);
  switch (count) {
    1 => pair.first += 1,
    2, 3 => pair.first /= @as(i32, count),
    else => pair.first -= 1
  }
  @assert(count < 1000);
  time.get_timestamp(&stamp);
  sys.unblock_cmd_stream();
}
comptime {
  @export_symbol(x_ptr, "x");
  @export_symbol(stamp_ptr, "stamp");
  @export_symbol(work);
}
"""
CODE = Sources({"layout.csl": _CODE_LAYOUT, "pe.csl": _CODE})

_STREAM_LAYOUT = """const incoming = @get_color(1);
const outgoing = @get_color(2);
const memcpy = @import_module("<memcpy/get_params>", .{
  .width = 2, .height = 1, .MEMCPYH2D_1 = incoming, .MEMCPYD2H_1 = outgoing });
layout {
  @set_rectangle(2, 1);
  for (@range(u16, 2)) |x| {
    @set_tile_code(x, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(x),
                                      .incoming = incoming, .outgoing = outgoing });
  }
  @export_name("run", fn()void);
}
"""
_STREAM = """param memcpy_params;
param incoming: color;
param outgoing: color;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
const in = @get_dsd(fabin_dsd, .{ .extent = 4, .fabric_color = incoming, .input_queue = iq });
const out = @get_dsd(fabout_dsd, .{ .extent = 4, .fabric_color = outgoing, .output_queue = oq });
const again_id = @get_local_task_id(14);
fn run() void { sys.unblock_cmd_stream(); }
task again() void { @add16(out, in, 7, .{ .async = true, .activate = again }); }
comptime {
  @bind_local_task(again, again_id);
  @activate(again_id);
  if (@is_arch("wse3")) {
    @initialize_queue(iq, .{ .color = incoming });
    @initialize_queue(oq, .{ .color = outgoing });
  }
  @export_symbol(run);
}
"""
STREAM = Sources({"layout.csl": _STREAM_LAYOUT, "pe.csl": _STREAM})

_SUM_LAYOUT = f"""const c2d = @import_module("<collectives_2d/params>");
const memcpy = {_MEMCPY % (2, 2)}
layout {{
  @set_rectangle(2, 2);
  for (@range(u16, 2)) |x| {{
    for (@range(u16, 2)) |y| {{
      const params = c2d.get_params(x, y, .{{
        .x_colors = .{{ @get_color(0), @get_color(1) }},
        .x_entrypoints = .{{ @get_local_task_id(15), @get_local_task_id(16) }} }});
      @set_tile_code(x, y, "pe.csl", .{{ .memcpy_params = memcpy.get_params(x), .line = params.x }});
    }}
  }}
  @export_name("data", [*]f32, true);
  @export_name("run", fn()void);
}}
"""
_SUM = """param memcpy_params;
param line;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const mpi = @import_module("<collectives_2d/pe>", .{ .dim_params = line });
var data = @zeros([4]f32);
var sums = @zeros([4]f32);
var data_ptr: [*]f32 = &data;
const done_id = @get_local_task_id(20);
task done() void { sys.unblock_cmd_stream(); }
fn run() void {
  mpi.init();
  mpi.reduce_fadds(0, &data, &sums, 4, done_id);
}
comptime {
  @bind_local_task(done, done_id);
  @export_symbol(data_ptr, "data");
  @export_symbol(run);
}
"""
SUM = Sources({"layout.csl": _SUM_LAYOUT, "pe.csl": _SUM})
