"""Programs to machine code in this process, with an object cache on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import llvmlite
import msgspec
from llvmlite import binding as llvm

from openwafer import tir
from openwafer.codegen import _cache
from openwafer.codegen._abi import MEMORY_OP_SYMBOL
from openwafer.codegen._closure import source_digest
from openwafer.codegen._layout import Piece, ProgramLayout
from openwafer.codegen._module import build_module, entry_name
from openwafer.codegen._object_file import ObjectFile, initialize, make_object, target_machine
from openwafer.cost import add_costs
from openwafer.machine import Machine

ROOTS = ("openwafer.cost._cost", "openwafer.codegen._object_file")
"""What makes machine code of a program: the sources of these modules."""


@dataclass(frozen=True, slots=True, eq=False)
class CompiledProgram:
    """Machine code of one program; it lives as long as this object.

    `entries` maps function indices to addresses of `i32 entry(i8* ctx)`; `frame_bytes` is the size of each
    PE's frame; `dsr_offsets` are the places of the DSR records in it; `messages` what `Fault.ASSERT`
    indexes, `pieces` what `Status.PRINT` does."""

    entries: dict[int, int]
    frame_bytes: int
    dsr_offsets: tuple[int, ...]
    messages: tuple[str, ...]
    pieces: tuple[Piece, ...]
    is_cached: bool
    _engine: Any = field(repr=False)


def compile_program(program: tir.Program, machine: Machine, *, use_cache: bool = True) -> CompiledProgram:
    """Machine code of a program that has been through `add_costs`.

    Cost: about 20 ms for a kernel, 1 ms from the cache. Raises `unknown-intrinsic`, `recursive-call`."""
    return _compiled(_key(program, machine), lambda: make_object(program, machine), use_cache)


def compile_code(code: tir.Program, machine: Machine, *, profile: bool = False) -> CompiledProgram:
    """Machine code of a program that has not been through `add_costs`; costs are added on a miss of the cache
    only. Raises `unknown-intrinsic`, `recursive-call`."""
    key = _key(code, machine, "profile" if profile else "costs")
    return _compiled(key, lambda: make_object(add_costs(code, machine, profile=profile), machine), True)


def _compiled(key: str, make: Callable[[], ObjectFile], use_cache: bool) -> CompiledProgram:
    """What the cache has, or what is made and goes there."""
    initialize()
    cached = _cache.read(key, ObjectFile) if use_cache else None
    if cached is not None:
        return _link(cached, is_cached=True)
    made = make()
    if use_cache:
        _cache.write(key, made)
    return _link(made, is_cached=False)


def code_of(program: tir.Program) -> tir.Program:
    """The program without what its machine code does not depend on: queues and routes, where its sources lie,
    and the names of its symbols, in which that stands. Equal results have equal machine code."""
    symbols = tuple(msgspec.structs.replace(symbol, name="") for symbol in program.symbols)
    return msgspec.structs.replace(program, name="", queues=(), colors=(), locations=(), symbols=symbols)


def bind_memory_op(address: int) -> None:
    """Makes `address` the function behind `MEMORY_OP_SYMBOL` for all programs linked from now on."""
    llvm.add_symbol(MEMORY_OP_SYMBOL, address)


def emit_llvm(program: tir.Program, machine: Machine) -> str:
    """The LLVM IR of a program before optimisation, to look at."""
    return str(build_module(ProgramLayout(program), machine))


@cache
def _host() -> bytes:
    """What of this host and of this compiler decides the machine code."""
    parts = (llvmlite.__version__, llvm.get_process_triple(), llvm.get_host_cpu_name())
    features = llvm.get_host_cpu_features().flatten()
    return "\0".join((*parts, features, *map(source_digest, ROOTS))).encode()


def _key(program: tir.Program, machine: Machine, *stages: str) -> str:
    """Of a program and of the passes that it goes through before it is compiled."""
    digest = hashlib.sha256(msgspec.msgpack.encode((program, stages)))
    digest.update(machine.hash().encode())
    digest.update(_host())
    return digest.hexdigest()


def _link(made: ObjectFile, *, is_cached: bool) -> CompiledProgram:
    if made.calls_engine and not llvm.address_of_symbol(MEMORY_OP_SYMBOL):
        raise RuntimeError("bind_memory_op must be called before a program with DSD operations is compiled")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(made.code))
    engine.finalize_object()
    entries = {index: engine.get_function_address(entry_name(index)) for index in made.entries}
    return CompiledProgram(
        entries, made.frame_bytes, made.dsr_offsets, made.messages, made.pieces, is_cached, engine
    )
