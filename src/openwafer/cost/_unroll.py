"""Loops so short that a compiler writes them out: their way back costs nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from openwafer import tir
from openwafer.tir import walk

PLAIN = (tir.Set, tir.Store, tir.If, tir.Block, tir.Line, tir.Break, tir.Continue)
"""Statements of scalar code that calls nothing and waits for nothing."""
HOLDS: dict[str, Callable[[int, int], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "ne": operator.ne,
    "eq": operator.eq,
}


class Constants:
    """Slots that hold a known integer in a straight stretch of statements."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    @property
    def known(self) -> Mapping[int, int]:
        return self._known

    def note(self, stmt: tir.Stmt) -> None:
        """That `stmt` has run."""
        match stmt:
            case tir.Set(slot, tir.Const(_, int(value))):
                self._known[slot] = value
            case _ if _is_plain(stmt):
                for node in walk(stmt):
                    if isinstance(node, tir.Set):
                        self._known.pop(node.slot, None)
            case _:
                self._known.clear()

    def trips(self, loop: tir.Loop, test: tir.If, most: int) -> int | None:
        """How often the body of `loop` runs, which begins with `test`; None: unknown, or more than `most`."""
        cond, leaves = test.cond, bool(test.then)
        while isinstance(cond, tir.Unary) and cond.op == "not":
            cond, leaves = cond.a, not leaves
        match cond, [s for s in loop.step if isinstance(s, tir.Set)]:
            case (
                tir.Binary(op, _, tir.Local(_, slot), tir.Const(_, int(stop))),
                [tir.Set(stepped, tir.Binary("add", _, tir.Local(_, source), tir.Const(_, int(step)))), *_],
            ) if op in HOLDS and slot == stepped == source and slot in self._known:
                if not _only_steps(loop, slot):
                    return None
                return _count(self._known[slot], step, lambda at: HOLDS[op](at, stop) != leaves, most)
            case _:
                return None


def _only_steps(loop: tir.Loop, slot: int) -> bool:
    """Whether the body is plain scalar code without loops that leaves the counter alone."""
    return all(_is_plain(s) for s in loop.body) and not any(
        isinstance(node, tir.Set) and node.slot == slot for node in walk(loop.body)
    )


def _is_plain(stmt: tir.Stmt) -> bool:
    match stmt:
        case tir.If(_, then, otherwise):
            return all(map(_is_plain, (*then, *otherwise)))
        case tir.Block(_, body):
            return all(map(_is_plain, body))
        case _:
            return isinstance(stmt, PLAIN)


def _count(at: int, step: int, goes_on: Callable[[int], bool], most: int) -> int | None:
    for trips in range(most + 1):
        if not goes_on(at):
            return trips
        at += step
    return None
