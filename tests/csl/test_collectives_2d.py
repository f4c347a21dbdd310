"""`<collectives_2d>`: sequences of operations with changing roots, along rows and columns, against NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csl_kit import ENGINES, Sources, execute, read, start
from openwafer.sim import CopyIn, Launch

COUNT, STEPS = 3, 6
BROADCAST, SCATTER, GATHER, REDUCE = range(4)

LAYOUT = """param width: u16;
param height: u16;
param axis: u16;
const c2d = @import_module("<collectives_2d/params>");
const memcpy = @import_module("<memcpy/get_params>", .{ .width = width, .height = height });
layout {
  @set_rectangle(width, height);
  for (@range(u16, width)) |x| {
    for (@range(u16, height)) |y| {
      const params = if (axis == 0)
        c2d.get_params(x, y, .{ .x_colors = .{ @get_color(0), @get_color(1) },
                                .x_entrypoints = .{ @get_local_task_id(10), @get_local_task_id(11) } })
      else
        c2d.get_params(x, y, .{ .y_colors = .{ @get_color(4), @get_color(5) },
                                .y_entrypoints = .{ @get_local_task_id(12), @get_local_task_id(13) } });
      @set_tile_code(x, y, "pe.csl", .{ .memcpy_params = memcpy.get_params(x), .axis = axis,
                                        .dim_params = if (axis == 0) params.x else params.y });
    }
  }
  @export_name("plan", [*]u16, true);
  @export_name("data", [*]f32, true);
  @export_name("result", [*]f32, true);
  @export_name("run", fn()void);
}
"""

PE = f"""param memcpy_params;
param dim_params;
param axis: u16;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const mpi = @import_module("<collectives_2d/pe>", .{{ .dim_params = dim_params }});
const n: u16 = if (axis == 0) @get_rectangle().width else @get_rectangle().height;
const m: u16 = {COUNT};
var plan = @zeros([{2 * STEPS}]u16);
var data = @zeros([n * m]f32);
var result = @zeros([{STEPS} * n * m]f32);
var plan_ptr: [*]u16 = &plan;
var data_ptr: [*]f32 = &data;
var result_ptr: [*]f32 = &result;
var step: u16 = 0;
const next_id = @get_local_task_id(20);

task next() void {{
  if (step == {STEPS}) {{
    sys_mod.unblock_cmd_stream();
    return;
  }}
  const kind = plan[2 * step];
  const root = plan[2 * step + 1];
  const to = @ptrcast([*]f32, &result[step * n * m]);
  step += 1;
  const from = @ptrcast([*]u32, &data);
  switch (kind) {{
    {BROADCAST} => {{
      if (mpi.pe_id == root) {{
        for (@range(u16, m)) |i| {{ to[i] = data[i]; }}
      }}
      mpi.broadcast(root, @ptrcast([*]u32, to), m, next_id);
    }},
    {SCATTER} => mpi.scatter(root, from, @ptrcast([*]u32, to), m, next_id),
    {GATHER} => mpi.gather(root, from, @ptrcast([*]u32, to), m, next_id),
    else => mpi.reduce_fadds(root, &data, to, m, next_id)
  }}
}}

fn run() void {{
  mpi.init();
  @activate(next_id);
}}

comptime {{
  @bind_local_task(next, next_id);
  @export_symbol(plan_ptr, "plan");
  @export_symbol(data_ptr, "data");
  @export_symbol(result_ptr, "result");
  @export_symbol(run);
}}
"""


def expected(data: np.ndarray, kind: int, root: int) -> np.ndarray:
    """What each PE of a line holds afterwards, `[pe, word]`; words that nobody promises are NaN."""
    n = len(data)
    result = np.full_like(data, np.nan)
    match kind:
        case 0:
            result[:, :COUNT] = data[root, :COUNT]
        case 1:
            result[:, :COUNT] = data[root].reshape(n, COUNT)
        case 2:
            result[root] = data[:, :COUNT].ravel()
        case _:
            result[root, :COUNT] = data[:, :COUNT].sum(0)
    return result


@pytest.mark.parametrize(
    ("arch", "axis", "width", "height", "seed"),
    [("wse2", 0, 5, 2, 1), ("wse3", 0, 4, 1, 2), ("wse3", 1, 2, 5, 3), ("wse2", 1, 1, 3, 4),
     ("wse3", 0, 1, 1, 5)],
)  # fmt: skip
def test_operations_in_sequence(
    tmp_path: Path, arch: str, axis: int, width: int, height: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    n = width if axis == 0 else height
    plan = np.array([(random.integers(4), random.integers(n)) for _ in range(STEPS)], np.uint32).ravel()
    data = random.integers(-100, 100, (height, width, n * COUNT)).astype(np.float32)
    image = Sources({"layout.csl": LAYOUT, "pe.csl": PE}).compile(
        tmp_path, arch, width=width, height=height, axis=axis
    )
    everywhere = np.broadcast_to(plan, (height, width, len(plan))).copy()
    ends: set[int] = set()
    for name in ENGINES:
        engine = start(image, name)
        commands = [CopyIn("plan", 0, 0, everywhere, 2), CopyIn("data", 0, 0, data.view(np.uint32), 4)]
        execute(engine, [*commands, Launch("run")])
        ends.add(engine.now)
        _check(read(engine, "result", width, height, STEPS * n * COUNT, "f4"), data, plan, axis)
    assert len(ends) == 1


def _check(result: np.ndarray, data: np.ndarray, plan: np.ndarray, axis: int) -> None:
    lines = result if axis == 0 else result.transpose(1, 0, 2)
    inputs = data if axis == 0 else data.transpose(1, 0, 2)
    for line, own in zip(lines, inputs, strict=True):
        found = line.reshape(len(own), STEPS, -1)
        for step, (kind, root) in enumerate(plan.reshape(STEPS, 2)):
            wanted = expected(own, int(kind), int(root))
            known = ~np.isnan(wanted)
            np.testing.assert_array_equal(found[:, step][known], wanted[known], f"step {step} of {plan}")
