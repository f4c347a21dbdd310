"""`cerebras.sdk.debug.debug_util`: variables and traces of a program that has ended."""

from __future__ import annotations

import os
import struct
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from openwafer.host._core import as_array, check_place, core_path, read_core
from openwafer.host._platform import hardware
from openwafer.host._symbols import Rectangle, index
from openwafer.image import read

Trace = list[bool | int | float | str]
_WORDS = {"h": 1, "H": 1, "e": 1, "i": 2, "I": 2, "f": 2, "t": 3, "s": 1}
"""Words behind the tag of a record, see `csl/lib/debug.csl`."""


class debug_util:
    """Variables by name on PEs of the fabric. Coordinates (column, row) begin at the corner of the fabric.

    `name` is the image directory. Diagnostics: no-core, those of `image.read`, and not-supported-hardware."""

    def __init__(self, name: str | os.PathLike[str], *, cmaddr: str | None = None, **_: Any) -> None:
        if cmaddr:
            raise hardware(cmaddr)
        self._image = read(name)
        self._core = read_core(self._image, core_path(name))

    def get_symbol(self, col: int, row: int, symbol: str, dtype: DTypeLike) -> NDArray[Any]:
        """The elements of a variable, flat. Diagnostics: core-place, unknown-device-symbol, symbol-type."""
        x, y = self._place(Rectangle(index("col", col), index("row", row), 1, 1))
        return as_array(self._core.symbol(x, y, symbol), symbol, dtype)

    def get_symbol_rect(
        self, rectangle: tuple[tuple[int, int], tuple[int, int]], symbol: str, dtype: DTypeLike
    ) -> NDArray[Any]:
        """`[column, row, element]` for the PEs of ((col, row), (width, height))."""
        (col, row), (w, h) = rectangle
        x, y = self._place(Rectangle(col, row, w, h))
        return np.array(
            [
                [as_array(self._core.symbol(x + i, y + j, symbol), symbol, dtype) for j in range(h)]
                for i in range(w)
            ]
        )

    def read_trace(self, col: int, row: int, key: str) -> Trace:
        """What the `<debug>` module of that key has recorded: numbers, bools, strings; time stamps in cycles.

        Diagnostics: core-place, unknown-device-symbol."""
        x, y = self._place(Rectangle(index("col", col), index("row", row), 1, 1))
        words = np.frombuffer(self._core.symbol(x, y, f"<debug> {key}"), "<u2")
        used = int.from_bytes(self._core.symbol(x, y, f"<debug> length of {key}"), "little")
        return self._records(x, y, [int(word) for word in words[:used]])

    def _records(self, x: int, y: int, words: list[int]) -> Trace:
        trace: Trace = []
        at = 0
        while at < len(words):
            tag, high = chr(words[at] & 0xFF), words[at] >> 8
            count = _WORDS.get(tag, 0)
            data = struct.pack(f"<{count}H", *words[at + 1 : at + 1 + count])
            trace.append(self._value(x, y, tag, high, data))
            at += 1 + count
        return trace

    def _value(self, x: int, y: int, tag: str, high: int, data: bytes) -> bool | int | float | str:
        match tag:
            case "?" | "b" | "B":
                return struct.unpack(tag, bytes((high,)))[0]
            case "t":
                return int.from_bytes(data, "little")
            case "s":
                return self._string(x, y, int.from_bytes(data, "little"))
            case _:
                return struct.unpack(f"<{tag}", data)[0]

    def _string(self, x: int, y: int, address: int) -> str:
        size = int.from_bytes(self._core.memory(x, y, address, 2), "little")
        return self._core.memory(x, y, address + 2, size).decode()

    def _place(self, r: Rectangle) -> tuple[int, int]:
        """Coordinates in the program's rectangle."""
        layout = self._image.layout
        dx, dy = layout.fabric_offsets
        check_place(layout, Rectangle(r.x - dx, r.y - dy, r.w, r.h))
        return r.x - dx, r.y - dy
