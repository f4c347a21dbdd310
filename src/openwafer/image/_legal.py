"""What every field of the typed program may hold: one entry a struct of `tir/_tir.py`, one rule a field.

Whatever compiled code or an engine relies on stands here, and is checked when an image is read. A struct or
a field without an entry fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openwafer import tir
from openwafer.image import _together as together
from openwafer.image._rules import (
    BOOL,
    DSD,
    FLOATS,
    INTEGERS,
    SCALARS,
    U16,
    UNSIGNED,
    VALUES,
    WORDS,
    Rule,
    anything,
    between,
    body,
    each,
    index,
    like,
    one_of,
    optional,
    pair,
    part,
    text,
    value,
)
from openwafer.tir import DSD_OPS, DsdFlag, FilterKind

MOST_CYCLES = 1 << 20
MOST_ARGUMENTS = 16
"""Words that a launch or a task passes (`codegen._abi.Ctx.ARGS`)."""
LAST_TASK, LAST_CONTROL = 30, 63
"""31 is the id by which the command stream takes part in the picking of tasks."""
LAST_COLOR, LAST_QUEUE = 30, 7
MEMORY_BYTES = 1 << 16
"""Addresses are 16 bits."""
MOST_PARTS = 1 << 16
"""Parts of one kind that a program has."""
LAST_WORD = len(tir.DsdWord) - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """The rules of a struct's fields, and what must hold between them: None, or what is wrong."""

    rules: tuple[tuple[str, Rule], ...]
    together: together.Check | None = None


def _entry(check: together.Check | None = None, /, **rules: Rule) -> Entry:
    return Entry(tuple(rules.items()), check)


_LOC = index("locations", low=-1)
_ID, _NUMBER, _ADDRESS = value(INTEGERS), value(INTEGERS), value(WORDS)
_COLOR, _TASK, _16_BITS = between(0, LAST_COLOR), between(0, LAST_TASK), between(0, 0xFFFF)
_TASKS = each(_TASK, LAST_TASK + 1, distinct=True)
_COLORS = each(_COLOR, LAST_COLOR + 1, distinct=True)
_ACTION = one_of(("test_or_suspend", "terminate", "suspend", "fault"))
_MASK = between(tir.INHERITED, 31)
_PRIORITIES = (0, int(DsdFlag.PRIORITY_LOW), int(DsdFlag.PRIORITY_HIGH))

EXPRESSIONS: Mapping[type[Any], Entry] = {
    tir.Const: _entry(together.const, type=one_of(SCALARS), value=anything),
    tir.Param: _entry(type=one_of(SCALARS), index=index("params")),
    tir.Coord: _entry(axis=between(0, 1), type=one_of(U16)),
    tir.Addr: _entry(symbol=index("symbols"), offset=between(-MEMORY_BYTES, MEMORY_BYTES), type=one_of(U16)),
    tir.Local: _entry(together.local, type=one_of(VALUES), slot=index("slots")),
    tir.Load: _entry(type=one_of(VALUES), addr=_ADDRESS),
    tir.Unary: _entry(
        together.unary, op=one_of(("neg", "inv", "not")), type=one_of(SCALARS), a=value(SCALARS)
    ),
    tir.Binary: _entry(
        together.binary, op=one_of(together.BINARY), type=one_of(SCALARS), a=value(SCALARS), b=value(SCALARS)
    ),
    tir.Cast: _entry(type=one_of(SCALARS), a=value(SCALARS)),
    tir.Bitcast: _entry(type=one_of(SCALARS), a=value(SCALARS)),
    tir.Select: _entry(
        together.select, type=one_of(VALUES), cond=value(BOOL), a=value(VALUES), b=value(VALUES)
    ),
    tir.Intrinsic: _entry(
        together.intrinsic,
        name=one_of(together.INTRINSICS), type=one_of(INTEGERS | FLOATS),
        args=each(value(INTEGERS | FLOATS), 2),
    ),
    tir.DsdMake: _entry(together.record, words=each(value(WORDS), LAST_WORD + 1), type=one_of(DSD)),
    tir.DsdWith: _entry(base=value(DSD), word=between(0, LAST_WORD), value=_NUMBER, type=one_of(DSD)),
    tir.DsdGet: _entry(base=value(DSD), word=between(0, LAST_WORD), type=one_of(U16)),
}  # fmt: skip

OPERANDS: Mapping[type[Any], Entry] = {
    tir.Dsd: _entry(value=value(DSD)),
    tir.Dsr: _entry(index=index("dsrs"), priority=optional(one_of(_PRIORITIES))),
    tir.Scalar: _entry(value=value(SCALARS)),
    tir.Pointer: _entry(addr=_ADDRESS),
    tir.ControlAction: _entry(activate=optional(_ID), unblock=optional(_ID)),
}

STATEMENTS: Mapping[type[Any], Entry] = {
    tir.Set: _entry(together.assignment, slot=index("slots"), value=value(VALUES), loc=_LOC),
    tir.Store: _entry(addr=_ADDRESS, value=value(VALUES), loc=_LOC),
    tir.Copy: _entry(dest=_ADDRESS, source=_ADDRESS, size=between(0, MEMORY_BYTES), loc=_LOC),
    tir.If: _entry(cond=value(BOOL), then=body, otherwise=body),
    tir.Loop: _entry(
        together.loop,
        label=between(0, 1 << 30), body=body, step=together.step, bounded=anything,
        cycles=optional(between(0, MOST_CYCLES)),
    ),
    tir.Block: _entry(label=between(-1, 1 << 30), body=body),
    tir.Break: _entry(label=together.leaves),
    tir.Continue: _entry(label=together.repeats),
    tir.Return: _entry(together.returned, value=optional(value(VALUES))),
    tir.Call: _entry(
        together.call,
        function=index("functions"), args=each(value(VALUES), MOST_PARTS), result=optional(index("slots")),
        loc=_LOC,
    ),
    tir.DsdOp: _entry(
        together.operation,
        op=one_of(DSD_OPS), dest=part, src0=part, src1=optional(part), scalar=optional(value(SCALARS)),
        is_async=anything, activate=optional(_ID), unblock=optional(_ID), ut=optional(value(UNSIGNED)),
        index=optional(_NUMBER), result=optional(index("slots")), cycles=optional(between(0, MOST_CYCLES)),
        loc=_LOC, on_control=optional(part),
    ),
    tir.LoadDsr: _entry(index=index("dsrs"), value=value(DSD), loc=_LOC),
    tir.SetDsr: _entry(index=index("dsrs"), word=between(0, LAST_WORD), value=_NUMBER, loc=_LOC),
    tir.Activate: _entry(id=_ID, loc=_LOC),
    tir.SetBlocked: _entry(id=_ID, blocked=anything, loc=_LOC),
    tir.SetFifoLength: _entry(fifo=index("fifos"), is_write=anything, length=_NUMBER, loc=_LOC),
    tir.Print: _entry(
        together.printed,
        text=text(), value=optional(value(INTEGERS | FLOATS)), format=one_of(("", "d", "X", "b", "f")),
        loc=_LOC,
    ),
    tir.ReadTsc: _entry(addr=_ADDRESS, loc=_LOC),
    tir.UnblockCommands: _entry(loc=_LOC),
    tir.Random16: _entry(together.whole_slot, slot=index("slots")),
    tir.SeedRandom: _entry(value=value(("u32", "i32"))),
    tir.Assert: _entry(cond=value(BOOL), message=text(), loc=_LOC),
    tir.ReadConfig: _entry(together.whole_slot, slot=index("slots"), addr=_NUMBER, loc=_LOC),
    tir.WriteConfig: _entry(addr=_NUMBER, value=_NUMBER, loc=_LOC),
    tir.Line: _entry(loc=index("locations")),
    tir.Tick: _entry(together.added_later, cycles=between(0, MOST_CYCLES)),
    tir.Count: _entry(together.added_later, loc=_LOC, runs=between(0, 1), cycles=between(0, MOST_CYCLES)),
    tir.Yield: _entry(together.added_later, loc=_LOC),
}  # fmt: skip

PROGRAM: Mapping[type[Any], Entry] = {
    tir.Function: _entry(
        name=text(), params=index("slots and none"), slots=each(one_of(VALUES), MOST_PARTS),
        result=one_of(VALUES | {"void"}), body=body, loc=_LOC,
    ),
    tir.Symbol: _entry(
        together.symbol,
        name=text(), size=between(0, MEMORY_BYTES), align=between(0, MEMORY_BYTES), init=text(MEMORY_BYTES),
        type=text(), address=between(0, MEMORY_BYTES),
    ),
    tir.Task: _entry(
        together.task,
        id=between(0, LAST_CONTROL), kind=one_of(("local", "data", "control")), function=index("functions"),
        params=each(one_of(SCALARS), MOST_ARGUMENTS),
    ),
    tir.Export: _entry(
        together.export,
        name=text(), kind=one_of(("func", "var", "ptr")), target=between(0, MOST_PARTS), type=text(),
        params=each(text(), MOST_ARGUMENTS), param_names=each(text(), MOST_ARGUMENTS), mutable=anything,
        element_bytes=between(0, MEMORY_BYTES),
    ),
    tir.Queue: _entry(direction=one_of(("in", "out")), id=between(0, LAST_QUEUE), color=_COLOR),
    tir.Fifo: _entry(
        together.fifo,
        symbol=index("symbols"), elements=between(1, MEMORY_BYTES), element_bytes=one_of((2, 4)),
        activate_push=optional(_TASK), activate_pop=optional(_TASK), empty=_ACTION, full=_ACTION,
    ),
    tir.Filter: _entry(
        kind=one_of(tuple(FilterKind)), count_data=anything, count_control=anything, filter_control=anything,
        counter=_16_BITS, limit1=optional(_16_BITS), limit2=optional(_16_BITS), maximum=_16_BITS,
    ),
    tir.ColorConfig: _entry(
        together.color_config,
        color=_COLOR, positions=each(optional(pair(_MASK, _MASK)), 4), current=between(0, 3), ring=anything,
        pop_mode=between(0, 3), teardown=anything, filter=optional(part), swap=between(0, 2),
    ),
    tir.Program: _entry(
        together.program,
        name=text(), arch=text(16), symbols=each(part, MOST_PARTS), params=each(one_of(SCALARS), MOST_PARTS),
        dsrs=each(like(r"[a-z0-9_]+:[0-9]{1,3}"), 256, distinct=True),
        locations=each(pair(text(1 << 12), between(0, 1 << 30)), 1 << 20), fifos=each(part, 256),
        functions=each(together.function, MOST_PARTS),
        tasks=each(part, 128), exports=each(part, MOST_PARTS), queues=each(part, 256),
        init=optional(index("functions")), blocked=_TASKS, activated=_TASKS,
        colors=each(part, LAST_COLOR + 1), host_in=_COLORS, host_out=_COLORS, high=_TASKS,
        main_priority=between(1, 5),
    ),
}  # fmt: skip

LEGAL: Mapping[type[Any], Entry] = {**EXPRESSIONS, **OPERANDS, **STATEMENTS, **PROGRAM}
