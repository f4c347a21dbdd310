"""How often a counted loop can run, told from its form alone."""

from __future__ import annotations

from collections.abc import Mapping

from openwafer.tir import _tir as tir


def trip_bound(loop: tir.Loop, known: Mapping[int, int] | None = None) -> int | None:
    """At most how often the body runs that begins with `if (slot >= stop) break` (or `<=`) and whose step
    begins with `slot += step`; `known` are the values that slots have before the loop.

    None: the loop has another form, something else writes to its slots, or the counter could pass the stop
    where its type wraps."""
    test, first = _first(loop.body), _first(loop.step)
    match test, first:
        case (
            tir.If(tir.Binary("ge" | "le" as op, _, tir.Local(type, slot), stop), (tir.Break(label),), ()),
            tir.Set(stepped, tir.Binary("add", _, tir.Local(_, source), tir.Const(_, int(amount)))),
        ) if label == loop.label and slot == stepped == source and type[:1] in ("i", "u"):
            if _writes(loop.body, {slot, _slot(stop)}) or _writes(loop.step, {slot, _slot(stop)}) > 1:
                return None
            return _bound(op, type, amount, stop, (known or {}).get(slot))
        case _:
            return None


def _first(body: tuple[tir.Stmt, ...]) -> tir.Stmt | None:
    """The first statement that is no mark of a line."""
    for stmt in body:
        if isinstance(stmt, tir.Block) and stmt.label == -1:
            return _first(stmt.body)
        if not isinstance(stmt, tir.Line):
            return stmt
    return None


def _slot(stop: tir.Expr) -> int | None:
    return stop.slot if isinstance(stop, tir.Local) else None


def _bound(op: str, type: str, amount: int, stop: tir.Expr, start: int | None) -> int | None:
    bits = int(type[1:])
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if type[0] == "i" else (0, (1 << bits) - 1)
    step = (amount + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
    up = op == "ge"
    if not isinstance(stop, (tir.Local, tir.Const)) or step == 0 or (step > 0) != up:
        return None
    last = stop.value if isinstance(stop, tir.Const) else high if up else low
    first = start if start is not None else low if up else high
    if not isinstance(last, int) or not low <= last <= high or not low <= first <= high:
        return None
    room = high - last if up else last - low
    if abs(step) > 1 and abs(step) - 1 > room:
        return None
    return max(0, -(-abs(last - first) // abs(step)) if (last > first) == up else 0)


def _writes(body: tuple[tir.Stmt, ...], slots: set[int | None]) -> int:
    """How many statements write to one of the slots."""
    return sum(_writes_of(stmt, slots) for stmt in body)


def _writes_of(stmt: tir.Stmt, slots: set[int | None]) -> int:
    match stmt:
        case tir.Set(slot) | tir.Random16(slot) | tir.ReadConfig(slot):
            return slot in slots
        case tir.Call(result=int(result)) | tir.DsdOp(result=int(result)):
            return result in slots
        case tir.If(_, then, otherwise):
            return _writes(then, slots) + _writes(otherwise, slots)
        case tir.Loop(_, inner, step):
            return _writes(inner, slots) + _writes(step, slots)
        case tir.Block(_, inner):
            return _writes(inner, slots)
        case _:
            return 0
