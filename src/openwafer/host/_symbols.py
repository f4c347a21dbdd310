"""What the host can name: exported arrays and functions."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from openwafer.csl import ExportName, Layout
from openwafer.diag import DiagnosticError, error, suggest
from openwafer.host._extent import exported_bytes
from openwafer.tir import Export


@dataclass(frozen=True, slots=True)
class Rectangle:
    """PEs (x, y) … (x + w - 1, y + h - 1) of the program's rectangle."""

    x: int
    y: int
    w: int
    h: int


class Symbols:
    """The exported symbols of a layout. A symbol's id is its place among the layout's `@export_name`s."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._ids = {export.name: i for i, export in enumerate(layout.exports)}
        self._of_program = [{e.name: e for e in program.exports} for program in layout.programs]
        self._bytes: dict[int, dict[str, int]] = {}

    def id(self, name: Any) -> int:
        """The id of a name. Diagnostics: unknown-host-symbol."""
        found = self._ids.get(name) if isinstance(name, str) else None
        if found is None:
            names = ", ".join(f"`{n}`" for n in self._ids) or "nothing"
            raise error(
                "unknown-host-symbol",
                f"the program exports no symbol `{name}`",
                notes=(f"it exports {names}",),
                help=suggest(str(name), self._ids),
            )
        return found

    def array(self, symbol: Any, *, written: bool) -> ExportName:
        """The exported array of an id (or name); `written` says that the host writes to it.

        Diagnostics: unknown-host-symbol, host-symbol-kind, host-symbol-read-only."""
        export = self._export(symbol)
        if export.kind == "func":
            raise error(
                "host-symbol-kind",
                f"`{export.name}` is a function, memcpy needs an array",
                help=f'`launch("{export.name}", …)` runs it',
            )
        if written and not export.mutable:
            raise error(
                "host-symbol-read-only",
                f"`{export.name}` is exported as immutable, the host cannot write to it",
                help=f'`@export_name("{export.name}", {export.type}, true)` lets the host write',
            )
        return export

    def function(self, symbol: Any) -> tuple[ExportName, Export]:
        """The exported function of a name (or id), with its parameters.

        Diagnostics: unknown-host-symbol, host-symbol-kind, host-symbol-not-on-pe."""
        export = self._export(symbol)
        if export.kind != "func":
            raise error(
                "host-symbol-kind", f"`{export.name}` is an array of type {export.type}, not a function"
            )
        for program in self._of_program:
            found = program.get(export.name)
            if found is not None and found.kind == "func":
                return export, found
        raise error("host-symbol-not-on-pe", f"no PE exports function `{export.name}`", help=_EXPORT)

    def check_present(self, name: str, rectangle: Rectangle) -> None:
        """Diagnostics: host-symbol-not-on-pe, when a PE of the rectangle does not export the array."""
        r = rectangle
        has = np.array([*(name in program for program in self._of_program), False])
        missing = ~has[self._layout.program_of[r.y : r.y + r.h, r.x : r.x + r.w]]
        if not missing.any():
            return
        y, x = (int(i) for i in np.argwhere(missing)[0])
        raise error(
            "host-symbol-not-on-pe",
            f"PE ({r.x + x}, {r.y + y}) does not export `{name}`",
            notes=(f"{int(missing.sum())} of the {r.w} × {r.h} PEs do not",),
            help=_EXPORT,
        )

    def check_extent(self, name: str, rectangle: Rectangle, length: int, element_bytes: int) -> None:
        """Diagnostics: memcpy-beyond-array, when a PE's array ends before the copy does."""
        r = rectangle
        for number in np.unique(self._layout.program_of[r.y : r.y + r.h, r.x : r.x + r.w]):
            size = self._bytes_of_program(int(number)).get(name)
            if size is not None and length * element_bytes > size:
                raise self._beyond(int(number), name, size, length, element_bytes)

    def _bytes_of_program(self, number: int) -> dict[str, int]:
        if number not in self._bytes:
            self._bytes[number] = exported_bytes(self._layout.programs[number])
        return self._bytes[number]

    def _beyond(self, number: int, name: str, size: int, length: int, element_bytes: int) -> DiagnosticError:
        bits, program = 8 * element_bytes, self._layout.programs[number]
        return error(
            "memcpy-beyond-array",
            f"{length:,} elements of {bits} bits a PE are copied, `{name}` has {size:,} bytes",
            notes=(f"`{program.name}` exports `{name}`; behind it lie other variables",),
            help=f"`elem_per_pe` can be {size // element_bytes:,} at most",
        )

    def rectangle(self, x: Any, y: Any, w: Any, h: Any) -> Rectangle:
        """The checked rectangle. Diagnostics: memcpy-rectangle."""
        r = Rectangle(*(index(name, value) for name, value in (("x", x), ("y", y), ("w", w), ("h", h))))
        width, height = self._layout.width, self._layout.height
        if r.w < 1 or r.h < 1 or r.x < 0 or r.y < 0 or r.x + r.w > width or r.y + r.h > height:
            raise error(
                "memcpy-rectangle",
                f"the rectangle at ({r.x}, {r.y}) of {r.w} × {r.h} PEs is not inside the program's "
                f"{width} × {height} PEs",
                help="coordinates are those of the program's rectangle, without the fabric offsets",
            )
        return r

    def _export(self, symbol: Any) -> ExportName:
        if isinstance(symbol, str):
            symbol = self.id(symbol)
        number = index("symbol", symbol)
        if not 0 <= number < len(self._layout.exports):
            raise error(
                "unknown-host-symbol",
                f"{number} is not the id of an exported symbol",
                help="`get_id(name)` gives the id; colors need `streaming=True`",
            )
        return self._layout.exports[number]


_EXPORT = "`@export_symbol` in the PE's program exports it"


def index(name: str, value: Any) -> int:
    """An integer argument. Diagnostics: host-argument."""
    try:
        return operator.index(value)
    except TypeError:
        raise error(
            "host-argument", f"`{name}` must be an integer, found {value!r} of type {type(value).__name__}"
        ) from None
