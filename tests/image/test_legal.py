"""The tables of what an image may hold cover every field there is, and each rule refuses something."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from image_samples import sample_layout

from openwafer import tir
from openwafer.csl import CONFIG_COLUMNS, CompileOptions, Layout, compile_layout
from openwafer.diag import DiagnosticError
from openwafer.image import Image, build, read, write
from openwafer.image._check import COLUMNS, LAYOUT, layout_faults
from openwafer.image._legal import EXPRESSIONS, LEGAL, STATEMENTS

STRUCTS = [
    value
    for value in vars(tir).values()
    if inspect.isclass(value) and issubclass(value, msgspec.Struct) and value is not tir.Base
]
PROGRAM = build(sample_layout(), "wse2").layout.programs[0]
ONE, WORD, F32 = tir.Const("u16", 1), tir.Const("u16", 300), tir.Const("f32", 0.5)
TRUE = tir.Const("bool", 1)
RECORD = tir.DsdMake((ONE,) * 16)
COUNTED = tir.If(tir.Binary("ge", "bool", tir.Local("u16", 0), WORD), (tir.Break(1),), ())
STEP = tir.Set(0, tir.Binary("add", "u16", tir.Local("u16", 0), ONE))
MOVE = tir.DsdOp(
    "fadds", tir.Dsd(RECORD), tir.Dsd(RECORD), tir.Scalar(F32), None, False, None, None, None, None, None,
    None, 0,
)  # fmt: skip


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_of_the_typed_program_has_a_rule(struct: Any) -> None:
    assert struct in LEGAL, f"{struct.__name__} has no entry in image/_legal.py"
    assert sorted(name for name, _ in LEGAL[struct].rules) == sorted(struct.__struct_fields__)


def test_every_kind_of_node_is_where_it_belongs() -> None:
    assert set(EXPRESSIONS) == set(tir.Expr.__args__)
    assert set(STATEMENTS) == set(tir.Stmt.__args__)


def test_every_field_of_a_layout_and_every_column_has_a_rule() -> None:
    assert set(LAYOUT) == {field.name for field in fields(Layout)}
    assert tuple(COLUMNS) == CONFIG_COLUMNS


def with_body(*body: tir.Stmt, **changes: Any) -> tir.Program:
    """The sample program whose function has this body and the slots u16, f32, dsd, bool."""
    function = tir.Function("compute", 0, ("u16", "f32", "dsd", "bool"), "void", body, 0)
    return msgspec.structs.replace(PROGRAM, functions=(function,), dsrs=("dest:0",), **changes)


def faults(program: tir.Program) -> list[str]:
    layout = build(sample_layout(), "wse2").layout
    values = {f.name: getattr(layout, f.name) for f in fields(layout)} | {"programs": (program,)}
    return list(layout_faults(Layout(**values)))


RIGHT = [
    MOVE,
    STEP,
    tir.Loop(1, (COUNTED,), (STEP,), True),
    tir.Loop(1, (tir.Break(1),), (), False),
    tir.Block(-1, (STEP,)),
    tir.Set(1, F32),
    tir.Set(2, RECORD),
    tir.Print("", WORD, "X", 0),
    tir.Return(None),
    tir.SetDsr(0, 15, ONE, 0),
    tir.Set(3, tir.Binary("lt", "bool", F32, F32)),
    tir.Set(1, tir.Const("f32", float("nan"))),
]
WRONG: dict[str, tir.Stmt] = {
    "Set.slot is 9": tir.Set(9, ONE),
    "slot 1 is f32, not u16": tir.Set(1, ONE),
    "Set.loc is 5": tir.Set(0, ONE, 5),
    "u16 does not hold 70000": tir.Set(0, tir.Const("u16", 70_000)),
    "u16 does not hold 0.5": tir.Set(0, tir.Const("u16", 0.5)),
    "f32 does not hold 1e+39": tir.Set(1, tir.Const("f32", 1e39)),
    "Const.type is u65": tir.Set(0, tir.Const("u65", 1)),
    "Local.slot is -1": tir.Set(0, tir.Local("u16", -1)),
    "slot 0 is u16, not f16": tir.Set(0, tir.Local("f16", 0)),
    "Param.index is 1": tir.Set(0, tir.Param("u16", 1)),
    "Coord.axis is 2": tir.Set(0, tir.Coord(2)),
    "Coord.type is f32": tir.Set(1, tir.Coord(0, "f32")),
    "Addr.symbol is 2": tir.Set(0, tir.Addr(2)),
    "Addr.offset is 70000": tir.Set(0, tir.Addr(0, 70_000)),
    "Load.addr is Const": tir.Set(0, tir.Load("u16", F32)),
    "Unary.op is sqr": tir.Set(0, tir.Unary("sqr", "u16", ONE)),
    "not of u16": tir.Set(0, tir.Unary("not", "u16", ONE)),
    "add of u16 and f32 as u16": tir.Set(0, tir.Binary("add", "u16", ONE, F32)),
    "lt of u16 and u16 as u16": tir.Set(0, tir.Binary("lt", "u16", ONE, ONE)),
    "shl of f32 and u16 as f32": tir.Set(1, tir.Binary("shl", "f32", F32, ONE)),
    "Cast.type is dsd": tir.Set(2, tir.Cast("dsd", ONE)),
    "Bitcast.a is DsdMake": tir.Set(0, tir.Bitcast("u16", RECORD)),
    "its parts have different types": tir.Set(0, tir.Select("u16", TRUE, ONE, F32)),
    "Select.cond is Const": tir.Set(0, tir.Select("u16", ONE, ONE, ONE)),
    "sqrt of u16 as u16": tir.Set(0, tir.Intrinsic("sqrt", "u16", (ONE,))),
    "max of f32 as f32": tir.Set(1, tir.Intrinsic("max", "f32", (F32,))),
    "it has 15 words": tir.Set(2, tir.DsdMake((ONE,) * 15)),
    "its kind is 9": tir.Set(2, tir.DsdMake((tir.Const("u16", 9), *(ONE,) * 15))),
    "DsdWith.word is 16": tir.Set(2, tir.DsdWith(RECORD, 16, ONE)),
    "DsdGet.word is -1": tir.Set(0, tir.DsdGet(RECORD, -1)),
    "DsdMake.words is 16 parts": tir.Store(ONE, tir.DsdMake((F32,) * 16)),
    "Copy.size is -4": tir.Copy(ONE, ONE, -4),
    "If.cond is Const": tir.If(ONE, (), ()),
    "Break.label is 3": tir.Loop(1, (tir.Break(3),), (), False),
    "Break.label is -1": tir.Block(-1, (tir.Break(-1),)),
    "Continue.label is 2": tir.Block(2, (tir.Continue(2),)),
    "Continue.label is 1": tir.Loop(1, (), (tir.Continue(1),), False),
    "label 1 stands inside itself": tir.Loop(1, (tir.Block(1, ()),), (), False),
    "it is called bounded, and has no end": tir.Loop(1, (), (), True),
    "Loop.cycles is -1": tir.Loop(1, (tir.Break(1),), (), False, -1),
    "it gives u16, the function void": tir.Return(ONE),
    "Call.function is 1": tir.Call(1, (), None, 0),
    "`compute` calls itself": tir.Call(0, (), None, 0),
    "the arguments are not those of `compute`": tir.Call(0, (ONE,), None, 0),
    "DsdOp.op is fly": msgspec.structs.replace(MOVE, op="fly"),
    "mov16 does not have these operands": msgspec.structs.replace(MOVE, op="mov16"),
    "DsdOp.ut is Const": msgspec.structs.replace(MOVE, ut=tir.Const("i16", -1)),
    "its result is f32": msgspec.structs.replace(MOVE, result=1),
    "DsdOp.cycles is 2147483648": msgspec.structs.replace(MOVE, cycles=1 << 31),
    "Dsr.index is 1": msgspec.structs.replace(MOVE, dest=tir.Dsr(1)),
    "Dsd.value is Const": msgspec.structs.replace(MOVE, dest=tir.Dsd(ONE)),
    "SetDsr.word is 16": tir.SetDsr(0, 16, ONE, 0),
    "SetFifoLength.fifo is 0": tir.SetFifoLength(0, True, ONE, 0),
    "f32 as `d`": tir.Print("", F32, "d", 0),
    "Print.format is q": tir.Print("", ONE, "q", 0),
    "SeedRandom.value is Const": tir.SeedRandom(tir.Const("u64", 1)),
    "slot 1 is f32": tir.Random16(1),
    "Assert.cond is Const": tir.Assert(ONE, "", 0),
    "Line.loc is -1": tir.Line(-1),
    "it is put in when the program is loaded": tir.Tick(4),
    "levels of statements": tir.Set(0, STEP.value),
}
"""A statement by what is said of it."""
DEEP: tir.Expr = ONE
for _ in range(200):
    DEEP = tir.Cast("u16", DEEP)
WRONG["levels of statements"] = tir.Set(0, DEEP)


@pytest.mark.parametrize("statement", RIGHT, ids=lambda s: type(s).__name__)
def test_right_statements_pass(statement: tir.Stmt) -> None:
    assert faults(with_body(statement)) == []


@pytest.mark.parametrize("said", WRONG)
def test_wrong_statements_are_refused(said: str) -> None:
    (fault,) = faults(with_body(WRONG[said]))
    assert said in fault


REPLACED: dict[str, dict[str, Any]] = {
    "Task.id is 64": {"tasks": (tir.Task(64, "control", 0, ()),)},
    "local task 31": {"tasks": (tir.Task(31, "local", 0, ()),)},
    "Task.kind is timed": {"tasks": (tir.Task(8, "timed", 0, ()),)},
    "the parameters of `go` are not": {"exports": (tir.Export("go", "func", 0, "void", ("Addr",)),)},
    "of data task 4": {"tasks": (tir.Task(4, "data", 0, ("u32",)),)},
    "Queue.id is 8": {"queues": (tir.Queue("in", 8, 1),)},
    "Queue.color is 31": {"queues": (tir.Queue("in", 2, 31),)},
    "Queue.direction is up": {"queues": (tir.Queue("up", 2, 1),)},
    "80 B in a buffer of 16 B": {"fifos": (tir.Fifo(0, 20, 4),)},
    "Fifo.element_bytes is 1099511627776": {"fifos": (tir.Fifo(0, 1, 1 << 40),)},
    "Fifo.elements is 0": {"fifos": (tir.Fifo(0, 0, 2),)},
    "Fifo.empty is wait": {"fifos": (tir.Fifo(0, 2, 2, empty="wait"),)},
    "Fifo.activate_pop is 32": {"fifos": (tir.Fifo(0, 2, 2, activate_pop=32),)},
    "Export.element_bytes is 1099511627776": {
        "exports": (tir.Export("A", "var", 0, "f32", (), element_bytes=1 << 40),)
    },
    "names 2 of 2 symbols": {"exports": (tir.Export("A", "var", 2, "f32", ()),)},
    "Program.blocked is 1 parts": {"blocked": (64,)},
    "Program.host_in is 2 parts": {"host_in": (3, 3)},
    "Program.main_priority is 9": {"main_priority": 9},
    "Program.dsrs is 1 parts": {"dsrs": ("dest",)},
    "Program.init is 4": {"init": 4},
    "ColorConfig.pop_mode is 4": {"colors": (tir.ColorConfig(3, ((16, 2),), pop_mode=4),)},
    "ColorConfig.positions is 1 parts": {"colors": (tir.ColorConfig(3, ((64, 2),)),)},
    "color 3 begins at 2": {"colors": (tir.ColorConfig(3, ((16, 2),), current=2),)},
    "Filter.maximum is 70000": {
        "colors": (tir.ColorConfig(3, ((16, 2),), filter=tir.Filter(tir.FilterKind.RANGE, maximum=70_000)),)
    },
    "Program.params is 1 parts": {"params": ("dsd",)},
    "it is for wse3": {"arch": "wse3"},
    "symbol `A` lies at 0": {
        "symbols": (msgspec.structs.replace(PROGRAM.symbols[0], address=0), PROGRAM.symbols[1])
    },
}


@pytest.mark.parametrize("said", REPLACED)
def test_wrong_programs_are_refused(said: str) -> None:
    (fault,) = faults(msgspec.structs.replace(PROGRAM, **REPLACED[said]))
    assert said in fault


@pytest.mark.parametrize("column", CONFIG_COLUMNS)
@pytest.mark.parametrize("side", [0, 1])
def test_every_column_of_the_routes_has_limits(column: str, side: int, tmp_path: Path) -> None:
    image = build(sample_layout(), "wse2")
    configs = image.layout.configs.copy()
    configs[0, CONFIG_COLUMNS.index(column)] = COLUMNS[column][side] + (1 if side else -1)
    values = {f.name: getattr(image.layout, f.name) for f in fields(image.layout)} | {"configs": configs}
    write(Image(Layout(**values), image.machine, {}), tmp_path)
    with pytest.raises(DiagnosticError, match="configs is int32"):
        read(tmp_path)


@pytest.mark.parametrize(
    "metadata", [{"channels": "x"}, {"channels": "0"}, {"channels": "9" * 5000}, {"memcpy": "2"}]
)
def test_metadata_that_is_read_has_limits(metadata: dict[str, str], tmp_path: Path) -> None:
    image = build(sample_layout(), "wse2", metadata)
    write(image, tmp_path)
    with pytest.raises(DiagnosticError, match="image-corrupt"):
        read(tmp_path)


def test_calls_nest_only_so_deep() -> None:
    calls = [tir.Function(f"f{k}", 0, (), "void", (tir.Call(k + 1, (), None, 0),), 0) for k in range(200)]
    last = tir.Function("last", 0, (), "void", (), 0)
    (fault,) = faults(msgspec.structs.replace(PROGRAM, functions=(*calls, last)))
    assert "calls in each other" in fault
    assert np.array_equal(PROGRAM.symbols[0].init, b"\x01\x02")


def test_a_program_without_statements_has_a_place_for_what_runs_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layout = 'layout { @set_rectangle(1, 1); @set_tile_code(0, 0, "pe.csl", .{}); }'
    Path("layout.csl").write_text(layout)
    Path("pe.csl").write_text("var a: i16 = 3; var p: *i16 = &a; export var q: *i16 = &a;")
    compiled = compile_layout("layout.csl", CompileOptions(arch="wse2"))
    assert compiled.programs[0].init is not None and compiled.programs[0].locations == (("pe.csl", 1),)
    write(build(compiled, "wse2"), tmp_path / "out")
    assert read(tmp_path / "out").layout.programs[0].locations == (("pe.csl", 1),)
