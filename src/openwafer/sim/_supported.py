"""What the front-end compiles and the fast engine cannot run yet: said before the first cycle."""

from __future__ import annotations

from openwafer.codegen._walk import walk
from openwafer.csl import _tir as tir
from openwafer.diag import error
from openwafer.image import Image

_MEMORY = (tir.DsdKind.MEM1D, tir.DsdKind.MEM4D)


def check_supported(image: Image) -> None:
    """Raises `not-supported-…` for FIFOs, control tasks, `.on_control`, indexed memory and printing."""
    for program in image.layout.programs:
        if program.fifos:
            raise error("not-supported-fifo", f"{program.name}: FIFOs are not supported yet")
        if any(task.kind == "control" for task in program.tasks):
            raise error("not-supported-control-task", f"{program.name}: control tasks are not supported yet")
        for function in program.functions:
            _check(program, function.body)
            _check_records(program, function)


def _check_records(program: tir.Program, function: tir.Function) -> None:
    for node in walk(function):
        if isinstance(node, tir.DsdMake) and _is_indexed_memory(node):
            message = f"{program.name}: `.wavelet_index_offset` of a memory DSD is not supported yet"
            raise error("not-supported-wavelet-index", message)


def _is_indexed_memory(record: tir.DsdMake) -> bool:
    kind, flags = record.words[tir.DsdWord.KIND], record.words[tir.DsdWord.FLAGS]
    if not isinstance(kind, tir.Const) or not isinstance(flags, tir.Const):
        return False
    return kind.value in _MEMORY and bool(int(flags.value) & tir.DsdFlag.WAVELET_INDEX)


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
