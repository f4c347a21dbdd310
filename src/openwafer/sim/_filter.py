"""Filters: which wavelets a router gives to its PE. Plain integer functions that numba compiles."""

from __future__ import annotations

from openwafer.tir import FilterKind

NONE, COUNTER, SPARSE, RANGE = (int(kind) for kind in FilterKind)
INDEX_SHIFT, COUNTER_MASK = 16, 0xFFFF


def accepts(
    kind: int, only_control: int, counter: int, limit1: int, maximum: int, is_control: bool, data: int
) -> bool:
    """Whether a wavelet that comes now passes."""
    if kind == NONE:
        return True
    if kind == RANGE:
        return is_control or limit1 <= (data >> INDEX_SHIFT) & COUNTER_MASK <= maximum
    if only_control:
        return is_control and counter == maximum
    return counter <= maximum


def after(counter: int, limit1: int) -> int:
    """The counter behind a wavelet that counts."""
    return 0 if counter == limit1 else (counter + 1) & COUNTER_MASK


def is_spent(kind: int, counter: int, limit1: int, limit2: int) -> bool:
    """Whether a wavelet that counts is the last that a sparse counter looks at."""
    return kind == SPARSE and counter == limit1 and limit2 < 0
