"""What must hold for an image besides the types of its fields: the table of a layout, and its programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from openwafer.csl import CONFIG_COLUMNS, ExportName, Layout
from openwafer.image._addresses import SYSTEM_BYTES
from openwafer.image._rules import MOST_TEXT, Illegal
from openwafer.image._scope import Scope
from openwafer.machine import BUILT_IN
from openwafer.tir import SWAP_COLUMN, Program

MOST_SIDE = (1 << 15) - 1
MOST_PES = 1 << 22
"""PEs of a rectangle; the largest wafer has a fifth of them."""
MOST_CELLS, MOST_CONFIGS, MOST_COLORS = 1 << 12, (1 << 15) - 1, 31
MOST_PROGRAMS, MOST_EXPORTS, MOST_SOURCE = 1 << 20, 1 << 16, 1 << 22
MOST_OFFSET = 1 << 16

Test: TypeAlias = Callable[[Layout, Any], bool]

COLUMNS: Mapping[str, tuple[int, int]] = {
    "current": (0, 3), "ring": (0, 1), "pop_mode": (0, 3), "teardown": (0, 1), "swap": (0, 2),
    "rx0": (0, 31), "tx0": (0, 31), **dict.fromkeys(("rx1", "tx1", "rx2", "tx2", "rx3", "tx3"), (-1, 31)),
    "filter": (0, 3), "count_data": (0, 1), "count_control": (0, 1), "filter_control": (0, 1),
    "counter": (0, 0xFFFF), "limit1": (-1, 0xFFFF), "limit2": (-1, 0xFFFF), "maximum": (0, 0xFFFF),
}  # fmt: skip
"""The least and the largest value of each column of `Layout.configs`."""


def _texts(values: Mapping[str, str]) -> bool:
    return all(len(name) <= MOST_TEXT and len(text) <= MOST_TEXT for name, text in values.items())


def _is_array(array: Any, dtype: str, shape: tuple[int | None, ...]) -> bool:
    """Whether an array has a type and a shape, in which None is any number."""
    if array.dtype != np.dtype(dtype) or array.ndim != len(shape):
        return False
    return all(want is None or want == size for want, size in zip(shape, array.shape, strict=True))


def _is_export(export: ExportName) -> bool:
    return export.kind in ("func", "data") and max(len(export.name), len(export.type)) <= MOST_TEXT


def _indices(array: NDArray[Any], count: int) -> bool:
    return not array.size or bool(array.min() >= -1 and array.max() < count)


def _configs(layout: Layout, configs: NDArray[np.int32]) -> bool:
    if not _is_array(configs, "int32", (None, len(CONFIG_COLUMNS))) or len(configs) > MOST_CONFIGS:
        return False
    low, high = (np.array([COLUMNS[name][side] for name in CONFIG_COLUMNS]) for side in (0, 1))
    return bool(((configs >= low) & (configs <= high)).all())


def _config_of(layout: Layout, array: NDArray[np.int16]) -> bool:
    here = (layout.height, layout.width, None)
    return (
        _is_array(array, "int16", here)
        and array.shape[2] <= MOST_COLORS
        and _indices(array, len(layout.configs))
    )


def _program_of(layout: Layout, array: NDArray[np.int32]) -> bool:
    return _is_array(array, "int32", (layout.height, layout.width)) and _indices(array, len(layout.programs))


def _cells(layout: Layout, cells: NDArray[np.uint32]) -> bool:
    return _is_array(cells, "uint32", (layout.height, layout.width, None)) and cells.shape[2] <= MOST_CELLS


def _pair(low: int, high: int) -> Test:
    return lambda layout, value: all(low <= part <= high for part in value)


LAYOUT: Mapping[str, Test] = {
    "arch": lambda layout, value: value in BUILT_IN,
    "width": lambda layout, value: 1 <= value <= MOST_SIDE,
    "height": lambda layout, value: 1 <= value <= MOST_SIDE and layout.width * value <= MOST_PES,
    "fabric_dims": _pair(1, MOST_OFFSET),
    "fabric_offsets": _pair(0, MOST_OFFSET),
    "params": lambda layout, value: _texts(value),
    "programs": lambda layout, value: len(value) <= MOST_PROGRAMS,
    "exports": lambda layout, value: len(value) <= MOST_EXPORTS and all(map(_is_export, value)),
    "configs": _configs,
    "program_of": _program_of,
    "cells": _cells,
    "config_of": _config_of,
    "sources": lambda layout, value: all(len(text) <= MOST_SOURCE for text in value.values()),
}
"""What each field of a `Layout` may hold, in the order in which they are looked at."""


def layout_faults(layout: Layout) -> Iterator[str]:
    """What is wrong with an image's layout and programs, the first of each; nothing when all is well."""
    assert {field.name for field in fields(layout)} == set(LAYOUT)
    for name, test in LAYOUT.items():
        if not test(layout, getattr(layout, name)):
            yield f"{name} is {_shown(getattr(layout, name))}"
            return
    yield from _swap_faults(layout)
    for program in layout.programs:
        if fault := _program_fault(layout, program):
            yield f"program `{program.name[:60]}`: {fault}"


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        array = cast("NDArray[Any]", value)
        return f"{array.dtype}{list(array.shape)}, or has values that it cannot have"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _swap_faults(layout: Layout) -> Iterator[str]:
    """Colors that swap belong to pairs."""
    if layout.config_of.shape[2] % 2 and layout.configs[:, SWAP_COLUMN].any():
        yield "a color without a pair swaps"


def _program_fault(layout: Layout, program: Program) -> str | None:
    if program.arch != layout.arch:
        return f"it is for {program.arch[:16]}"
    if len(program.params) > layout.cells.shape[2]:
        return "it has more parameter cells than there are"
    if len(program.colors) + len(layout.configs) > MOST_CONFIGS:
        return "there are too many routes"
    try:
        Scope(program).struct(program)
    except Illegal as reason:
        return str(reason)
    return _address_fault(program)


def _address_fault(program: Program) -> str | None:
    """Symbols lie one behind the other, at their alignments."""
    end = SYSTEM_BYTES
    for symbol in program.symbols:
        if symbol.address < end or symbol.address % max(symbol.align, 1):
            return f"symbol `{symbol.name[:60]}` lies at {symbol.address}, what is before it ends at {end}"
        end = symbol.address + symbol.size
    return None
