"""Layout loops that are recorded once and applied to many PEs say the same as loops executed one by one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from openwafer.csl import CompileOptions, Layout, compile_layout
from openwafer.csl import _eval_record as record
from openwafer.diag import DiagnosticError

PE = """
param a: i16 = 0;
param b: f32 = 0.0;
param c: color = @get_color(5);
param d: bool = false;
param s = .{};
var r: f32;
fn run() void { r = @as(f32, a) + b + @as(f32, if (d) 1 else 2); }
comptime { @export_symbol(run); }
"""
HEAD = """
param n: i16;
const red = @get_color(0);
fn kind(x: i16) i16 {
  var k: i16 = 0;
  if (x % 3 == 0) { k = 5; } else if (x > 7) { k = x - 7; }
  return k;
}
layout {
  @set_rectangle(n, 2);
  @export_name("run", fn()void);
"""
EACH = "for (@range(i16, n)) |x|"
RIGHT = {
    "coordinates as parameters": "EACH { code(x, 0, .{ .a = x }); code(x, 1, .{ .a = 3 * x - 1 }); }",
    "decisions and functions": "EACH { for (@range(i16, 2)) |y| {"
    " code(x, y, .{ .a = kind(x), .d = x > 4 }); } }",
    "from behind, in steps": "for (@range(i16, 2)) |y| { for (@range(i16, n - 1, -1, -1)) |x| {"
    " code(x, y, .{ .a = y }); } }",
    "a counter": "for (@range(i16, n)) |x, i| { code(i, 0, .{ .a = @as(i16, i) }); code(x, 1, .{}); }",
    "colors of the variable": "EACH { code(x, 0, .{ .c = @get_color(x % 2) }); code(x, 1, .{}); }",
    "nested structs": "EACH { code(x, 0, .{ .s = .{ .x = x, .d = EAST } }); code(x, 1, .{}); }",
    "floats": "EACH { code(x, 0, .{ .b = @as(f32, x) * 0.1 }); code(x, 1, .{}); }",
    "a variable from outside": "var k: i16 = 1; EACH { k += x; code(x, 0, .{ .a = k }); code(x, 1, .{}); }",
    "a variable of the loop": "EACH { var k: i16 = x; k *= 2; code(x, 0, .{ .a = k }); code(x, 1, .{}); }",
    "continue": "EACH { code(x, 0, .{}); if (x == 2) { code(x, 1, .{ .a = 9 }); continue;"
    " } code(x, 1, .{}); }",
    "break": "for (@range(i16, 99)) |x| { if (x == n) { break; } code(x, 0, .{}); code(x, 1, .{}); }",
    "division and shifts": "EACH { code(x, 0, .{ .a = 100 / (x + 1) % 7 }); code(x, 1, .{ .a = x << 2 }); }",
    "wrapping": "EACH { code(x, 0, .{ .a = x * 30000 }); code(x, 1, .{ .a = ~x }); }",
    "routes": "EACH { code(x, 0, .{}); code(x, 1, .{});"
    " const to = if (x == n - 1) RAMP else EAST;"
    " @set_color_config(x, 0, red, .{ .routes = .{ .rx = .{if (x == 0) RAMP else WEST}, .tx = .{to} } });"
    " @set_color_config(x, 1, @get_color(x % 4), .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ NORTH } } }); }",
}
WRONG = {
    "pe-outside-rectangle": "for (@range(i16, n + 1)) |x| { code(x, 0, .{}); code(x, 1, .{}); }",
    "tile-set-twice": "EACH { code(x, 0, .{}); code(x / 2, 1, .{}); }",
    "color-set-twice": "EACH { code(x, 0, .{}); code(x, 1, .{});"
    " @set_color_config(x % 5, 0, red, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } }); }",
    "divide-by-zero": "EACH { code(x, 0, .{ .a = 5 / (6 - x) }); code(x, 1, .{}); }",
    "id-out-of-range": "EACH { code(x, 0, .{ .c = @get_color(x + 18) }); code(x, 1, .{}); }",
    "tile-without-code": "EACH { code(x, 0, .{}); if (x != 6) { code(x, 1, .{}); } }",
    "unknown-parameter": "EACH { code(x, 0, .{}); code(x, 1, .{ .z = x }); }",
    "int-out-of-range": "for (@range(comptime_int, 70000)) |x| { const k: u16 = x;"
    " if (x < n) { code(x, 0, .{}); } }",
}


def compiled(monkeypatch: pytest.MonkeyPatch, least: int) -> Layout:
    """The layout with loops recorded from `least` iterations on."""
    monkeypatch.setattr(record, "MIN_ITERATIONS", least)
    return compile_layout("layout.csl", CompileOptions(params={"n": "12"}))


def write(folder: Path, body: str) -> None:
    calls = body.replace("EACH", EACH).replace(" code(", " @set_tile_code(")
    parts = calls.split("@set_tile_code(")
    text = parts[0] + "".join("@set_tile_code(" + _with_file(part) for part in parts[1:])
    (folder / "layout.csl").write_text(f"{HEAD}{text}\n}}\n")
    (folder / "pe.csl").write_text(PE)


def _with_file(call: str) -> str:
    """`x, y, .{…` with the file before the parameters."""
    head, dot, rest = call.partition(", .{")
    return f'{head}, "pe.csl"{dot}{rest}'


def meaning(layout: Layout) -> object:
    """What each PE gets, whatever the numbers of programs and routes."""
    programs = [msgspec.msgpack.encode(msgspec.structs.replace(p, name="")) for p in layout.programs]
    code = [[programs[i] for i in row] for row in layout.program_of.tolist()]
    configs = [*map(tuple, layout.configs.tolist()), None]
    routes = [[[configs[i] for i in pe] for pe in row] for row in layout.config_of.tolist()]
    return code, layout.cells.tolist(), routes


@pytest.mark.parametrize("body", RIGHT.values(), ids=RIGHT.keys())
def test_both_ways_give_the_same_layout(body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, body)
    one_by_one = compiled(monkeypatch, 1 << 30)
    assert meaning(compiled(monkeypatch, 2)) == meaning(one_by_one)


@pytest.mark.parametrize(("id", "body"), WRONG.items(), ids=WRONG.keys())
def test_both_ways_give_the_same_diagnostic(
    id: str, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, body)
    found: list[tuple[str, str, str]] = []
    for least in (1 << 30, 2):
        with pytest.raises(DiagnosticError) as caught:
            compiled(monkeypatch, least)
        first = caught.value.diagnostics[0]
        found.append((first.id, first.message, str(first.span)))
    assert found[0][0] == id
    assert found[0] == found[1]


def test_a_recorded_loop_is_passed_over_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = 0
    execute = record._record

    def counted(*args: object) -> object:
        nonlocal passes
        passes += 1
        return execute(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(record, "_record", counted)
    monkeypatch.chdir(tmp_path)
    write(tmp_path, RIGHT["routes"].replace("@get_color(x % 4)", "red"))
    compiled(monkeypatch, 8)
    assert passes == 3
