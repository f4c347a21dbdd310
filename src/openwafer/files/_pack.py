"""Values for another process of this computer, read-only mappings included."""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


def pack(value: object) -> bytes:
    """`value` as `pickle.loads` reads it; of processes that we started ourselves only."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer)
    pickler.dispatch_table = copyreg.dispatch_table | {MappingProxyType: _frozen}
    pickler.dump(value)
    return buffer.getvalue()


def _frozen(table: Mapping[str, Any]) -> tuple[Any, tuple[dict[str, Any]]]:
    return _freeze, (dict(table),)


def _freeze(table: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(table)
