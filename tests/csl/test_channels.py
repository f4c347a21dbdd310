"""Which channels may start control tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from openwafer.csl import CompileOptions, compile_layout
from openwafer.tir import Program, Queue

LAYOUT = """layout {
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "pe.csl", .{});
}
"""
CONTROL = """const c = @get_color(4);
const q = @get_input_queue(3);
const in = @get_dsd(fabin_dsd, .{ .extent = 1, .fabric_color = c, .input_queue = q });
var y: u32 = 0;
task control() void { @mov32(&y, in); }
comptime {
  @bind_control_task(control, @get_control_task_id(40));
  if (@is_arch("wse3")) @initialize_queue(q, .{ .color = c });
"""


def compile_pe(folder: Path, arch: str, **files: str) -> Program:
    for name, text in {"layout": LAYOUT, **files}.items():
        (folder / f"{name}.csl").write_text(text)
    return compile_layout(str(folder / "layout.csl"), CompileOptions(arch=arch)).programs[0]


@pytest.mark.parametrize(("arch", "channel", "id"), [("wse2", "c", 4), ("wse3", "q", 3)])
def test_a_channel_of_control_tasks_is_blocked_until_it_is_unblocked(
    tmp_path: Path, arch: str, channel: str, id: int
) -> None:
    assert compile_pe(tmp_path, arch, pe=CONTROL + "}\n").blocked == (id,)
    assert compile_pe(tmp_path, arch, pe=CONTROL + f"  @unblock({channel});\n}}\n").blocked == ()


@pytest.mark.parametrize(("arch", "channel"), [("wse2", "c"), ("wse3", "q")])
def test_a_data_task_opens_its_channel(tmp_path: Path, arch: str, channel: str) -> None:
    bound = f"  @bind_data_task(data, @get_data_task_id({channel}));\n}}\ntask data(x: u32) void {{}}\n"
    assert compile_pe(tmp_path, arch, pe=CONTROL + bound).blocked == ()


def test_without_control_tasks_nothing_is_blocked(tmp_path: Path) -> None:
    text = CONTROL.replace("@bind_control_task(control, @get_control_task_id(40));", "")
    assert compile_pe(tmp_path, "wse2", pe=text + "}\n").blocked == ()


def test_an_unblocked_color_gets_a_queue(tmp_path: Path) -> None:
    bound = "@bind_control_task(t, @get_control_task_id(1));"
    text = f"task t() void {{}}\ncomptime {{\n  {bound}\n  @unblock(@get_color(7));\n}}\n"
    assert compile_pe(tmp_path, "wse2", pe=text).queues == (Queue("in", 7, 7),)
