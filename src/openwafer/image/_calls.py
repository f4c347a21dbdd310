"""Which functions call which: without a circle, and not too deep for the passes that follow calls."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from openwafer import tir

MOST_CALLS = 150
"""Calls in each other."""


def call_fault(program: tir.Program) -> str | None:
    """What is wrong with the calls of a program whose indices are right; None if nothing is."""
    callees = [_callees(function.body) for function in program.functions]
    depths: dict[int, int] = {}
    for index in range(len(callees)):
        stack, path = [index], set[int]()
        while stack:
            at = stack[-1]
            missing = [c for c in callees[at] if c not in depths] if at not in depths else []
            if missing and at not in path:
                path.add(at)
                if any(c in path for c in missing):
                    return f"`{program.functions[at].name[:60]}` calls itself"
                stack += missing
                continue
            if missing:
                return f"`{program.functions[at].name[:60]}` calls itself"
            depths[at] = 1 + max((depths[c] for c in callees[at]), default=0)
            path.discard(at)
            stack.pop()
            if depths[at] > MOST_CALLS:
                return f"more than {MOST_CALLS} calls in each other"
    return None


def _callees(body: tuple[tir.Stmt, ...]) -> set[int]:
    """What statements call; only statements hold statements."""
    found: set[int] = set()
    stack: list[Any] = list(body)
    while stack:
        item = stack.pop()
        if isinstance(item, tir.Call):
            found.add(item.function)
        elif isinstance(item, (tir.If, tir.Loop, tir.Block)):
            for name in cast("msgspec.Struct", item).__struct_fields__:
                inner = getattr(item, name)
                stack += inner if isinstance(inner, tuple) else ()
    return found
