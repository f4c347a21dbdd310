"""What must hold for an image besides the types of its fields: shapes and index ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from openwafer.csl import CONFIG_COLUMNS, Layout
from openwafer.csl import _tir as tir
from openwafer.csl._tir import Program

MAX_ADDRESS = 1 << 16
"""Addresses are 16 bits."""


def layout_faults(layout: Layout) -> Iterator[str]:
    """What is wrong with shapes, element types and indices; nothing when all is well."""
    here = (layout.height, layout.width)
    arrays: tuple[tuple[str, Any, str, int, tuple[int, ...]], ...] = (
        ("program_of", layout.program_of, "int32", 2, here),
        ("cells", layout.cells, "uint32", 3, here),
        ("config_of", layout.config_of, "int16", 3, here),
        ("configs", layout.configs, "int32", 2, ()),
    )
    for name, array, dtype, dims, shape in arrays:
        if array.dtype != np.dtype(dtype) or array.ndim != dims or array.shape[: len(shape)] != shape:
            yield f"{name} is {array.dtype}{list(array.shape)}"
            return
    if layout.configs.shape[1] != len(CONFIG_COLUMNS):
        yield f"configs has {layout.configs.shape[1]} columns"
    yield from _index_faults("program_of", layout.program_of, len(layout.programs))
    yield from _index_faults("config_of", layout.config_of, len(layout.configs))
    for program in layout.programs:
        if len(program.params) > layout.cells.shape[2]:
            yield f"program `{program.name}` has more parameter cells than there are"
        yield from (f"program `{program.name}`: {fault}" for fault in _program_faults(program))


def _index_faults(name: str, array: Any, count: int) -> Iterator[str]:
    if array.size and (array.min() < -1 or array.max() >= count):
        yield f"{name} has indices outside -1 … {count - 1}"


def _program_faults(program: Program) -> Iterator[str]:
    functions, symbols = len(program.functions), len(program.symbols)
    for symbol in program.symbols:
        if symbol.size < 0 or symbol.address < 0 or symbol.address + symbol.size > MAX_ADDRESS:
            yield f"symbol `{symbol.name}` lies outside memory"
        if len(symbol.init) > symbol.size:
            yield f"symbol `{symbol.name}` is larger than its size"
    targets = [(e.name, e.target, functions if e.kind == "func" else symbols) for e in program.exports]
    targets += [(f"task {t.id}", t.function, functions) for t in program.tasks]
    targets += [(f"FIFO {i}", f.symbol, symbols) for i, f in enumerate(program.fifos)]
    targets += [("init", program.init, functions)] if program.init is not None else []
    yield from (f"{name} names {i} of {count}" for name, i, count in targets if not 0 <= i < count)
    for function in program.functions:
        yield from (f"`{function.name}`: {fault}" for fault in _function_faults(program, function))


def _function_faults(program: Program, function: tir.Function) -> Iterator[str]:
    slots = len(function.slots)
    if not 0 <= function.params <= slots:
        yield "has fewer slots than parameters"
    for node in _nodes(function.body):
        for field, count in _limits(program, slots, node):
            index = getattr(node, field)
            if index is not None and not 0 <= index < count:
                yield f"{type(node).__name__}.{field} is {index}, of {count}"


def _limits(program: Program, slots: int, node: tir.Base) -> Iterator[tuple[str, int]]:
    match node:
        case tir.Local() | tir.Set() | tir.Random16() | tir.ReadConfig():
            yield "slot", slots
        case tir.Addr():
            yield "symbol", len(program.symbols)
        case tir.Param():
            yield "index", len(program.params)
        case tir.Dsr() | tir.LoadDsr() | tir.SetDsr():
            yield "index", len(program.dsrs)
        case tir.Call():
            yield "function", len(program.functions)
            yield "result", slots
        case tir.DsdOp():
            yield "result", slots
        case tir.SetFifoLength():
            yield "fifo", len(program.fifos)
        case _:
            pass
    if getattr(node, "loc", -1) != -1:
        yield "loc", len(program.locations)


def _nodes(value: Any) -> Iterator[tir.Base]:
    """All nodes below a tuple of statements, without recursion."""
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            stack.extend(cast("tuple[Any, ...]", item))
        elif isinstance(item, tir.Base):
            yield item
            stack.extend(getattr(item, f) for f in item.__struct_fields__)
