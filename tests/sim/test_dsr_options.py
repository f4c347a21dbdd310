"""What a DSR is loaded with, and what an operation on it says: microthread and priority."""

from __future__ import annotations

from pathlib import Path

import pytest

from csl_kit import ENGINES, Sources, engines, execute, read, start
from openwafer.diag import DiagnosticError
from openwafer.image import Image
from openwafer.sim import Launch

LAYOUT = """const memcpy = @import_module("<memcpy/get_params>", .{ .width = 1, .height = 1 });
layout {
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(0) });
  @export_name("result", [*]u32, true);
  @export_name("run", fn()void);
}
"""
PE = """param memcpy_params;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
var sent = @constants([64]u32, 7);
var result = @zeros([64]u32);
var pointer: [*]u32 = &result;
const from = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{64} -> sent[i] });
const into = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{64} -> result[i] });
comptime { @export_symbol(pointer, "result"); @export_symbol(run); }
"""
# The PE sends to itself; out and in have queues of the same number, so both operations want its microthread.
LOOP = """const loop = @get_color(2);
const oq = @get_output_queue(4);
const iq = @get_input_queue(4);
const wire = @get_dsr(dsr_dest, 3);
const coming = @get_dsd(fabin_dsd, .{ .extent = 64, .input_queue = iq });
const end = @get_local_task_id(12);
fn run() void {
  @mov32(wire, from, .{ .async = true$OPERATION$ });
  @mov32(into, coming, .{ .async = true, .activate = end });
}
task ended() void { sys.unblock_cmd_stream(); }
comptime {
  @set_local_color_config(loop, .{ .routes = .{ .rx = RAMP, .tx = RAMP } });
  @initialize_queue(oq, .{ .color = loop });
  @initialize_queue(iq, .{ .color = loop });
  @bind_local_task(ended, end);
  @load_to_dsr(wire, @get_dsd(fabout_dsd, .{ .extent = 64, .output_queue = oq }), .{ .async = true$LOAD$ });
}
"""


def loop(folder: Path, load: str, operation: str) -> Image:
    pe = PE + LOOP.replace("$LOAD$", load).replace("$OPERATION$", operation)
    return Sources({"layout.csl": LAYOUT, "pe.csl": pe}).compile(folder, "wse3")


def microthread(number: int) -> str:
    return f", .ut_id = @get_ut_id({number})"


@pytest.mark.parametrize(
    ("load", "operation"),
    [(microthread(1), ""), ("", microthread(1)), (microthread(4), microthread(1))],
    ids=["of the DSR", "of the operation", "of the operation before that of the DSR"],
)
def test_the_microthread_that_is_named_is_used(tmp_path: Path, load: str, operation: str) -> None:
    for engine in engines(loop(tmp_path, load, operation)):
        assert (read(engine, "result", 1, 1, 64) == 7).all()


@pytest.mark.parametrize("name", ENGINES)
def test_two_operations_on_one_microthread_hang(tmp_path: Path, name: str) -> None:
    engine = start(loop(tmp_path, microthread(4), ""), name)
    with pytest.raises(DiagnosticError) as caught:
        execute(engine, [Launch("run")])
        read(engine, "result", 1, 1, 64)
    assert caught.value.diagnostics[0].id == "deadlock"
    assert any("microthread" in note for note in caught.value.diagnostics[0].notes)


# Two streams into nothing; each says when it is done, by the order in which the tasks run.
RACE = """const end_a = @get_local_task_id(12);
const end_b = @get_local_task_id(13);
const a = @get_dsr(dsr_dest, 1);
const b = @get_dsr(dsr_dest, 2);
const x = @get_color(2);
const y = @get_color(3);
const to_x = @get_dsd(fabout_dsd, .{ .extent = 64, .fabric_color = x, .output_queue = @get_output_queue(2) });
const to_y = @get_dsd(fabout_dsd, .{ .extent = 64, .fabric_color = y, .output_queue = @get_output_queue(3) });
var done: u32 = 0;
fn run() void {
  @mov32(a, from, .{ .async = true$A$ });
  @mov32(b, from, .{ .async = true$B$ });
}
fn end(which: u32) void {
  result[@as(u16, done)] = which;
  done += 1;
  if (done == 2) { sys.unblock_cmd_stream(); }
}
task a_ended() void { end(1); }
task b_ended() void { end(2); }
comptime {
  @set_local_color_config(x, .{ .routes = .{ .rx = RAMP, .tx = .{} } });
  @set_local_color_config(y, .{ .routes = .{ .rx = RAMP, .tx = .{} } });
  @bind_local_task(a_ended, end_a);
  @bind_local_task(b_ended, end_b);
  @load_to_dsr(a, to_x, .{ .async = true, .activate = end_a$LOAD_A$ });
  @load_to_dsr(b, to_y, .{ .async = true, .activate = end_b });
}
"""
HIGH, MEDIUM, LOW = (f", .priority = .{{ .{name} = true }}" for name in ("high", "medium", "low"))


@pytest.mark.parametrize(
    ("load_a", "a", "b", "first"),
    [("", "", "", 1), ("", LOW, HIGH, 2), ("", "", HIGH, 2), (HIGH, "", HIGH, 1), (HIGH, MEDIUM, HIGH, 2)],
)
def test_the_priority_of_an_operation_is_that_of_its_dsr(
    tmp_path: Path, load_a: str, a: str, b: str, first: int
) -> None:
    pe = PE + RACE.replace("$LOAD_A$", load_a).replace("$A$", a).replace("$B$", b)
    image = Sources({"layout.csl": LAYOUT, "pe.csl": pe}).compile(tmp_path, "wse2")
    for engine in engines(image):
        assert read(engine, "result", 1, 1, 2).tolist() == [[[first, 3 - first]]]


UNBOUND = """const wire = @get_dsr(dsr_src1, 1);
fn run() void { @mov32(into, wire); }
comptime { @load_to_dsr(wire, @get_dsd(fabin_dsd, .{ .extent = 1, .input_queue = @get_input_queue(5) })); }
"""


@pytest.mark.parametrize("name", ENGINES)
def test_a_queue_that_was_never_initialized_is_named(tmp_path: Path, name: str) -> None:
    image = Sources({"layout.csl": LAYOUT, "pe.csl": PE + UNBOUND}).compile(tmp_path, "wse3")
    engine = start(image, name)
    with pytest.raises(DiagnosticError) as caught:
        execute(engine, [Launch("run")])
        read(engine, "result", 1, 1, 1)
    told = " ".join([caught.value.diagnostics[0].message, *caught.value.diagnostics[0].notes])
    assert "input queue 5" in told and "queue -1" not in told
