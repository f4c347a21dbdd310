"""What a layout says of its PEs: their code and their routes, set one by one or for many PEs at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwafer.csl.values._values import Value
from openwafer.diag import Span

Places = NDArray[np.int64]
"""One coordinate of each PE concerned."""


@dataclass(slots=True, frozen=True)
class TileCode:
    """One `@set_tile_code`: the file (absolute) and its parameters."""

    path: str
    params: dict[str, Value]
    span: Span


@dataclass(slots=True)
class Batch:
    """PEs that one `@set_tile_code` gave their code. `varying` has the numbers that differ between them, by
    their place among all numbers of the parameters."""

    tile: TileCode
    xs: Places
    ys: Places
    varying: dict[int, NDArray[Any]] = field(default_factory=dict[int, NDArray[Any]])


class Tiles:
    """The code of all PEs of a rectangle."""

    def __init__(self, width: int, height: int) -> None:
        self.batches: list[Batch] = []
        self.of = np.full((height, width), -1, np.int32)
        """Number of each PE's batch, -1 where there is no code yet."""

    def at(self, x: int, y: int) -> TileCode | None:
        number = int(self.of[y, x])
        return None if number < 0 else self.batches[number].tile

    def add(self, batch: Batch) -> None:
        self.of[batch.ys, batch.xs] = len(self.batches)
        self.batches.append(batch)

    def missing(self) -> list[tuple[int, int]]:
        """The PEs (x, y) without code, row by row."""
        return [(int(x), int(y)) for y, x in np.argwhere(self.of < 0)]
