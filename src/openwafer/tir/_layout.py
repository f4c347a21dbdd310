"""What the front-end makes of a layout: which program runs where, with which routes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openwafer.tir._tir import INHERITED, ColorConfig, Filter, FilterKind, Program

CONFIG_COLUMNS = (
    "current",
    "ring",
    "pop_mode",
    "teardown",
    "swap",
    "rx0",
    "tx0",
    "rx1",
    "tx1",
    "rx2",
    "tx2",
    "rx3",
    "tx3",
    "filter",
    "count_data",
    "count_control",
    "filter_control",
    "counter",
    "limit1",
    "limit2",
    "maximum",
)
"""Columns of `Layout.configs`. Masks have W E N S RAMP as bits 0–4. In a switch position -1 is a mask that is
that of the valid position before it; one with both is invalid. `filter` is its kind, 0 for none; a limit that
is not given is -1."""
POSITIONS_COLUMN, FILTER_COLUMN = CONFIG_COLUMNS.index("rx0"), CONFIG_COLUMNS.index("filter")
SWAP_COLUMN = CONFIG_COLUMNS.index("swap")
POSITIONS = 4


def config_row(config: ColorConfig) -> tuple[int, ...]:
    """A row of `Layout.configs`."""
    positions = (*config.positions, *[None] * POSITIONS)[:POSITIONS]
    masks = [mask for position in positions for mask in position or (INHERITED, INHERITED)]
    f = config.filter or Filter(FilterKind.NONE)
    limits = [-1 if limit is None else limit for limit in (f.limit1, f.limit2)]
    filter_row = (f.kind, f.count_data, f.count_control, f.filter_control, f.counter, *limits, f.maximum)
    flags = (config.current, config.ring, config.pop_mode, config.teardown, config.swap)
    return tuple(int(value) for value in (*flags, *masks, *filter_row))


def row_config(color: int, row: Sequence[int]) -> ColorConfig:
    """What `config_row` has made a row of."""
    current, ring, pop_mode, teardown, swap = map(int, row[:POSITIONS_COLUMN])
    masks = [int(mask) for mask in row[POSITIONS_COLUMN:FILTER_COLUMN]]
    pairs = zip(masks[::2], masks[1::2], strict=True)
    positions = tuple(None if pair == (INHERITED, INHERITED) else pair for pair in pairs)
    kind, data, control, only_control, counter, limit1, limit2, maximum = map(int, row[FILTER_COLUMN:])
    low, high = (None if limit < 0 else limit for limit in (limit1, limit2))
    found = Filter(
        FilterKind(kind), bool(data), bool(control), bool(only_control), counter, low, high, maximum
    )
    return ColorConfig(
        color, positions, current, bool(ring), pop_mode, bool(teardown), found if kind else None, swap
    )


def effective_positions(
    positions: Sequence[tuple[int, int] | None],
) -> tuple[tuple[int, int] | None, ...]:
    """Switch positions with the masks that they inherit."""
    before, out = (0, 0), list[tuple[int, int] | None]()
    for position in positions:
        if position is None:
            out.append(None)
            continue
        rx, tx = (old if mask == INHERITED else mask for mask, old in zip(position, before, strict=True))
        before = rx, tx
        out.append(before)
    return tuple(out)


@dataclass(frozen=True, slots=True)
class ExportName:
    """`@export_name`: `type` as CSL text; `kind` is `func` or `data`."""

    name: str
    kind: str
    type: str
    mutable: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A compiled layout of `width` × `height` PEs.

    `program_of[y, x]` indexes `programs` (-1: no code). `cells[y, x, k]` are parameter cells as u32 words.
    `config_of[y, x, color]` indexes the rows of `configs`, -1 for a color without a route.
    `params` are the values of the layout file's parameters, as text; `sources` the texts of the files that
    the programs' locations name, by path."""

    arch: str
    width: int
    height: int
    fabric_dims: tuple[int, int]
    fabric_offsets: tuple[int, int]
    params: dict[str, str]
    programs: tuple[Program, ...]
    exports: tuple[ExportName, ...]
    program_of: NDArray[np.int32]
    cells: NDArray[np.uint32]
    configs: NDArray[np.int32]
    config_of: NDArray[np.int16]
    sources: dict[str, str] = field(default_factory=dict[str, str])
