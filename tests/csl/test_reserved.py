"""What belongs to `--memcpy`: colors and queues that a program may not use."""

from __future__ import annotations

from pathlib import Path

import pytest

from openwafer.csl import CompileOptions, compile_layout
from openwafer.diag import Diagnostic, DiagnosticError
from openwafer.machine import load_machine

LAYOUT = """layout {{
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "pe.csl");
  {}
}}
"""
QUEUE = "comptime {{ @initialize_queue(@get_{}put_queue({}), {}); }}\n"
DSD = """const red = @get_color(5);
const line = @get_dsd(fab{}_dsd, .{{ .extent = 1, .fabric_color = red, .{}put_queue = {} }});
comptime {{ _ = line; }}
"""


def write(folder: Path, pe: str, layout: str) -> None:
    (folder / "pe.csl").write_text(pe)
    (folder / "layout.csl").write_text(LAYOUT.format(layout))


def compiled(folder: Path, arch: str, pe: str, layout: str = "", *, memcpy: bool = True) -> None:
    write(folder, pe, layout)
    compile_layout(str(folder / "layout.csl"), CompileOptions(arch=arch, memcpy=memcpy))


def refused(folder: Path, arch: str, pe: str, layout: str = "") -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        compiled(folder, arch, pe, layout)
    assert caught.value.diagnostics[0].id == "reserved-by-memcpy"
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_queues_that_are_initialized(tmp_path: Path, arch: str) -> None:
    color = ".{ .color = @get_color(5) }"
    taken = load_machine(arch).host.memcpy_input_queues if arch == "wse3" else ()
    for number in range(len(load_machine(arch).queues.input_depth)):
        pe = QUEUE.format("in", number, color)
        if number in taken:
            assert f"input queue {number}" in refused(tmp_path, arch, pe).message
        else:
            compiled(tmp_path, arch, pe)
        compiled(tmp_path, arch, pe, memcpy=False)


@pytest.mark.parametrize(("arch", "direction"), [("wse3", "in"), ("wse3", "out")])
def test_queues_that_a_dsd_names(tmp_path: Path, arch: str, direction: str) -> None:
    for number, is_taken in ((0, True), (2, False)):
        pe = DSD.format(direction, direction, f"@get_{direction}put_queue({number})")
        if is_taken:
            refused(tmp_path, arch, pe)
        else:
            compiled(tmp_path, arch, pe)


def test_public_programs_of_wse2_share_the_queues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(
        tmp_path, "wse2", QUEUE.format("out", 0, ".{}") + DSD.format("out", "out", "@get_output_queue(0)")
    )
    assert not capsys.readouterr().err
    compiled(tmp_path, "wse2", DSD.format("in", "in", "@get_input_queue(0)"))
    assert "warning[shared-with-memcpy]: input queue 0" in capsys.readouterr().err


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_colors(tmp_path: Path, arch: str) -> None:
    for color in load_machine(arch).host.memcpy_colors:
        config = f"@get_color({color}), .{{ .routes = .{{ .rx = RAMP, .tx = EAST }} }}"
        local = f"comptime {{ @set_local_color_config({config}); }}\n"
        assert f"color {color}" in refused(tmp_path, arch, local).message
        in_layout = f"@set_color_config(0, 0, {config});"
        refused(tmp_path, arch, "comptime {}\n", in_layout)
        compiled(tmp_path, arch, local, memcpy=False)
