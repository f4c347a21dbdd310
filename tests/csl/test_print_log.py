"""What a row of PEs prints of one multicast: the same lines, one hop apart (the shape of topic-13's log)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from csl_kit import Sources, engines
from openwafer.machine import load_machine

WIDTH, LENGTH = 4, 5
LAYOUT = f"""const memcpy = @import_module("<memcpy/get_params>", .{{ .width = {WIDTH}, .height = 1 }});
const along = @get_color(0);
layout {{
  @set_rectangle({WIDTH}, 1);
  for (@range(u16, {WIDTH})) |x| {{
    @set_tile_code(x, 0, if (x == 0) "sender.csl" else "receiver.csl", .{{
      .memcpy_params = memcpy.get_params(x), .along = along }});
    if (x == 0) {{
      @set_color_config(x, 0, along, .{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ EAST }} }} }});
    }} else if (x < {WIDTH} - 1) {{
      @set_color_config(x, 0, along, .{{ .routes = .{{ .rx = .{{ WEST }}, .tx = .{{ RAMP, EAST }} }} }});
    }} else {{
      @set_color_config(x, 0, along, .{{ .routes = .{{ .rx = .{{ WEST }}, .tx = .{{ RAMP }} }} }});
    }}
  }}
  @export_name("run", fn()void);
}}
"""
HEAD = """param memcpy_params;
param along: color;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const log = @import_module("<simprint>");
const place = @import_module("<layout>");
"""
SENDER = f"""const queue = @get_output_queue(2);
const sent_id = @get_local_task_id(10);
const words = [{LENGTH}]u32 {{ {", ".join(map(str, range(LENGTH)))} }};
const all = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{LENGTH}}} -> words[i] }});
const out = @get_dsd(fabout_dsd, .{{ .extent = {LENGTH}, .fabric_color = along, .output_queue = queue }});
fn run() void {{
  log.print_string("begin\\n");
  @mov32(out, all, .{{ .async = true, .activate = sent }});
}}
task sent() void {{
  log.print_string("sent\\n");
  sys.unblock_cmd_stream();
}}
comptime {{
  @bind_local_task(sent, sent_id);
  if (@is_arch("wse3")) {{ @initialize_queue(queue, .{{ .color = along }}); }}
  @export_symbol(run);
}}
"""
RECEIVER = f"""const queue = @get_input_queue(2);
const take_id = if (@is_arch("wse3")) @get_data_task_id(queue) else @get_data_task_id(along);
var sum: u32 = 0;
var left: u16 = {LENGTH};
fn run() void {{}}
task take(word: u32) void {{
  sum += 2 * word;
  log.print_string("sum ");
  log.print_u32_decimal(sum);
  log.print_string("\\n");
  left -= 1;
  if (left == 0) {{ sys.unblock_cmd_stream(); }}
}}
comptime {{
  @bind_data_task(take, take_id);
  if (@is_arch("wse3")) {{ @initialize_queue(queue, .{{ .color = along }}); }}
  @export_symbol(run);
}}
"""


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_receivers_print_the_same_one_hop_apart(arch: str, tmp_path: Path) -> None:
    sources = Sources({"layout.csl": LAYOUT, "sender.csl": HEAD + SENDER, "receiver.csl": HEAD + RECEIVER})
    hop = load_machine(arch).fabric.hop_cycles
    seen = []
    for engine in engines(sources.compile(tmp_path, arch)):
        lines = engine.printed()
        seen.append(lines)
        assert [line.text for line in lines if line.x == 0] == ["begin", "sent"]
        first = [line for line in lines if line.x == 1]
        assert [line.text for line in first] == [f"sum {i * (i + 1)}" for i in range(LENGTH)]
        periods = {b.cycle - a.cycle for a, b in pairwise(first)}
        assert len(periods) == 1 and periods.pop() > 3 * load_machine(arch).scalar.print_cycles
        for x in range(2, WIDTH):
            lines_of_x = [(line.cycle - (x - 1) * hop, line.text) for line in lines if line.x == x]
            assert lines_of_x == [(line.cycle, line.text) for line in first]
    assert seen[0] == seen[1]
