"""Cycles of calls: functions that call each other last become one function with a loop.

Frames are static, so a function cannot wait for another call of itself. Where every call of a cycle is the
last thing that its function does, nothing of the frame is needed any more: the call is a jump. The functions
of such a cycle are put into one, whose slot 0 says which of them runs; they themselves only call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from openwafer import tir
from openwafer.csl._call_cycles import call_cycles
from openwafer.diag import Label, Span, error

Body = tuple[tir.Stmt, ...]
STATE = 0
"""The slot that says which function of the cycle runs."""


def merge_tail_calls(
    functions: Sequence[tir.Function], spans: Mapping[int, Span]
) -> tuple[tir.Function, ...]:
    """The functions without cycles of calls; those that stand for cycles come last.

    Diagnostics: recursion, where a call of a cycle is not the last thing done."""
    result = list(functions)
    for members in call_cycles([callees(f.body) for f in functions]):
        cycle = _Cycle(functions, members, len(result), spans)
        for index in members:
            result[index] = cycle.entry(index)
        result.append(cycle.function())
    return tuple(result)


def callees(body: Body) -> dict[int, int]:
    """The functions that statements call, each with the line of its first call."""
    found: dict[int, int] = {}
    for node in tir.statements(body):
        if isinstance(node, tir.Call):
            found.setdefault(node.function, node.loc)
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a list of statements stands: whether the function ends behind it, and the labels of which
    that is true."""

    is_last: bool
    labels: frozenset[int] = frozenset()

    def behind(self, rest: Body) -> bool:
        """Whether nothing is done any more before `rest` and behind it."""
        for statement in rest:
            match statement:
                case tir.Line():
                    continue
                case tir.Return(value=None):
                    return True
                case tir.Break(label=label):
                    return label in self.labels
                case _:
                    return False
        return self.is_last


class _Cycle:
    def __init__(
        self,
        functions: Sequence[tir.Function],
        members: tuple[int, ...],
        index: int,
        spans: Mapping[int, Span],
    ) -> None:
        self.functions, self.members, self.index, self.spans = functions, members, index, spans
        self.names = {member: functions[member] for member in members}
        self.loop = 1
        self.types = ["u16", *(t for f in self.names.values() for t in f.slots[: f.params])]
        self.slots: dict[int, list[int]] = {}
        self.params = len(self.types)
        at = 1
        for member, f in self.names.items():
            self.slots[member] = [*range(at, at + f.params)]
            at += f.params
        for member, f in self.names.items():
            self.slots[member] += range(len(self.types), len(self.types) + len(f.slots) - f.params)
            self.types += f.slots[f.params :]

    @property
    def result(self) -> str:
        return self.names[self.members[0]].result

    def entry(self, index: int) -> tir.Function:
        """A function of the cycle as seen from outside: it calls the one that stands for all."""
        f = self.names[index]
        args: list[tir.Expr] = [tir.Const("u16", self.members.index(index))]
        for member, other in self.names.items():
            for slot, type in enumerate(other.slots[: other.params]):
                args.append(tir.Local(type, slot) if member == index else _zero(type))
        slots = f.slots[: f.params]
        if f.result == "void":
            body: Body = (tir.Call(self.index, tuple(args), None, f.loc), tir.Return(None))
            return msgspec.structs.replace(f, slots=slots, body=body)
        value = tir.Local(f.result, f.params)
        body = (tir.Call(self.index, tuple(args), f.params, f.loc), tir.Return(value))
        return msgspec.structs.replace(f, slots=(*slots, f.result), body=body)

    def function(self) -> tir.Function:
        """All functions of the cycle in one."""
        body: list[tir.Stmt] = []
        first = self.loop + 1
        for state, (member, f) in enumerate(self.names.items()):
            here = tir.Binary("eq", "bool", tir.Local("u16", STATE), tir.Const("u16", state))
            inside = self._body(member, f, first)
            body.append(tir.If(here, inside, ()))
            first = 1 + max((n for n in map(_label, tir.walk(inside)) if n is not None), default=first)
        f = self.names[self.members[0]]
        loop = tir.Loop(self.loop, tuple(body), (), False)
        name = "+".join(f.name for f in self.names.values())
        return tir.Function(name, self.params, tuple(self.types), self.result, (loop,), f.loc)

    def _body(self, member: int, f: tir.Function, first: int) -> Body:
        """The statements of a function of the cycle with its own slots and labels."""
        if f.result != self.result:
            raise self._not_last(member, next(iter(callees(f.body))))
        moved = _renumbered(f.body, self.slots[member], first)
        done = self._statements(member, moved, _Place(f.result == "void"))
        return (*done, tir.Return(None)) if f.result == "void" else done

    def _statements(self, member: int, body: Body, place: _Place) -> Body:
        result: list[tir.Stmt] = []
        for at, statement in enumerate(body):
            rest = body[at + 1 :]
            inner = _Place(place.behind(rest), place.labels)
            match statement:
                case tir.Call(function=function) if function in self.slots:
                    if not (inner.is_last or _gives(statement, rest)):
                        raise self._not_last(member, function)
                    return (*result, *self._jump(statement))
                case tir.If(cond=cond, then=then, otherwise=otherwise):
                    parts = (self._statements(member, part, inner) for part in (then, otherwise))
                    result.append(tir.If(cond, *parts))
                case tir.Block(label=label, body=inside):
                    labelled = _Place(inner.is_last, _with(place.labels, label, inner.is_last))
                    result.append(tir.Block(label, self._statements(member, inside, labelled)))
                case tir.Loop(label=label, body=inside):
                    labelled = _Place(False, _with(place.labels, label, inner.is_last))
                    inside = self._statements(member, inside, labelled)
                    result.append(msgspec.structs.replace(statement, body=inside))
                case _:
                    result.append(statement)
        return tuple(result)

    def _jump(self, call: tir.Call) -> Body:
        """Arguments are evaluated before the first is passed."""
        slots = self.slots[call.function]
        values: list[tir.Expr] = list(call.args)
        saved: list[tir.Stmt] = []
        if len(values) > 1:
            for at, value in enumerate(values):
                self.types.append(value.type)
                saved.append(tir.Set(len(self.types) - 1, value, call.loc))
                values[at] = tir.Local(value.type, len(self.types) - 1)
        passed = (tir.Set(slot, value, call.loc) for slot, value in zip(slots, values, strict=False))
        state = tir.Set(STATE, tir.Const("u16", self.members.index(call.function)), call.loc)
        return (*saved, *passed, state, tir.Continue(self.loop))

    def _not_last(self, caller: int, callee: int) -> Exception:
        at = self.members.index(caller)
        names = [self.functions[m].name for m in (*self.members[at:], *self.members[: at + 1])]
        path = " → ".join(f"`{name}`" for name in names)
        message = f"{path} is a cycle of calls; CSL has no recursion"
        if len(self.members) == 1:
            message = f"`{names[0]}` calls itself; CSL has no recursion"
        where = self.spans.get(callee)
        labels = [Label(where, "called, and not as the last thing done")] if where and len(names) > 2 else []
        help = "a cycle works where each function's call of the next is the last thing that it does"
        return error("recursion", message, self.spans.get(caller), labels=labels, help=help)


def _gives(call: tir.Call, rest: Body) -> bool:
    """Whether the value of a call is returned at once."""
    following = next((s for s in rest if not isinstance(s, tir.Line)), None)
    match following:
        case tir.Return(value=tir.Local(slot=slot)):
            return slot == call.result
        case _:
            return False


def _with(labels: frozenset[int], label: int, is_last: bool) -> frozenset[int]:
    return labels | {label} if is_last else labels


def _zero(type: str) -> tir.Expr:
    if type == "dsd":
        return tir.DsdMake((tir.Const("u16", 0),) * len(tir.DsdWord))
    return tir.Const(type, 0.0 if type in ("f16", "f32") else 0)


def _label(node: Any) -> int | None:
    return node.label if isinstance(node, (tir.Loop, tir.Block)) else None


_SLOT_FIELDS: dict[type, str] = {
    tir.Local: "slot",
    tir.Set: "slot",
    tir.Random16: "slot",
    tir.ReadConfig: "slot",
    tir.Call: "result",
    tir.DsdOp: "result",
}
_LABELLED = (tir.Loop, tir.Block, tir.Break, tir.Continue)


def _renumbered(node: Any, slots: list[int], first: int) -> Any:
    """The same statements with other slots, and with labels from `first` on."""
    if isinstance(node, tuple):
        return tuple(_renumbered(item, slots, first) for item in cast("tuple[Any, ...]", node))
    if not isinstance(node, msgspec.Struct):
        return node
    changed = {
        name: _renumbered(part, slots, first)
        for name in node.__struct_fields__
        if isinstance(part := getattr(node, name), (tuple, msgspec.Struct))
    }
    field = _SLOT_FIELDS.get(type(node))
    if field is not None and getattr(node, field) is not None:
        changed[field] = slots[getattr(node, field)]
    if isinstance(node, _LABELLED) and node.label >= 0:
        changed["label"] = node.label + first
    return msgspec.structs.replace(node, **changed)
