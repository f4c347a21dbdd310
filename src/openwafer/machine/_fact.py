"""One number about the machine, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Status: TypeAlias = Literal["documented", "measured", "inferred", "assumed"]
STATUSES: tuple[str, ...] = get_args(Status)

Value: TypeAlias = int | float | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """`name` is dotted (`memory.bytes_per_pe`); `value` is in `unit` ("1" when it has none).

    `status`: documented by the vendor, measured by somebody, inferred from other facts, or assumed.
    """

    name: str
    value: Value
    unit: str
    source: str
    status: Status
    note: str = ""
