"""How priorities reach the typed program."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_channels import compile_pe

from openwafer import tir
from openwafer.tir import DsdFlag, DsdWord

OPERATION = """const in = @get_dsd(fabin_dsd, .{{ .extent = 1, {in_dsd} }});
const q = @get_input_queue(3);
var y: u32 = 0;
task go() void {{ @mov32(&y, in, .{{ .async = true, {config} }}); }}
comptime {{
  @bind_local_task(go, @get_local_task_id(9));
  if (@is_arch("wse3")) @initialize_queue(q, .{{ .color = @get_color(1) }});
}}
"""
PLACE = ".fabric_color = @get_color(1), .input_queue = @get_input_queue(3)"


def flags(program: tir.Program) -> int:
    """The flags of the only operation's source."""
    (operation,) = (s for f in program.functions for s in f.body if isinstance(s, tir.DsdOp))
    assert isinstance(operation.src0, tir.Dsd) and isinstance(operation.src0.value, tir.DsdMake)
    word = operation.src0.value.words[DsdWord.FLAGS]
    assert isinstance(word, tir.Const)
    return int(word.value)


@pytest.mark.parametrize(
    ("name", "flag"), [("high", DsdFlag.PRIORITY_HIGH), ("low", DsdFlag.PRIORITY_LOW), ("medium", 0)]
)
def test_an_operation_has_the_priority_of_its_configuration_or_of_its_dsd(
    tmp_path: Path, name: str, flag: int
) -> None:
    priority = f".priority = .{{ .{name} = true }}"
    wse2 = OPERATION.format(in_dsd=PLACE, config=priority)
    wse3 = OPERATION.format(in_dsd=f"{PLACE}, {priority}", config="")
    assert flags(compile_pe(tmp_path, "wse2", pe=wse2)) == flag
    assert flags(compile_pe(tmp_path, "wse3", pe=wse3)) == flag


def test_tasks_and_the_main_thread(tmp_path: Path) -> None:
    text = OPERATION.format(in_dsd=PLACE, config="")
    text += """const config = @import_module("<tile_config>");
comptime {
  config.task_priority.set_task_priority(@get_local_task_id(9));
  config.task_priority.set_task_priority(@get_local_task_id(12));
  config.task_priority.clear_task_priority(@get_local_task_id(12));
  config.main_thread_priority.update_main_thread_priority(config.main_thread_priority.level.HIGH);
  @bind_local_task(other, @get_local_task_id(12));
}
task other() void {}
"""
    program = compile_pe(tmp_path, "wse3", pe=text)
    assert program.high == (9,)
    assert program.main_priority == 5
    assert compile_pe(tmp_path, "wse3", pe=OPERATION.format(in_dsd=PLACE, config="")).main_priority == 3
