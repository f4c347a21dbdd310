"""What programs print: values as text, and the lines of the simulator's log."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Line:
    """A line that PE (x, y) ended in `cycle`."""

    cycle: int
    x: int
    y: int
    text: str


def value_text(format: str, type: str, bits: int) -> str:
    """A value, given by its bits, as `tir.Print.format` says.

    `d` is decimal; `X` and `b` are padded with zeros to the width of the type; `f` is the shortest decimal
    that reads back as the same f16 or f32."""
    width = int(type[1:])
    bits &= (1 << width) - 1
    match format:
        case "X":
            return f"{bits:0{width // 4}X}"
        case "b":
            return f"{bits:0{width}b}"
        case "f":
            return _float_text(bits, width)
        case _:
            return str(bits - (1 << width) if type[0] == "i" and bits >> (width - 1) else bits)


def _float_text(bits: int, width: int) -> str:
    integer, real = (np.uint16, np.float16) if width == 16 else (np.uint32, np.float32)
    return str(np.array(bits, integer).view(real)[()])


@dataclass(slots=True)
class PrintLog:
    """Collects pieces of text by PE; a newline ends a line."""

    _open: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    _lines: list[Line] = field(default_factory=list[Line])

    def add(self, cycle: int, x: int, y: int, piece: str) -> None:
        *ended, rest = (self._open.pop((x, y), "") + piece).split("\n")
        self._lines += [Line(cycle, x, y, text) for text in ended]
        if rest:
            self._open[x, y] = rest

    def lines(self) -> list[Line]:
        """By cycle, then by place in row-major order, then as printed."""
        return sorted(self._lines, key=operator.attrgetter("cycle", "y", "x"))
