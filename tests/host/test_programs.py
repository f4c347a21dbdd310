"""Host and compiled programs together, on both engines: streams, broadcasts, traces, variables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from openwafer.csl import CompileOptions, compile_layout
from openwafer.diag import DiagnosticError
from openwafer.host import MemcpyDataType, SdkRuntime, debug_util
from openwafer.image import build, write

WIDTH, HEIGHT = 3, 2
H2D, D2H = 5, 6
LAYOUT = f"""const memcpy = @import_module("<memcpy/get_params>", .{{
  .width = {WIDTH}, .height = {HEIGHT}, .MEMCPYH2D_1 = @get_color({H2D}), .MEMCPYD2H_1 = {D2H},
}});
layout {{
  @set_rectangle({WIDTH}, {HEIGHT});
  for (@range(u16, {WIDTH})) |x| {{
    for (@range(u16, {HEIGHT})) |y| {{
      @set_tile_code(x, y, "pe.csl", .{{ .memcpy_params = memcpy.get_params(x) }});
    }}
  }}
}}
"""
ECHO = """param memcpy_params;
const memcpy = @import_module("<memcpy/memcpy>", memcpy_params);
const trace = @import_module("<debug>", .{ .key = "echo", .buffer_size = 40 });
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
const out = @get_dsd(fabout_dsd, .{ .extent = 1, .fabric_color = memcpy.MEMCPYD2H_1, .output_queue = oq });
const id = if (@is_arch("wse3")) @get_data_task_id(iq) else @get_data_task_id(memcpy.MEMCPYH2D_1);
var next = @zeros([1]u32);
const next_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{1} -> next[i] });
var seen: u32 = 0;
task echo(data: u32) void {
  @block(id);
  trace.trace_u32(data);
  trace.trace_string("echo");
  seen += 1;
  next[0] = data + 1;
  @mov32(out, next_dsd, .{ .async = true, .unblock = echo });
}
comptime {
  @bind_data_task(echo, id);
  if (@is_arch("wse3")) {
    @initialize_queue(iq, .{ .color = memcpy.MEMCPYH2D_1 });
    @initialize_queue(oq, .{ .color = memcpy.MEMCPYD2H_1 });
  }
}
"""
N16 = MemcpyDataType.MEMCPY_16BIT


@pytest.fixture(params=[(a, e) for a in ("wse2", "wse3") for e in ("fast", "reference")], ids="-".join)
def runner(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SdkRuntime:
    """A running program that sends back every wavelet plus one."""
    arch, engine = request.param
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENWAFER_ENGINE", engine)
    Path("layout.csl").write_text(LAYOUT)
    Path("pe.csl").write_text(ECHO)
    options = CompileOptions(arch=arch, memcpy=True, channels=2, fabric_offsets=(4, 1))
    write(build(compile_layout("layout.csl", options), arch, {"channels": "2"}), Path("out"))
    runtime = SdkRuntime("out")
    runtime.load()
    runtime.run()
    return runtime


def test_wavelets_go_to_their_pe_and_come_back_in_order(runner: SdkRuntime) -> None:
    data = np.arange(2 * 2 * 7, dtype=np.uint32) + 70_000
    back = np.zeros_like(data)
    runner.memcpy_h2d(H2D, data, 1, 0, 2, 2, 7, streaming=True, nonblock=True)
    runner.memcpy_d2h(back, D2H, 1, 0, 2, 2, 7, streaming=True)
    runner.stop()
    np.testing.assert_array_equal(back, data + 1)
    counts = [[runner.read_symbol(x, y, "seen", "u4")[0] for x in range(WIDTH)] for y in range(HEIGHT)]
    assert counts == [[0, 7, 7], [0, 7, 7]]
    trace = debug_util("out").read_trace(4 + 2, 1 + 1, "echo")
    assert trace == [part for k in range(7) for part in (int(data[21 + k]), "echo")]


def test_16_bit_elements_come_back_without_what_is_above(runner: SdkRuntime) -> None:
    data = np.array([0x0003_0007, 0x0001_FFF0], np.uint32)
    back = np.zeros_like(data)
    runner.memcpy_h2d(H2D, data, 0, 1, 1, 1, 2, streaming=True, data_type=N16)
    runner.memcpy_d2h(back, D2H, 0, 1, 1, 1, 2, streaming=True, data_type=N16)
    runner.stop()
    assert list(back) == [8, 0xFFF1]
    assert debug_util("out").read_trace(4, 2, "echo")[::2] == [0x0003_0007, 0x0001_FFF0]


@pytest.mark.parametrize("by", ["row", "column"])
def test_broadcasts(runner: SdkRuntime, by: str) -> None:
    data = np.arange((HEIGHT if by == "row" else WIDTH) * 2, dtype=np.uint32)
    back = np.zeros((HEIGHT, WIDTH, 2), np.uint32)
    send = runner.memcpy_h2d_rowbcast if by == "row" else runner.memcpy_h2d_colbcast
    send(H2D, data, 0, 0, WIDTH, HEIGHT, 2, streaming=True)
    runner.memcpy_d2h(back, D2H, 0, 0, WIDTH, HEIGHT, 2, streaming=True)
    runner.stop()
    pieces = data.reshape(-1, 1, 2) if by == "row" else data.reshape(1, -1, 2)
    np.testing.assert_array_equal(back, np.broadcast_to(pieces, back.shape) + 1)


def test_a_host_that_wants_more_than_comes_is_told(runner: SdkRuntime) -> None:
    runner.memcpy_h2d(H2D, np.zeros(2, np.uint32), 0, 0, 1, 1, 2, streaming=True)
    with pytest.raises(DiagnosticError) as failure:
        runner.memcpy_d2h(np.zeros(3, np.uint32), D2H, 0, 0, 1, 1, 3, streaming=True)
    assert failure.value.diagnostics[0].id == "deadlock"
