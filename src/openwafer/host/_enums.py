"""Enumerations of the host interface, with the names of the SDK."""

from __future__ import annotations

import enum
from typing import Literal


class MemcpyDataType(enum.Enum):
    """Size of the elements on the device. On the host each has a container of 32 bits."""

    MEMCPY_16BIT = 0
    MEMCPY_32BIT = 1

    @property
    def element_bytes(self) -> Literal[2, 4]:
        return 2 if self is MemcpyDataType.MEMCPY_16BIT else 4


class MemcpyOrder(enum.Enum):
    """How a flat host array holds `A[h][w][l]`: l fastest, or h fastest, then w, then l."""

    ROW_MAJOR = 0
    COL_MAJOR = 1


class SdkTarget(enum.Enum):
    """An architecture."""

    WSE2 = "wse2"
    WSE3 = "wse3"
