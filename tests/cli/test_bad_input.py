"""Wrong programs, flags, directories and host scripts, one a kind, through `cslc` and `cs_python`.

Each ends in exit code 1 and a diagnostic whose span begins at `at`, never in a traceback.
`tests/lang/errors.md` has the wrong programs of the language itself.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from openwafer.cli import cs_python
from openwafer.cli._errors import run_command
from openwafer.cli.cslc import arguments, command

LAYOUT = """\
param P: u16;
param M: i16;
const link: color = @get_color(0);
const memcpy = @import_module("<memcpy/get_params>", .{ .width = P, .height = 1 });
layout {
  @set_rectangle(P, 1);
  for (@range(u16, P)) |x| {
    @set_tile_code(x, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(x), .M = M, .is_first = x == 0 });
  }
  @set_color_config(0, 0, link, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } });
  @set_color_config(1, 0, link, .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } });
  @export_name("A", [*]f32, true);
  @export_name("y", [*]f32, false);
  @export_name("compute", fn(i16)void);
}
"""
PE = """\
param memcpy_params;
param M: i16;
param is_first: bool;
const sys = @import_module("<memcpy/memcpy>", memcpy_params);
const link: color = @get_color(0);
const oq = @get_output_queue(2);
const iq = @get_input_queue(2);
const done: local_task_id = @get_local_task_id(9);
var A: [M]f32;
var A_ptr: [*]f32 = &A;
const A_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{M} -> A[i] });
const to = @get_dsd(fabout_dsd, .{ .extent = M, .fabric_color = link, .output_queue = oq });
const from = @get_dsd(fabin_dsd, .{ .extent = M, .fabric_color = link, .input_queue = iq });
fn compute(n: i16) void {
  if (is_first) {
    @fmovs(to, A_dsd, .{ .async = true, .activate = done });
  } else {
    @fmovs(A_dsd, from, .{ .async = true, .activate = done });
  }
}
task end() void {
  sys.unblock_cmd_stream();
}
comptime {
  @bind_local_task(end, done);
  @export_symbol(A_ptr, "A");
  @export_symbol(A_ptr, "y");
  @export_symbol(compute);
}
"""
HOST = """\
import numpy as np
from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime, MemcpyDataType, MemcpyOrder
F32, ROWS = MemcpyDataType.MEMCPY_32BIT, MemcpyOrder.ROW_MAJOR
how = dict(streaming=False, order=ROWS, data_type=F32, nonblock=False)
runner = SdkRuntime("out")
A, y = runner.get_id("A"), runner.get_id("y")
runner.load()
runner.run()
data = np.arange(8, dtype=np.float32)
back = np.zeros(4, np.float32)
runner.memcpy_h2d(A, data, 0, 0, 2, 1, 4, **how)
runner.launch("compute", np.int16(3), nonblock=False)
runner.memcpy_d2h(back, y, 1, 0, 1, 1, 4, **how)
runner.stop()
assert list(back) == [0, 1, 2, 3], back
"""
FLAGS = (
    "--fabric-dims=9,3",
    "--fabric-offsets=4,1",
    "--params=P:2,M:4",
    "--memcpy",
    "--channels=1",
    "-o",
    "out",
)


@dataclass(frozen=True)
class Wrong:
    """A change of one of the files (`old` for `new`), or of flags, and the diagnostic that it must give.

    `at` is the text where the span begins, "" if the fault is in no file; `says` is shown with it.
    """

    name: str
    id: str
    at: str = ""
    says: tuple[str, ...] = ()
    file: str = ""
    old: str = ""
    new: str = ""
    flags: dict[str, str] = field(default_factory=dict[str, str])
    layout: str = "layout.csl"
    damage: Callable[[Path], Any] | None = None

    def __str__(self) -> str:
        return self.name


def layout(name: str, id: str, at: str, old: str, new: str, *says: str) -> Wrong:
    return Wrong(name, id, at, says, "layout.csl", old, new)


def pe(name: str, id: str, at: str, old: str, new: str, *says: str) -> Wrong:
    return Wrong(name, id, at, says, "pe.csl", old, new)


def host(name: str, id: str, at: str, old: str, new: str, *says: str) -> Wrong:
    return Wrong(name, id, at, says, "run.py", old, new)


def flags(name: str, id: str, *says: str, at: str = "", layout: str = "layout.csl", **changed: str) -> Wrong:
    return Wrong(name, id, at, says, flags=changed, layout=layout)


def damaged(name: str, id: str, damage: Callable[[Path], Any], *says: str) -> Wrong:
    return Wrong(name, id, 'SdkRuntime("out")', says, damage=damage)


COMPILE = [
    flags("no such layout", "file-not-found", "nothing.csl", layout="nothing.csl"),
    flags("a host script as layout", "lex-unknown-character", layout="notes.txt", at="§"),
    flags(
        "a PE program as layout", "no-layout", "pe.csl", layout="pe.csl", at="param memcpy_params", params=""
    ),
    flags("parameter not given", "missing-parameter", "`M`", params="P:2", at="param M"),
    flags("parameter unknown", "unknown-parameter", "`Q`", params="P:2,M:4,Q:1", at="param P"),
    flags("parameter not a number", "bad-parameter", "four", params="P:2,M:four"),
    flags("parameter too large", "int-out-of-range", "70000", params="P:70000,M:4", at="param P"),
    flags("fabric too small", "rectangle-too-large", "9 × 3", params="P:9,M:4", at="@set_rectangle"),
    flags("no room for memcpy", "fabric-dims", "--fabric-dims=9,3", fabric_dims="8,3"),
    flags("fabric larger than the wafer", "fabric-dims", "757 × 996", fabric_dims="900,3"),
    flags("offset in the margin", "fabric-offsets", "--fabric-offsets=4,1", fabric_offsets="1,1"),
    flags("channels", "memcpy-channels", "1 … 16", channels="99"),
    flags("no such machine", "machine-not-found", "wse7", machine="wse7"),
    flags("memory over 48 KB", "memory-overflow", "49,152", "50,000 B  A: [12500]f32", params="P:2,M:12500"),
    layout("library unknown", "library-not-found", '"<memcpy/', "get_params>", "get_parms>"),
    layout("program file missing", "file-not-found", '"pe2.csl"', '"pe.csl"', '"pe2.csl"'),
    layout(
        "color out of range",
        "id-out-of-range",
        "24)",
        "@get_color(0)",
        "@get_color(24)",
        "color 24",
    ),
    layout("route outside", "pe-outside-rectangle", "2, 0", "config(1, 0", "config(2, 0", "2 × 1"),
    layout("route twice", "color-set-twice", "@set_color_config(0", "config(1, 0", "config(0, 0"),
    layout(
        "route without ports",
        "unknown-field",
        "@set_color",
        ".routes = .{ .rx = .{ WEST }",
        ".route = .{ .rx = .{ WEST }",
    ),
    layout(
        "code missing",
        "tile-without-code",
        "@set_rectangle(P, 1)",
        "@range(u16, P)",
        "@range(u16, 1)",
        "(1, 0)",
    ),
    layout(
        "export of another type", "export-mismatch", "@export_symbol(compute)", "fn(i16)void", "fn(u16)void"
    ),
    layout("export not declared", "export-not-declared", '@export_symbol(A_ptr, "y")', '"y"', '"z"', "`y`"),
    pe("a bracket missing", "syntax-expected-token", "task", "  }\n}\ntask", "  }\ntask"),
    pe("name unknown", "unknown-name", "A_dsb", "(to, A_dsd", "(to, A_dsb", "did you mean `A_dsd`"),
    pe("builtin unknown", "unknown-builtin", "@fmovz", "@fmovs(to", "@fmovz(to", "did you mean"),
    pe(
        "too few arguments",
        "wrong-arity",
        "@fmovs(to)",
        "@fmovs(to, A_dsd, .{ .async = true, .activate = done })",
        "@fmovs(to)",
    ),
    pe("type mismatch", "type-mismatch", '"four"', "_ptr: [*]f32 = &A", '_ptr: [*]f32 = "four"'),
    pe(
        "negative extent",
        "bad-extent",
        ".{ .extent = -1",
        ".extent = M, .fabric_color = link, .output",
        ".extent = -1, .fabric_color = link, .output",
    ),
    pe(
        "integer does not fit",
        "int-out-of-range",
        "@as(u16, 2) + 70000",
        "A: [M]f32",
        "A: [@as(u16, 2) + 70000]f32",
    ),
    pe("task id taken by memcpy", "reserved-by-memcpy", "done)", "task_id(9)", "task_id(27)", "27, 28, 30"),
    pe("queue out of range", "id-out-of-range", "8)", "output_queue(2)", "output_queue(8)"),
    pe(
        "parameter not passed",
        "missing-parameter",
        "param N",
        "param M: i16;",
        "param M: i16;\nparam N: u16;\nvar more: [N]u16;\ncomptime { _ = more; }",
    ),
]
HOSTS = [
    pe(
        "wavelet without a route",
        "unrouted-wavelet",
        "runner.",
        "= link, .output",
        "= @get_color(5), .output",
        "color 5",
        "PE (0, 0)",
        "pe.csl:16",
    ),
    pe("nobody unblocks the stream", "deadlock", "", "sys.unblock_cmd_stream();", ""),
    pe(
        "access outside memory",
        "memory-access",
        "runner.",
        "void {\n  if",
        "void {\n  A[n * 10000] = 1.0;\n  if",
        "pe.csl:15",
    ),
    pe(
        "division by zero",
        "divide-by-zero",
        "runner.",
        "void {\n  if",
        "void {\n  A[0] = @as(f32, 100 / (n - 3));\n  if",
        "PE (0, 0)",
        "pe.csl:15",
    ),
    pe(
        "sends more than the other takes",
        "deadlock",
        "",
        "extent = M, .fabric_color = link, .input",
        "extent = M + 1, .fabric_color = link, .input",
    ),
    host("symbol does not exist", "unknown-host-symbol", 'runner.get_id("B")', '_id("A")', '_id("B")', "`A`"),
    host("array too small", "host-array-size", "runner.memcpy_h2d", "arange(8", "arange(7", "8"),
    host(
        "array of another type",
        "host-array-type",
        "runner.memcpy_h2d",
        "8, dtype=np.float32",
        "8, dtype=np.float64",
        "float64",
    ),
    host("a list for an array", "host-array-type", "runner.memcpy_h2d", "(A, data", "(A, list(data)"),
    host(
        "rectangle outside",
        "memcpy-rectangle",
        "runner.memcpy_h2d",
        "0, 0, 2, 1, 4",
        "1, 0, 2, 1, 4",
        "2 × 1",
    ),
    host("read-only symbol", "host-symbol-read-only", "runner.memcpy_h2d", "h2d(A", "h2d(y"),
    host(
        "function unknown", "unknown-host-symbol", "runner.launch", '"compute"', '"compote"', "did you mean"
    ),
    host("launch of an array", "host-symbol-kind", "runner.launch", '"compute"', '"A"'),
    host(
        "argument of another type",
        "launch-arguments",
        "runner.launch",
        "np.int16(3)",
        "np.float32(3)",
        "int16",
    ),
    host(
        "argument missing",
        "launch-arguments",
        "runner.launch",
        "np.int16(3), ",
        "",
        "fn compute(n: i16) void",
    ),
    host("copy before run", "runtime-state", "runner.memcpy_h2d", "runner.run()\n", "", "`run()`"),
    host("no such directory", "image-not-found", 'SdkRuntime("nowhere")', '"out"', '"nowhere"', "nowhere"),
    damaged(
        "a foreign directory", "image-not-found", lambda out: (out / "out.json").write_text('{"params": {}}')
    ),
    damaged("not even JSON", "image-corrupt", lambda out: (out / "out.json").write_text("ELF")),
    damaged("a header cut off", "image-corrupt", lambda out: cut(out / "out.json")),
    damaged("a file cut off", "image-corrupt", lambda out: cut(next(out.glob("*.npz")))),
    damaged("a file removed", "image-not-found", lambda out: next(out.glob("*.npz")).unlink()),
    damaged("nothing at all", "image-not-found", lambda out: shutil.rmtree(out)),
]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENWAFER_DIAGNOSTICS", str(tmp_path / "diagnostics"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    for name, text in (("layout.csl", LAYOUT), ("pe.csl", PE), ("run.py", HOST), ("notes.txt", "§ 1\n")):
        (tmp_path / name).write_text(text)
    return tmp_path


def change(case: Wrong) -> None:
    if case.file:
        text = Path(case.file).read_text()
        assert case.old in text
        Path(case.file).write_text(text.replace(case.old, case.new, 1))


def cslc(layout: str = "layout.csl", changed: dict[str, str] | None = None) -> int:
    given = [f"--{n.replace('_', '-')}={v}" for n, v in (changed or {}).items()]
    names = tuple(g.partition("=")[0] for g in given)
    kept = [f for f in FLAGS if not f.startswith(names)] if names else [*FLAGS]
    return run_command(command, "cslc", arguments([layout, *kept, *given]))


def check(case: Wrong, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    shown = capsys.readouterr()
    assert code == 1, shown.err
    assert "Traceback" not in shown.out + shown.err
    found = json.loads(Path("diagnostics").read_text().splitlines()[0])
    assert found["id"] == case.id, shown.err
    for part in case.says:
        assert part in shown.err
    if case.at:
        place = found["span"]["start"]
        line = Path(found["span"]["path"]).read_text().splitlines()[place["line"] - 1]
        assert line[place["column"] - 1 :].startswith(case.at), shown.err


def test_the_right_program_is_right(here: Path) -> None:
    assert cslc() == 0
    assert cs_python.run(["run.py"]) == 0


@pytest.mark.parametrize("case", COMPILE, ids=str)
def test_cslc(case: Wrong, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(case)
    check(case, cslc(case.layout, case.flags), capsys)
    assert not Path("out").exists()


@pytest.mark.parametrize("case", HOSTS, ids=str)
def test_cs_python(case: Wrong, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(case)
    assert cslc() == 0, capsys.readouterr().err
    if case.damage is not None:
        case.damage(Path("out"))
    check(case, cs_python.run(["run.py"]), capsys)


def test_every_kind_stands_once() -> None:
    names = [case.name for case in (*COMPILE, *HOSTS)]
    assert len(names) == len(set(names)) >= 40
