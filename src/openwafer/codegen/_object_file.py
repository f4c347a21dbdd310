"""The machine code of one program: what `_compile` keeps on disk."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from llvmlite import binding as llvm
from llvmlite import ir

from openwafer import tir
from openwafer.codegen._abi import MEMORY_OP_SYMBOL
from openwafer.codegen._layout import Piece, ProgramLayout
from openwafer.codegen._module import build_module, entry_functions
from openwafer.machine import Machine


class ObjectFile(msgspec.Struct, frozen=True):
    """What the cache keeps of a program. `entries` are function indices."""

    code: bytes
    entries: tuple[int, ...]
    frame_bytes: int
    dsr_offsets: tuple[int, ...]
    messages: tuple[str, ...]
    pieces: tuple[Piece, ...]
    calls_engine: bool


def make_object(program: tir.Program, machine: Machine) -> ObjectFile:
    """Of a program that has been through `add_costs`."""
    initialize()
    layout = ProgramLayout(program)
    module = build_module(layout, machine)
    return ObjectFile(
        code=_machine_code(module),
        entries=tuple(entry_functions(program)),
        frame_bytes=layout.frame_bytes,
        dsr_offsets=layout.dsr_offsets,
        messages=layout.messages,
        pieces=layout.pieces,
        calls_engine=MEMORY_OP_SYMBOL in module.globals,
    )


def _machine_code(module: ir.Module) -> bytes:
    """An object file; optimised at level 2 without vectorisation, whose compile time does not pay here."""
    target = target_machine()
    module.triple, module.data_layout = llvm.get_process_triple(), str(target.target_data)
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False
    passes = llvm.create_pass_builder(target, options)
    passes.getModulePassManager().run(parsed, passes)
    return target.emit_object(parsed)


@cache
def initialize() -> None:
    """Makes LLVM ready for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def target_machine() -> Any:
    """A new one each time: an engine takes its own with it when it goes."""
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )
