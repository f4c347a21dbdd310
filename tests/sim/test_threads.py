"""Any number of threads gives the same results, errors and cycles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from engine_cases import Case, outcome
from test_engines_agree import CASES

from csl_kit import Sources, execute, read, start
from openwafer import tir
from openwafer.diag import DiagnosticError
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim import Launch
from openwafer.sim.fast import _engine, _load
from openwafer.sim.fast._engine import FastEngine
from openwafer.sim.fast._pace import RETRY_ROUNDS, Pace
from tir_kit import Kit, binary, image, u16

COLUMN = Sources(
    {
        "layout.csl": """
param width: u16;
param height: u16;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = width, .height = height });
const down = [2]color { @get_color(1), @get_color(2) };
const right = [2]color { @get_color(3), @get_color(4) };
layout {
  @set_rectangle(width, height);
  for (@range(u16, width)) |x| {
    for (@range(u16, height)) |y| {
      @set_tile_code(x, y, "pe.csl", .{
        .memcpy_params = memcpy.get_params(x), .x = x, .y = y,
        .is_top = y == 0, .is_bottom = y == height - 1,
        .send = down[y % 2], .receive = down[(y + 1) % 2],
      });
      if (y != height - 1) {
        @set_color_config(x, y, down[y % 2], .{ .routes = .{ .rx = .{RAMP}, .tx = .{SOUTH} } });
      }
      if (y != 0) {
        @set_color_config(x, y, down[(y + 1) % 2], .{ .routes = .{ .rx = .{NORTH}, .tx = .{RAMP} } });
      }
    }
  }
  @export_name("y", [*]u32, true);
  @export_name("run", fn()void);
}
""",
        "pe.csl": """
param memcpy_params;
param x: u16;
param y: u16;
param is_top: bool;
param is_bottom: bool;
param send: color;
param receive: color;
const n = 40;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const out_queue = @get_output_queue(2);
const in_queue = @get_input_queue(3);
const sent_id = @get_local_task_id(10);
const received_id = @get_local_task_id(11);
var mine = @zeros([n]u32);
var got = @zeros([n]u32);
var got_ptr: [*]u32 = &got;
var open: u16 = 2;
const mine_dsd = @get_dsd(mem1d_dsd, .{ .base_address = &mine, .extent = n });
const got_dsd = @get_dsd(mem1d_dsd, .{ .base_address = &got, .extent = n });
fn run() void {
  for (@range(u16, n)) |i| {
    mine[i] = @as(u32, x) * 65536 + @as(u32, y) * 256 + @as(u32, i) * ((@as(u32, x) + y) % 3);
  }
  if (is_bottom) {
    @activate(sent_id);
  } else {
    const out = @get_dsd(fabout_dsd, .{ .extent = n, .fabric_color = send, .output_queue = out_queue });
    @mov32(out, mine_dsd, .{ .async = true, .activate = sent_id });
  }
  if (is_top) {
    @activate(received_id);
  } else {
    const in = @get_dsd(fabin_dsd, .{ .extent = n, .fabric_color = receive, .input_queue = in_queue });
    @mov32(got_dsd, in, .{ .async = true, .activate = received_id });
  }
}
fn half_done() void {
  open -= 1;
  if (open == 0) { sys.unblock_cmd_stream(); }
}
task sent() void { half_done(); }
task received() void { half_done(); }
comptime {
  @bind_local_task(sent, sent_id);
  @bind_local_task(received, received_id);
  if (@is_arch("wse3")) {
    if (!is_bottom) { @initialize_queue(out_queue, .{ .color = send }); }
    if (!is_top) { @initialize_queue(in_queue, .{ .color = receive }); }
  }
  @export_symbol(got_ptr, "y");
  @export_symbol(run);
}
""",
    }
)


SEVERAL_ROWS = [case for case in CASES if case.build().layout.height > 1]
"""The programs that can be cut into parts."""


class Always(Pace):
    """Calls helpers in every round."""

    def calls_helpers(self, items: int, wide_items: int) -> bool:
        return True


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parts of a single row, served together even when there is one item."""
    monkeypatch.setattr(_load, "PART_ROWS", 1)
    monkeypatch.setattr(_load, "WIDE_ITEMS", 1)
    monkeypatch.setattr(_engine, "Pace", Always)
    yield


def fault_image(rows: tuple[int, ...]) -> Image:
    """Six rows; the PEs of some divide by zero in the same cycle."""
    kit = Kit()
    x = kit.symbol("x", 8)
    kit.params = ["u16"]
    kit.function([tir.Store(x, binary("div", u16(1), tir.Param("u16", 0)))], export="go")
    program = kit.build()
    return image([[program]] * 6, cells={(0, y): [int(y not in rows)] for y in range(6)})


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("case", SEVERAL_ROWS, ids=lambda case: case.name)
def test_cases(case: Case) -> None:
    assert outcome(partial(FastEngine, threads=2), case) == outcome(FastEngine, case)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_wavelets_cross_from_part_to_part(arch: str, tmp_path: Path) -> None:
    width, height = 3, 9
    made = COLUMN.compile(tmp_path, arch, width=width, height=height)
    seen = []
    for threads in (1, 2, 4, 9):
        engine = start(made, "fast", threads)
        execute(engine, [Launch("run")])
        data = read(engine, "y", width, height, 40)
        seen.append((engine.now, engine.stats(), data.tolist()))
    x, y, i = np.meshgrid(range(width), range(height - 1), range(40), indexing="ij")
    expected = (x * 65536 + y * 256 + i * ((x + y) % 3)).transpose(1, 0, 2)
    assert (np.array(seen[0][2])[1:] == expected).all()
    assert all(other == seen[0] for other in seen)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [(2, 4), (5,), (5, 3, 0)])
def test_of_faults_in_one_cycle_that_of_the_lowest_pe_is_told(rows: tuple[int, ...], threads: int) -> None:
    engine = start(fault_image(rows), "fast", threads)
    with pytest.raises(DiagnosticError) as found:
        execute(engine, [Launch("go")])
    assert found.value.diagnostics[0].id == "divide-by-zero"
    assert f"PE (0, {min(rows)})" in found.value.diagnostics[0].notes[0]


def test_small_programs_call_no_helpers() -> None:
    engine = FastEngine(fault_image(()), load_machine("wse3"), threads=2)
    execute(engine, [Launch("go")])
    assert len(engine.world.parts) == 1


def test_the_faster_way_is_taken_and_the_other_retried() -> None:
    pace = Pace()
    taken = []
    for _ in range(2 * RETRY_ROUNDS):
        taken.append(pace.calls_helpers(1000, 900))
        pace.note(taken[-1], 1000, 2.0 if taken[-1] else 1.0)
    assert taken[0] and not any(taken[1 : RETRY_ROUNDS - 1])
    assert taken[RETRY_ROUNDS - 1] and sum(taken) == 3
    assert not pace.calls_helpers(1000, 400)
