"""Cycles in the graph of calls."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def call_cycles(calls: Sequence[Collection[int]]) -> list[tuple[int, ...]]:
    """The sets of functions that call each other in a circle, each as a tuple that begins with the function
    of the lowest number and follows calls where it can. `calls[f]` are the functions that `f` calls."""
    reached = [_reached(calls, f) for f in range(len(calls))]
    cycles: list[tuple[int, ...]] = []
    done: set[int] = set()
    for f in range(len(calls)):
        if f in done or f not in reached[f]:
            continue
        members = {g for g in reached[f] if f in reached[g]}
        done |= members
        cycles.append(_in_order(calls, f, members))
    return cycles


def _reached(calls: Sequence[Collection[int]], start: int) -> set[int]:
    found: set[int] = set()
    todo = list(calls[start])
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo += calls[at]
    return found


def _in_order(calls: Sequence[Collection[int]], start: int, members: set[int]) -> tuple[int, ...]:
    order: list[int] = []
    todo = [start]
    while todo:
        at = todo.pop()
        if at not in order:
            order.append(at)
            todo += sorted((c for c in calls[at] if c in members), reverse=True)
    return tuple(order)
