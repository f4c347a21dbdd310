"""Small layouts that the tests of `image` share."""

from __future__ import annotations

import numpy as np

from openwafer.csl import ExportName, Layout
from openwafer.tir import (
    Activate,
    Addr,
    ColorConfig,
    Const,
    Export,
    Function,
    If,
    Load,
    Program,
    Set,
    Store,
    Symbol,
    Task,
    config_row,
)


def sample_program(*symbols: Symbol) -> Program:
    """A program with an array, a pointer to it and one function, and further symbols."""
    body = (
        Set(0, Load("u16", Addr(1))),
        If(Const("bool", 1), (Store(Addr(0, 2), Const("f32", 1.5)),), ()),
        Activate(Const("u16", 8), 0),
    )
    return Program(
        name="pe.csl",
        arch="wse2",
        functions=(Function("compute", 0, ("u16",), "void", body, 0),),
        symbols=(
            Symbol("A", 16, 4, b"\x01\x02", "[4]f32"),
            Symbol("A_ptr", 2, 2, b"", "[*]f32"),
            *symbols,
        ),
        tasks=(Task(8, "local", 0, ()),),
        exports=(Export("A", "ptr", 1, "[*]f32", ()), Export("compute", "func", 0, "fn()void", ())),
        queues=(),
        params=("u16",),
        init=None,
        dsrs=(),
        blocked=(),
        activated=(),
        colors=(),
        locations=(("pe.csl", 3),),
    )


def sample_layout(width: int = 3, height: int = 2, *symbols: Symbol) -> Layout:
    """Every PE but the last has the sample program; one row of routes."""
    program_of = np.zeros((height, width), np.int32)
    program_of[-1, -1] = -1
    config_of = np.full((height, width, 24), -1, np.int16)
    config_of[:, :, 5] = 0
    return Layout(
        arch="wse2",
        width=width,
        height=height,
        fabric_dims=(width + 7, height + 2),
        fabric_offsets=(4, 1),
        params={"M": "4", "name": "ü"},
        programs=(sample_program(*symbols),),
        exports=(ExportName("A", "data", "[*]f32", True), ExportName("compute", "func", "fn()void", True)),
        program_of=program_of,
        cells=np.arange(width * height, dtype=np.uint32).reshape(height, width, 1),
        configs=np.array([config_row(ColorConfig(0, ((16, 2),)))], np.int32),
        config_of=config_of,
    )
