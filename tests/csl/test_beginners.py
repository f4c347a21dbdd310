"""What somebody who comes from C or Python writes first, and the help that the diagnostic gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from openwafer.csl import CompileOptions, compile_layout
from openwafer.diag import Diagnostic, DiagnosticError

LAYOUT = 'layout { @set_rectangle(1, 1); @set_tile_code(0, 0, "pe.csl"); }\n'
HEAD = "var a = @zeros([4]f32); var b = @zeros([4]f16); var n: u16 = 0;\n"
BODIES = {
    "fn run() void { for (var i = 0; i < 4; i += 1) { n += 1; } }": "`for (@range(i16, n)) |i| { … }`",
    "fn run() void { for (int k = 0; k < 4; k += 1) { n += 1; } }": "`for (@range(i16, n)) |k| { … }`",
    "void run() { n = 1; }": "`fn run(…) void { … }`",
    "fn run() void { a = a + a; }": "`@fadds(dest, a, b)`",
    "fn run() void { b = b * b; }": "`@fmulh(dest, a, b)`",
    'fn run() void { printf("x"); }': "<simprint>",
}


def refused(folder: Path, layout: str, pe: str = "", **params: str) -> Diagnostic:
    (folder / "layout.csl").write_text(layout)
    (folder / "pe.csl").write_text(pe)
    with pytest.raises(DiagnosticError) as caught:
        compile_layout(str(folder / "layout.csl"), CompileOptions(params=params))
    return caught.value.diagnostics[0]


@pytest.mark.parametrize(("body", "help"), BODIES.items())
def test_the_help_says_what_is_written_here(tmp_path: Path, body: str, help: str) -> None:
    bound = "comptime { @bind_local_task(go, @get_local_task_id(9)); }\ntask go() void { run(); }\n"
    pe = f"{HEAD}{body}\n{bound}"
    found = refused(tmp_path, LAYOUT, pe)
    assert help in (found.help or ""), found


def test_missing_parameters_are_listed(tmp_path: Path) -> None:
    head = "param M: u16; param N: u16; param K: u16 = 2; param last: u16;\n"
    layout = head + "layout { @set_rectangle(M, N + K + last); }\n"
    assert refused(tmp_path, layout, M="1").help == "give it with --params=N:…,last:…"
