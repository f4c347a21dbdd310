"""Parameters of every kind reach each PE as the layout computes them, however its loops are executed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import csl_kit
from openwafer.csl import CompileOptions, compile_layout
from openwafer.csl.layout import _loop_record as record
from openwafer.diag import DiagnosticError
from openwafer.image import Image, build
from openwafer.sim import Launch

COUNT = 12
LAYOUT = """
const memcpy = @import_module("<memcpy/get_params>", .{ .width = COUNT, .height = 1 });
const shapes = @import_module("shapes.csl");
const few = @import_module("part.csl", .{ .k = 3 });
const many = @import_module("part.csl", .{ .k = 9 });
fn row(x: u16) [3]u16 { return [3]u16{ x, x * x, if (x % 2 == 0) 5 else x }; }
layout {
  @set_rectangle(COUNT, 1);
  const loaded = .{ memcpy, shapes, few, many };  // a module that is new keeps a loop from being recorded
  for (@range(TYPE, COUNT)) |x| {
    BEFORE
    @set_tile_code(x, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(0), .p = GIVEN });
  }
  @export_name("v", [*]u32, true);
  @export_name("run", fn()void);
}
"""
PE = """
param memcpy_params;
param p;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const shapes = @import_module("shapes.csl");
TOP
var v: [2]u32;
const v_ptr: [*]u32 = &v;
fn run() void {
  USE
  sys.unblock_cmd_stream();
}
comptime { @export_symbol(v_ptr, "v"); @export_symbol(run); }
"""
OTHERS = {
    "shapes.csl": "const Point = struct { x: u16, y: i16 };\n"
    "const Side = enum(u16) { left = 1, right = 4 };\n"
    "const Tagged = struct { on: bool, at: [2]Point };",
    "part.csl": "param k: u16;\nconst pair = [2]u16{ k, k + 1 };\nfn get(n: u16) u16 { return k * n; }",
}
CASES: dict[str, tuple[str, str, Callable[[int], int]]] = {
    "bools in an array": (
        "[2]bool{ x != 0, x != 11 }",
        "v[0] = @as(u32, p[0]); if (p[1]) { v[0] += 2; }",
        lambda x: (x != 0) + 2 * (x != 11),
    ),
    "an array by an index of run time": (
        "[3]u16{ 7, x, x + x }",
        "var i: u16 = 1; v[0] = @as(u32, p[i]) + @as(u32, p[i + 1]);",
        lambda x: 3 * x,
    ),
    "an array that a function returns": ("row(x)", "v[0] = @as(u32, p[1]);", lambda x: x * x),
    "an array of a variable": (
        "made",
        "for (p) |e| { v[0] += @as(u32, e); }",
        lambda x: x + 3 * (x > 5),
    ),
    "an array of floats": (
        "[2]f32{ @as(f32, x) * 0.5, -1.0 }",
        "v[0] = @bitcast(u32, p[0]);",
        lambda x: int(np.float32(x / 2).view(np.uint32)),
    ),
    "arrays in an array": (
        "[2][2]i16{ [2]i16{ 1, x }, [2]i16{ -3, 4 } }",
        "v[0] = @as(u32, p[0][1]); const inner = p[1]; v[1] = @as(u32, inner[1]);",
        lambda x: x,
    ),
    "structs in an array": (
        "[2]shapes.Point{ shapes.Point{ .x = x, .y = 1 }, shapes.Point{ .x = 2, .y = @as(i16, x) } }",
        "v[0] = @as(u32, p[0].x) + @as(u32, p[1].y);",
        lambda x: 2 * x,
    ),
    "an array in a struct in an array": (
        "[1]shapes.Tagged{ shapes.Tagged{ .on = x > 3, .at = [2]shapes.Point{"
        " shapes.Point{ .x = x, .y = 0 }, shapes.Point{ .x = 1, .y = -1 } } } }",
        "v[0] = @as(u32, p[0].at[0].x); if (p[0].on) { v[0] += 100; }",
        lambda x: x + 100 * (x > 3),
    ),
    "an array in a tuple": (
        ".{ EAST, [2]u16{ x, 3 } }",
        "v[0] = @as(u32, p[1][0]) * @as(u32, p[1][1]);",
        lambda x: 3 * x,
    ),
    "a long array": (
        "@constants([80]u16, x / 2)",
        "var i: u16 = 79; v[0] = @as(u32, p[i]);",
        lambda x: x // 2,
    ),
    "colors in an array": (
        "[2]color{ @get_color(x), @get_color(3) }",
        "v[0] = @as(u32, @get_int(p[0]));",
        lambda x: x,
    ),
    "enums in an array": (
        "[2]shapes.Side{ if (x % 3 == 0) shapes.Side.left else shapes.Side.right, shapes.Side.left }",
        "v[0] = switch (p[0]) { shapes.Side.left => 10, shapes.Side.right => 20 };",
        lambda x: 10 if x % 3 == 0 else 20,
    ),
    "strings in an array": (
        '[2]comptime_string{ if (x > 4) "long" else "no", "" }',
        "v[0] = @as(u32, @strlen(p[0]));",
        lambda x: 4 if x > 4 else 2,
    ),
    "numbers of 64 bits in an array": (
        "[1]u64{ @as(u64, x) << 33 }",
        "v[0] = @as(u32, p[0] >> 33);",
        lambda x: x,
    ),
    "numbers of 64 bits": ("@as(u64, x) << 40", "v[0] = @as(u32, p >> 40);", lambda x: x),
    "numbers without a width": (
        "[2]comptime_int{ @as(comptime_int, x) - 5, 1 << 70 }",
        "v[0] = @bitcast(u32, @as(i32, p[0] / 2)); v[1] = @as(u32, p[1] >> 69);",
        lambda x: int((x - 5) / 2) & 0xFFFFFFFF,
    ),
    "numbers without a width as floats": (
        "@as(comptime_int, x) - 7",
        "v[0] = @bitcast(u32, @as(f32, p));",
        lambda x: int(np.float32(x - 7).view(np.uint32)),
    ),
    "large numbers without a width": (
        "@as(comptime_int, x) + 4000000000",
        "v[0] = @as(u32, p / 3);",
        lambda x: (x + 4_000_000_000) // 3,
    ),
    "zeros of both signs": (
        "@as(f32, if (x % 2 == 0) 1 else -1) * 0.0",
        "v[0] = @bitcast(u32, p);",
        lambda x: 0x80000000 * (x % 2),
    ),
    "zeros of both signs in an array": (
        "[1]f32{ @as(f32, if (x % 2 == 0) 1 else -1) * 0.0 }",
        "var i: u16 = 0; v[0] = @bitcast(u32, p[i]);",
        lambda x: 0x80000000 * (x % 2),
    ),
    "sums that are rounded": (
        "@as(f32, 12 - x) * 0.00000001",
        "v[0] = if (p + 1.0 == 1.0) 1 else 2;",
        lambda x: 1 if np.float32(12 - x) * np.float32(1e-8) + np.float32(1) == 1 else 2,
    ),
    "floats as integers": (
        "@as(f32, x) * 50.0",
        "v[0] = if (@as(u8, p) == 255) 1 else 2;",
        lambda x: 1 if 50 * x >= 255 else 2,
    ),
    "a range": ("@range(u16, x)", "for (p) |i| { v[0] += @as(u32, i); }", lambda x: x * (x - 1) // 2),
    "a type": (
        "if (x < 6) u16 else f32",
        "v[0] = if (@is_same_type(p, f32)) 1 else 2;",
        lambda x: 1 + (x < 6),
    ),
    "a module": ("if (x < 6) few else many", "v[0] = @as(u32, p.get(2));", lambda x: 6 if x < 6 else 18),
    "a function": (
        "if (x < 6) few.get else many.get",
        "v[0] = @as(u32, p(2)) + 100 * @as(u32, mine.get(1));",
        lambda x: 500 + (6 if x < 6 else 18),
    ),
    "a type of its own or none": (
        "if (x < 6) shapes.Point{ .x = 1, .y = 2 } else shapes.Tagged{ .on = true, .at = shapes_at }",
        "v[0] = if (@is_same_type(@type_of(p), shapes.Point)) 1 else 2;",
        lambda x: 1 + (x >= 6),
    ),
}
BEFORE = {
    "an array of a variable": "var made = @zeros([4]u16); made[1] = x; if (x > 5) { made[x % 2 + 2] = 3; }",
    "a type of its own or none": "const shapes_at = [2]shapes.Point{ shapes.Point{ .x = 1, .y = 1 },"
    " shapes.Point{ .x = 1, .y = 1 } };",
}
TOP = {"a function": 'const mine = @import_module("part.csl", .{ .k = 5 });'}
PROGRAMS = {
    "bools in an array": 2,
    "an array by an index of run time": 1,
    "an array of floats": 1,
    "structs in an array": 1,
}
"""How many programs there are: decisions are taken on bools only."""


def image_of(folder: Path, name: str, type: str = "u16") -> Image:
    given, use, _ = CASES[name]
    return compiled(folder, given, use, BEFORE.get(name, ""), TOP.get(name, ""), type)


def compiled(folder: Path, given: str, use: str, before: str = "", top: str = "", type: str = "u16") -> Image:
    layout = LAYOUT.replace("BEFORE", before).replace("GIVEN", given).replace("COUNT", str(COUNT))
    files = {"layout.csl": layout.replace("TYPE", type), "pe.csl": PE.replace("USE", use).replace("TOP", top)}
    for file, text in {**OTHERS, **files}.items():
        (folder / file).write_text(text)
    return build(compile_layout(str(folder / "layout.csl"), CompileOptions(memcpy=True)), "wse2")


def stored(image: Image, engine: str = "reference") -> list[int]:
    running = csl_kit.start(image, engine)
    csl_kit.execute(running, [Launch("run")])
    return csl_kit.read(running, "v", COUNT, 1, 2)[0, :, 0].tolist()


@pytest.mark.parametrize("least", [2, 1 << 30], ids=["recorded", "one by one"])
@pytest.mark.parametrize("name", CASES)
def test_each_pe_gets_what_the_layout_computes(
    name: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "MIN_ITERATIONS", least)
    expected = CASES[name][2]
    assert stored(image_of(tmp_path, name)) == [expected(x) for x in range(COUNT)]


@pytest.mark.parametrize("name", ["arrays in an array", "large numbers without a width", "a function"])
def test_the_fast_engine_reads_the_same(name: str, tmp_path: Path) -> None:
    image = image_of(tmp_path, name)
    assert stored(image, "fast") == stored(image)


@pytest.mark.parametrize("name", PROGRAMS)
def test_numbers_in_arrays_share_a_program(name: str, tmp_path: Path) -> None:
    assert len(image_of(tmp_path, name).layout.programs) == PROGRAMS[name]


def test_a_comptime_int_beyond_64_bits_is_exact(tmp_path: Path) -> None:
    given = "@as(u16, (x * 3074457345618258603) % 1000)"
    image = compiled(tmp_path, given, "v[0] = @as(u32, p);", type="comptime_int")
    assert stored(image) == [x * 3074457345618258603 % 1000 for x in range(COUNT)]


WRONG = {
    "unknown-member": ("@as(shapes.Side, 1 + x / 9)", ""),
    "negative-shift": ("@as(u16, 1) << (10 - @as(i16, x))", ""),
    "wrong-context": ("part_of_layout", "v[0] = @as(u32, p.count());"),
    "not-runtime": ("&hidden", ""),
    "no-address": ("&table", ""),
}


@pytest.mark.parametrize("least", [2, 1 << 30], ids=["recorded", "one by one"])
@pytest.mark.parametrize("id", WRONG)
def test_what_no_pe_can_have_is_refused(
    id: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "MIN_ITERATIONS", least)
    given, use = WRONG[id]
    (tmp_path / "counter.csl").write_text(
        "var n: u16 = 0;\nfn count() u16 { n += 1; return n; }\nfn first() u16 { return 1; }"
    )
    before = 'const part_of_layout = @import_module("counter.csl"); var hidden: u16 = 4; hidden += 1;'
    before += " const table = [2]u16{ 1, 2 };"
    with pytest.raises(DiagnosticError) as caught:
        compiled(tmp_path, given, use, before)
    assert caught.value.diagnostics[0].id == id
    assert caught.value.diagnostics[0].span is not None
