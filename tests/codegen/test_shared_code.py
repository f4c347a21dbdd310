"""Machine code is found again in another process, for sources in another directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from openwafer import tir
from openwafer.codegen._compile import bind_memory_op, code_of, compile_code
from openwafer.csl import CompileOptions, compile_layout
from openwafer.machine import load_machine
from openwafer.sim.fast.memory._entry import compiled_memory_op

FILES = {
    "layout.csl": """
layout {
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "pe.csl", .{});
  @export_name("run", fn(f32)void);
}
""",
    "pe.csl": """
const part = @import_module("part.csl");
fn run(x: f32) void { part.all(x, x + 1.0, x + 2.0, x + 3.0, x + 4.0); }
comptime { @export_symbol(run); }
""",
    "part.csl": """
var total: f32;
fn add(p: *const f32) void { total += p.*; }
fn all(a: f32, b: f32, c: f32, d: f32, e: f32) void { add(&a); add(&b); add(&c); add(&d); add(&e); }
""",
}
PRINT_DIGEST = """
import hashlib, msgspec
from openwafer.csl import CompileOptions, compile_layout
program = compile_layout("layout.csl", CompileOptions()).programs[0]
print(hashlib.sha256(msgspec.msgpack.encode(program)).hexdigest())
"""


def write(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)


def compiled(folder: Path) -> tir.Program:
    write(folder)
    return compile_layout(str(folder / "layout.csl"), CompileOptions()).programs[0]


def test_the_directory_of_the_sources_does_not_matter(tmp_path: Path) -> None:
    first, second = compiled(tmp_path / "one"), compiled(tmp_path / "two")
    assert first.locations != second.locations
    assert [s.name for s in first.symbols] != [s.name for s in second.symbols]
    assert code_of(first) == code_of(second)


def test_other_addresses_are_other_code(tmp_path: Path) -> None:
    program = compiled(tmp_path)
    symbols = (program.symbols[0], tir.Symbol("more", 4, 4, b"", "f32"), *program.symbols[1:])
    assert code_of(program) != code_of(msgspec.structs.replace(program, symbols=symbols))


def test_programs_do_not_depend_on_the_order_of_sets(tmp_path: Path) -> None:
    write(tmp_path)
    digests = {_digest(tmp_path, seed) for seed in ("1", "2", "3")}
    assert len(digests) == 1


def _digest(folder: Path, seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST], cwd=folder, env=environment, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


@pytest.mark.parametrize("field", ["queues", "colors"])
def test_queues_and_routes_do_not_matter(field: str, tmp_path: Path) -> None:
    program = compiled(tmp_path)
    others = {"queues": (tir.Queue("in", 2, 3),), "colors": (tir.ColorConfig(3, ((1, 2), None, None, None)),)}
    changed = msgspec.structs.replace(program, **{field: others[field]})
    assert changed != program
    assert code_of(changed) == code_of(program)


def test_code_with_and_without_a_profile_is_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind_memory_op(compiled_memory_op().address)
    monkeypatch.setenv("OPENWAFER_CACHE", str(tmp_path / "cache"))
    code, wse3 = code_of(compiled(tmp_path)), load_machine("wse3")
    found = [compile_code(code, wse3, profile=profile).is_cached for profile in (False, True, False, True)]
    assert found == [False, False, True, True]
