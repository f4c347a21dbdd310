"""What compiling a model costs does not grow with the number of PEs: the layout has as many passes as there
are roles, and all PEs share one machine code."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

pytest.importorskip("torch")

import torch

import openwafer
from openwafer.codegen._compile import code_of
from openwafer.csl import _compile as csl_compile
from openwafer.csl.layout import _loop_record as record
from openwafer.machine import Machine
from openwafer.nn.kernels._collectives import Axis, Line, axis_resources
from openwafer.nn.program import _emit as emit
from openwafer.nn.run._device import compile_emitted

SIDES = (40, 56)
"""With groups of four, both have groups of the same kinds at the ends of their lines."""


def line_of_groups(machine: Machine, axis: Axis, length: int, counts: Iterable[int]) -> Line:
    return Line(length, (length - 1) // 2, 4 if axis == "x" else 1, axis_resources(machine, axis))


def counted(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[str]:
    """Grows by one with every call of the function."""
    calls: list[str] = []
    function = getattr(module, name)

    def call(*args: object) -> object:
        calls.append(name)
        return function(*args)

    monkeypatch.setattr(module, name, call)
    return calls


def test_compiling_does_not_grow_with_the_rectangle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emit, "choose_line", line_of_groups)
    passes = counted(monkeypatch, record, "_record")
    programs = counted(monkeypatch, csl_compile, "compile_program")
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    inputs, labels = torch.randn(3, 8), torch.randint(0, 4, (3,))
    found: list[tuple[int, ...]] = []
    for side in SIDES:
        loss = torch.nn.functional.cross_entropy
        wafer = openwafer.Wafer("wse3", (side, side))
        step = openwafer.compile_training(model, loss, optimizer, (inputs, labels), wafer)
        passes.clear()
        programs.clear()
        layout = compile_emitted(step.session.emitted, wafer.load()).layout
        codes = {id(program.functions): code_of(program) for program in layout.programs}
        found.append((len(passes), len(programs), len(layout.programs), len(codes)))
    assert found[0] == found[1]
    assert found[0][1] == found[0][3] == 1
