"""Layout loops that are recorded once and applied to many PEs say the same as loops executed one by one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from openwafer.csl import CompileOptions, Layout, compile_layout
from openwafer.csl.layout import _loop_record as record
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
PART = """
param odd: bool;
fn number(x: i16) i16 { return if (odd) 2 * x + 1 else 2 * x; }
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
    "a nest with routes": "EACH { for (@range(i16, 2)) |y| { code(x, y, .{ .a = kind(x), .d = y > 0 });"
    " const to = if (x == n - 1) RAMP else if (y == 0) EAST else SOUTH;"
    " @set_color_config(x, y, red, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{to} } }); } }",
    "a nest with counters": "for (@range(i16, 2), 3) |y, i| { for (@range(i16, n - 1, -1, -1)) |x, k| {"
    " code(x, y, .{ .a = @as(i16, 10 * i + k) }); } }",
    "a nest from another corner": "for (@range(i16, 1, -1, -1)) |y| { for (@range(i16, 0, n, 2)) |x| {"
    " code(x, y, .{ .a = x - y }); } for (@range(i16, 1, n, 2)) |x| { code(x, y, .{ .a = x + y }); } }",
    "a nest of three": "EACH { for (@range(i16, 2)) |y| { code(x, y, .{ .a = x }); } }"
    " EACH { for (@range(i16, 2)) |y| { for (@range(i16, 3)) |k| { const r = .{ if (k > y) EAST else WEST };"
    " @set_color_config(x, y, @get_color(k), .{ .routes = .{ .rx = .{ RAMP }, .tx = r } }); } } }",
    "a nest over a triangle": "EACH { for (@range(i16, @as(i16, if (x > 5) 2 else 1))) |y| {"
    " code(x, y, .{ .a = y }); } if (x < 6) { code(x, 1, .{}); } }"
    " EACH { for (@range(i16, @as(i16, if (x > 5) 2 else 1))) |y| {"
    " @set_color_config(x, y, red, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{EAST} } }); } }",
    "a nest with floats of the outer variable": "EACH { for (@range(i16, 2)) |y| {"
    " code(x, y, .{ .b = @as(f32, x) * 0.1, .a = y }); } }",
    "a nest with floats of the inner variable": "EACH { for (@range(i16, 2)) |y| {"
    " code(x, y, .{ .b = @as(f32, y) * 0.1, .a = x }); } }",
    "a nest that is left": "EACH { for (@range(i16, 9)) |y| { if (y == 2) { break; } code(x, y, .{}); } }",
    "a nest that goes on outside": "outer: EACH { for (@range(i16, 3)) |y| {"
    " if (y == 2) { continue :outer; } code(x, y, .{ .a = y }); } }",
    "a nest with a variable from outside": "var k: i16 = 1; EACH { for (@range(i16, 2)) |y| {"
    " k += y; code(x, y, .{ .a = k }); } }",
    "a nest with names that hide names": "EACH { for (@range(i16, 2)) |_, x2| {"
    " code(x, @as(i16, x2), .{ .a = x }); } }",
    "a nest that imports": "EACH { for (@range(i16, 2)) |y| {"
    ' const m = @import_module("part.csl", .{ .odd = y == 1 }); code(x, y, .{ .a = m.number(x) }); } }',
}
WRONG = {
    "a nest, pe-outside-rectangle": "EACH { for (@range(i16, 3)) |y| { code(x, y, .{}); } }",
    "a nest, tile-set-twice": "EACH { for (@range(i16, 2)) |y| { code(x / 2, y, .{}); } }",
    "a nest, divide-by-zero": "EACH { for (@range(i16, 2)) |y| { code(x, y, .{ .a = 5 / (6 - x - y) }); } }",
    "a nest, wrong-arity": "EACH { for (@range(i16, 0, x)) |y| { code(x, y, .{}); } }",
    "a nest, tile-without-code": "EACH { for (@range(i16, 2)) |y| { if (x + y != 9) { code(x, y, .{}); } } }",
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
    (folder / "part.csl").write_text(PART)


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
    assert found[0][0] == id.removeprefix("a nest, ")
    assert found[0] == found[1]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one number with every pass over a loop's body."""
    counted: list[int] = []
    execute = record._record

    def count(*args: object) -> object:
        counted.append(1)
        return execute(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(record, "_record", count)
    return counted


def test_a_recorded_loop_is_passed_over_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes: list[int]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, RIGHT["routes"].replace("@get_color(x % 4)", "red"))
    compiled(monkeypatch, 8)
    assert len(passes) == 3


ROLES = """
layout {
  @set_rectangle(n, n);
  @export_name("run", fn()void);
  for (@range(i16, n)) |x| {
    for (@range(i16, n)) |y| {
      const row: i16 = if (x == 0) 1 else if (x % 2 == 0) 2 else 3;
      const column: i16 = if (y == n - 1) 1 else 2;
      @set_tile_code(x, y, "pe.csl", .{ .a = row * column, .d = x > y });
    }
  }
}
"""


@pytest.mark.parametrize("n", [16, 32, 48])
def test_a_nest_is_passed_over_as_often_as_there_are_roles(
    n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes: list[int]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pe.csl").write_text(PE)
    (tmp_path / "layout.csl").write_text(f"param n: i16;\n{ROLES}")
    compile_layout("layout.csl", CompileOptions(params={"n": str(n)}))
    assert len(passes) == 6
