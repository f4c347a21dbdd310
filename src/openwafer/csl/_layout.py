"""What the front-end makes of a layout: which program runs where, with which routes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.csl._tir import Program

CONFIG_COLUMNS = (
    "current",
    "ring",
    "pop_mode",
    "teardown",
    "rx0",
    "tx0",
    "rx1",
    "tx1",
    "rx2",
    "tx2",
    "rx3",
    "tx3",
)
"""Columns of `Layout.configs`. Masks have W E N S RAMP as bits 0–4; an invalid switch position has rx =
-1."""


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
    `params` are the values of the layout file's parameters, as text."""

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
    configs: NDArray[np.int16]
    config_of: NDArray[np.int16]
