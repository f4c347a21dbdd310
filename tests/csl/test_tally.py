"""`<kernels/tally>`: what the last PE reports, by shape of the rectangle, phase and way to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csl_kit import ENGINES, Sources, execute, read, start
from openwafer.sim import CopyIn, Launch

LAYOUT = """param width: u16;
param height: u16;
param goal: u32;
param calls_back: u16;
const out = @get_color(0);
const memcpy = @import_module("<memcpy/get_params>", .{ .width = width, .height = height + 1 });
const tally = @import_module("<kernels/tally/layout>", .{
  .kernel_width = width, .kernel_height = height, .phase2_tally = goal,
  .colors = [3]color { @get_color(1), @get_color(2), @get_color(3) }, .output_color = out });
layout {
  @set_rectangle(width, height + 1);
  for (@range(u16, width)) |x| {
    @set_tile_code(x, 0, "north.csl", .{ .memcpy_params = memcpy.get_params(x), .total = out });
    for (@range(u16, height)) |y| {
      @set_tile_code(x, y + 1, "pe.csl", .{ .memcpy_params = memcpy.get_params(x), .calls_back = calls_back,
                                            .tally_params = tally.get_params(x, y) });
    }
  }
  @export_name("plan", [*]u32, true);
  @export_name("result", [*]u32, true);
  @export_name("run", fn()void);
}
"""
"""The kernel is below a row of PEs that take the output color."""

NORTH = """param memcpy_params;
param total: color;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const queue = @get_input_queue(2);
var plan = @zeros([4]u32);
var result = @zeros([2]u32);
var plan_ptr: [*]u32 = &plan;
var result_ptr: [*]u32 = &result;
task take(amount: u32) void {
  result[0] += 1;
  result[1] = amount;
}
fn run() void { sys_mod.unblock_cmd_stream(); }
comptime {
  @set_local_color_config(total, .{ .routes = .{ .rx = .{ SOUTH }, .tx = .{ RAMP } } });
  if (@is_arch("wse3")) { @initialize_queue(queue, .{ .color = total }); }
  @bind_data_task(take, @get_data_task_id(if (@is_arch("wse3")) queue else total));
  @export_symbol(plan_ptr, "plan");
  @export_symbol(result_ptr, "result");
  @export_symbol(run);
}
"""

PE = """param memcpy_params;
param tally_params;
param calls_back: u16;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const ended_id = @get_local_task_id(20);
const queues = .{ .input_queues = [2]u16 { 2, 3 }, .output_queues = [2]u16 { 4, 5 } };
IMPORT
// Counts before the signal, number of signals, counts behind the first, each of this size.
var plan = @zeros([4]u32);
var result = @zeros([2]u32);
var plan_ptr: [*]u32 = &plan;
var result_ptr: [*]u32 = &result;

task ended() void {
  result[0] += 1;
  result[1] = tally.local_tally;
}

fn run() void {
  for (@range(u32, plan[0])) |i| { tally.bump_tally(plan[3]); }
  for (@range(u32, plan[1])) |i| { tally.signal_completion(); }
  for (@range(u32, plan[2])) |i| { tally.bump_tally(plan[3]); }
  sys_mod.unblock_cmd_stream();
}

comptime {
  @bind_local_task(ended, ended_id);
  @export_symbol(plan_ptr, "plan");
  @export_symbol(result_ptr, "result");
  @export_symbol(run);
}
"""

ONE_PARAMETER = """const tally = if (calls_back == 0)
  @import_module("<kernels/tally/pe>", .{ .tally_params = tally_params,
    .input_queues = queues.input_queues, .output_queues = queues.output_queues })
else
  @import_module("<kernels/tally/pe>", .{ .tally_params = tally_params, .callback = ended_id,
    .input_queues = queues.input_queues, .output_queues = queues.output_queues });
"""
CONCATENATED = """const end = if (calls_back == 0) .{} else .{ .callback = ended_id };
const all = @concat_structs(tally_params, @concat_structs(queues, end));
const tally = @import_module("<kernels/tally/pe>", all);
"""


def run_tally(
    folder: Path, arch: str, plan: np.ndarray, goal: int, calls_back: bool, imported: str
) -> np.ndarray:
    """`result` of all PEs, the row to the north first: how often the end was told, and with which total."""
    height, width, _ = plan.shape
    sources = Sources({"layout.csl": LAYOUT, "north.csl": NORTH, "pe.csl": PE.replace("IMPORT", imported)})
    image = sources.compile(folder, arch, width=width, height=height, goal=goal, calls_back=int(calls_back))
    ends: set[int] = set()
    results: list[np.ndarray] = []
    for name in ENGINES:
        engine = start(image, name)
        execute(engine, [CopyIn("plan", 0, 1, plan, 4), Launch("run")])
        ends.add(engine.now)
        results.append(read(engine, "result", width, height + 1, 2))
    assert len(ends) == 1
    np.testing.assert_array_equal(results[0], results[1])
    return results[0]


def plan_of(width: int, height: int, seed: int) -> np.ndarray:
    """Random counts; all PEs signal once or twice."""
    random = np.random.default_rng(seed)
    shape = (height, width)
    parts = [random.integers(0, 4, shape), random.integers(1, 3, shape), random.integers(0, 4, shape)]
    return np.stack([*parts, random.integers(1, 1000, shape)], axis=-1).astype(np.uint32)


def total_of(plan: np.ndarray) -> int:
    return int(((plan[..., 0] + plan[..., 2]) * plan[..., 3]).sum())


def reported(width: int, height: int, calls_back: bool, total: int) -> np.ndarray:
    """The end is told once: to the PE in the north of the last column, or to the last PE itself."""
    result = np.zeros((height + 1, width, 2), np.uint32)
    result[1 if calls_back else 0, width - 1] = 1, total
    return result


SHAPES = [("wse2", 4, 3), ("wse3", 3, 4), ("wse2", 1, 3), ("wse3", 5, 1), ("wse3", 1, 1), ("wse2", 2, 2)]


@pytest.mark.parametrize("calls_back", [False, True])
@pytest.mark.parametrize(("arch", "width", "height"), SHAPES)
def test_total_of_the_second_phase(
    tmp_path: Path, arch: str, width: int, height: int, calls_back: bool
) -> None:
    plan = plan_of(width, height, 10 * width + height)
    plan[0, 0, 0] = 1
    total = total_of(plan)
    result = run_tally(tmp_path, arch, plan, total, calls_back, ONE_PARAMETER)
    np.testing.assert_array_equal(result, reported(width, height, calls_back, total))


@pytest.mark.parametrize("calls_back", [False, True])
@pytest.mark.parametrize(("arch", "width", "height"), SHAPES[:2])
def test_without_second_phase_counts_are_not_reported(
    tmp_path: Path, arch: str, width: int, height: int, calls_back: bool
) -> None:
    plan = plan_of(width, height, 7)
    assert total_of(plan) > 0
    result = run_tally(tmp_path, arch, plan, 0, calls_back, CONCATENATED)
    np.testing.assert_array_equal(result, reported(width, height, calls_back, 0))


@pytest.mark.parametrize(("x", "y"), [(0, 2), (3, 0), (3, 2), (1, 1)])
def test_one_pe_without_a_signal_holds_the_end_back(tmp_path: Path, x: int, y: int) -> None:
    plan = plan_of(4, 3, 5)
    plan[y, x, 1] = 0
    result = run_tally(tmp_path, "wse3", plan, 1, False, ONE_PARAMETER)
    assert not result.any()


def test_total_below_the_goal_is_not_reported(tmp_path: Path) -> None:
    plan = plan_of(3, 2, 6)
    result = run_tally(tmp_path, "wse2", plan, total_of(plan) + 1, True, CONCATENATED)
    assert not result.any()


def test_total_may_exceed_the_goal_and_is_reported_once(tmp_path: Path) -> None:
    plan = plan_of(3, 3, 8)
    total = total_of(plan)
    result = run_tally(tmp_path, "wse3", plan, total // 2, False, ONE_PARAMETER)
    count, told = result[0, 2]
    assert count == 1
    assert total // 2 <= told <= total
