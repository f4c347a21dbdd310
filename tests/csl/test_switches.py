"""Switch positions of a color."""

from __future__ import annotations

from pathlib import Path

from test_channels import compile_pe

from openwafer.tir import INHERITED, effective_positions

W, E, N, S, RAMP = (1 << port for port in range(5))


def test_a_position_changes_one_direction_of_the_valid_one_before_it(tmp_path: Path) -> None:
    text = """comptime {
  @set_local_color_config(@get_color(3), .{
    .routes = .{ .rx = WEST, .tx = .{ RAMP, EAST } },
    .switches = .{ .pos1 = .{ .tx = EAST }, .pos3 = .{ .rx = RAMP } },
  });
}
"""
    (config,) = compile_pe(tmp_path, "wse3", pe=text).colors
    assert config.positions == ((W, RAMP | E), (INHERITED, E), None, (RAMP, INHERITED))
    assert effective_positions(config.positions) == ((W, RAMP | E), (W, E), None, (RAMP, E))
