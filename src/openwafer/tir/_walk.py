"""Walks over the typed IR that several passes need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from openwafer.tir import _tir as tir


def walk(node: Any) -> Iterator[Any]:
    """`node` and all structs under it, parents first."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            stack.extend(reversed(item))  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(item, msgspec.Struct):
            yield item
            parts = [getattr(item, name) for name in item.__struct_fields__]
            stack += [part for part in reversed(parts) if isinstance(part, (tuple, msgspec.Struct))]


def is_static(expr: tir.Expr) -> bool:
    """Whether the expression is the same in the whole life of a PE: nothing but constants, parameter cells,
    coordinates and addresses of symbols."""
    return all(not isinstance(node, (tir.Local, tir.Load)) for node in walk(expr))


def any_node(node: Any, test: Callable[[Any], bool]) -> bool:
    return any(test(n) for n in walk(node))
