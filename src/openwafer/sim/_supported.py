"""What the front-end compiles and the engines cannot run yet: said before the first cycle."""

from __future__ import annotations

from openwafer.csl import _tir as tir
from openwafer.diag import error
from openwafer.image import Image


def check_supported(image: Image) -> None:
    """Raises `not-supported-…` for a program with FIFOs, control tasks, `.on_control` or printing."""
    for program in image.layout.programs:
        if program.fifos:
            raise error("not-supported-fifo", f"{program.name}: FIFOs are not supported yet")
        if any(task.kind == "control" for task in program.tasks):
            raise error("not-supported-control-task", f"{program.name}: control tasks are not supported yet")
        for function in program.functions:
            _check(program, function.body)


def _check(program: tir.Program, body: tuple[tir.Stmt, ...]) -> None:
    for statement in body:
        match statement:
            case tir.DsdOp(on_control=tir.ControlAction()):
                raise error("not-supported-on-control", f"{program.name}: `.on_control` is not supported yet")
            case tir.SetFifoLength() | tir.Print():
                what = type(statement).__name__
                raise error("not-supported-statement", f"{program.name}: {what} is not supported yet")
            case tir.If(then=then, otherwise=otherwise):
                _check(program, then)
                _check(program, otherwise)
            case tir.Loop(body=inner, step=step):
                _check(program, inner)
                _check(program, step)
            case tir.Block(body=inner):
                _check(program, inner)
            case _:
                pass
