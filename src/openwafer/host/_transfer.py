"""The options that all memcpy functions share, checked."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from openwafer.diag import error, suggest
from openwafer.host._arrays import Shape
from openwafer.host._enums import MemcpyDataType, MemcpyOrder
from openwafer.host._symbols import Rectangle, Symbols, index

_OPTIONS = ("streaming", "data_type", "order", "nonblock")
_Enum = TypeVar("_Enum", bound=enum.Enum)


@dataclass(frozen=True, slots=True)
class Transfer:
    """`length` elements for each PE of a rectangle. A stream goes by color, a copy by symbol."""

    rectangle: Rectangle
    length: int
    element_bytes: Literal[2, 4]
    order: MemcpyOrder
    streaming: bool
    nonblock: bool

    @property
    def shape(self) -> Shape:
        return self.rectangle.h, self.rectangle.w, self.length


def check_transfer(
    symbols: Symbols, function: str, place: tuple[int, int, int, int], length: Any, options: Mapping[str, Any]
) -> Transfer:
    """`place` is (px, py, w, h). Diagnostics: host-argument, memcpy-rectangle."""
    if unknown := next((name for name in options if name not in _OPTIONS), None):
        raise error(
            "host-argument", f"`{function}` has no option `{unknown}`", help=suggest(unknown, _OPTIONS)
        )
    count = index("elem_per_pe", length)
    if count < 1:
        raise error("host-argument", f"`elem_per_pe` must be at least 1, found {count}")
    size = _member("data_type", options.get("data_type", MemcpyDataType.MEMCPY_32BIT), MemcpyDataType)
    order = _member("order", options.get("order", MemcpyOrder.ROW_MAJOR), MemcpyOrder)
    streaming, nonblock = (bool(options.get(name)) for name in ("streaming", "nonblock"))
    return Transfer(symbols.rectangle(*place), count, size.element_bytes, order, streaming, nonblock)


def _member(name: str, value: Any, kind: type[_Enum]) -> _Enum:
    if not isinstance(value, kind):
        members = " or ".join(f"{kind.__name__}.{m.name}" for m in kind)
        raise error("host-argument", f"`{name}` must be {members}, found {value!r}")
    return value
