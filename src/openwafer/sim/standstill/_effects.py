"""What the code of a program could do for somebody who waits: found without running it.

Where an operand or a task id is known only at run time, the effect has the number ANY and counts for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from openwafer import tir
from openwafer.tir import DsdKind, DsdWord, walk

Kind: TypeAlias = Literal["send", "take", "push", "pop", "activate", "unblock", "commands"]
ANY = -1
SOURCES: dict[int, Kind] = {DsdKind.FABIN: "take", DsdKind.FIFO: "pop"}
DESTINATIONS: dict[int, Kind] = {DsdKind.FABOUT: "send", DsdKind.FIFO: "push"}


@dataclass(frozen=True, slots=True)
class Effect:
    """`number` is a queue, a FIFO or a task id, as the kind says; `loc` the statement's place."""

    kind: Kind
    number: int
    loc: int


@dataclass(frozen=True, slots=True)
class Starter:
    """What makes code run: a task, or a function that the host launches."""

    kind: Literal["task", "launch"]
    name: str
    function: int
    task: tir.Task | None = None


@dataclass(frozen=True, slots=True)
class Doer:
    starter: Starter
    effect: Effect


class Effects:
    """The effects of one program, by what starts them."""

    def __init__(self, program: tir.Program) -> None:
        self._program = program
        self._records = _Records(program)
        self._own = [tuple(self._of(i, f)) for i, f in enumerate(program.functions)]
        self._calls = [
            {n.function for n in walk(f.body) if isinstance(n, tir.Call)} for f in program.functions
        ]
        self.starters = tuple(_starters(program))

    def doers(self, kind: Kind, number: int = ANY) -> list[Doer]:
        """Those that certainly mean `number`, else those that may."""
        found = [
            Doer(starter, effect)
            for starter in self.starters
            for function in sorted(self.reachable(starter.function))
            for effect in self._own[function]
            if effect.kind == kind
        ]
        return [d for d in found if number in (ANY, d.effect.number)] or [
            d for d in found if d.effect.number == ANY
        ]

    def reachable(self, function: int) -> set[int]:
        """The functions that run when this one does."""
        seen, todo = {function}, [function]
        while todo:
            new = self._calls[todo.pop()] - seen
            seen |= new
            todo += new
        return seen

    def running_at(self, entry: str, loc: int) -> int:
        """`loc`, where code last let time pass, if `entry` leads there; else the place of `entry`, which has
        just begun."""
        functions = self._program.functions
        started = next((i for i, function in enumerate(functions) if function.name == entry), None)
        if started is None or any(self._has(functions[i], loc) for i in self.reachable(started)):
            return loc
        return functions[started].loc

    def function_at(self, loc: int) -> str:
        """The function whose code stands at a place, "" if none does."""
        return next((f.name for f in self._program.functions if self._has(f, loc)), "")

    def _has(self, function: tir.Function, loc: int) -> bool:
        return any(getattr(node, "loc", None) == loc for node in walk(function.body))

    def _of(self, index: int, function: tir.Function) -> Iterator[Effect]:
        for node in walk(function.body):
            match node:
                case tir.Activate(id, loc):
                    yield Effect("activate", _known(id), loc)
                case tir.SetBlocked(id, False, loc):
                    yield Effect("unblock", _known(id), loc)
                case tir.UnblockCommands(loc):
                    yield Effect("commands", ANY, loc)
                case tir.DsdOp():
                    yield from self._operation(index, node)
                case _:
                    pass

    def _operation(self, function: int, op: tir.DsdOp) -> Iterator[Effect]:
        control = op.on_control or tir.ControlAction(None, None)
        actions: tuple[tuple[Kind, tir.Expr | None], ...] = (
            ("activate", op.activate), ("unblock", op.unblock),
            ("activate", control.activate), ("unblock", control.unblock),
        )  # fmt: skip
        for kind, id in actions:
            if id is not None:
                yield Effect(kind, _known(id), op.loc)
        operands = ((op.dest, DESTINATIONS), (op.src0, SOURCES), (op.src1, SOURCES))
        for operand, kinds in operands:
            for record in self._records.of(function, operand):
                yield from self._record(record, kinds, op.loc)

    def _record(self, record: tuple[int, int, int], kinds: dict[int, Kind], loc: int) -> Iterator[Effect]:
        kind, number, actions = record
        if kind in kinds:
            yield Effect(kinds[kind], number, loc)
        if actions & 0xFF:
            yield Effect("activate", (actions & 0xFF) - 1, loc)
        if actions >> 8:
            yield Effect("unblock", (actions >> 8) - 1, loc)
        if kind == DsdKind.FIFO and number != ANY:
            fifo = self._program.fifos[number]
            activated = fifo.activate_push if kinds is DESTINATIONS else fifo.activate_pop
            if activated is not None:
                yield Effect("activate", activated, loc)


def _starters(program: tir.Program) -> Iterator[Starter]:
    for task in program.tasks:
        yield Starter("task", program.functions[task.function].name, task.function, task)
    for export in program.exports:
        if export.kind == "func":
            yield Starter("launch", export.name, export.target)


def _known(id: tir.Expr) -> int:
    return int(id.value) if isinstance(id, tir.Const) else ANY


class _Records:
    """(kind, number, actions) of the DSD records that an operand may have."""

    def __init__(self, program: tir.Program) -> None:
        self._program = program
        self._nodes = [list(walk(function.body)) for function in program.functions]

    def of(self, function: int, operand: tir.Operand | None) -> set[tuple[int, int, int]]:
        match operand:
            case tir.Dsd(value):
                return set(self._value(function, value, frozenset()))
            case tir.Dsr(index):
                loads = ((f, n) for f, nodes in enumerate(self._nodes) for n in nodes)
                return {
                    record
                    for f, node in loads
                    if isinstance(node, tir.LoadDsr) and node.index == index
                    for record in self._value(f, node.value, frozenset())
                }
            case _:
                return set()

    def _value(
        self, function: int, value: tir.Expr, seen: frozenset[tuple[int, int]]
    ) -> Iterator[tuple[int, int, int]]:
        match value:
            case tir.DsdMake(words):
                kind, number, actions = (words[i] for i in (DsdWord.KIND, DsdWord.BASE, DsdWord.ACTIONS))
                yield _known(kind), _known(number), max(_known(actions), 0)
            case tir.DsdWith(base, word, with_word):
                for kind, number, actions in self._value(function, base, seen):
                    number = _known(with_word) if word == DsdWord.BASE else number
                    yield kind, number, max(_known(with_word), 0) if word == DsdWord.ACTIONS else actions
            case tir.Select(_, _, a, b):
                yield from self._value(function, a, seen)
                yield from self._value(function, b, seen)
            case tir.Load(_, addr):
                yield from self._loaded(addr, seen)
            case tir.Local(_, slot) if (function, slot) not in seen:
                for other, source in self._assigned(function, slot):
                    yield from self._value(other, source, seen | {(function, slot)})
            case _:
                pass

    def _loaded(self, addr: tir.Expr, seen: frozenset[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
        for symbol in {node.symbol for node in walk(addr) if isinstance(node, tir.Addr)}:
            if (ANY, symbol) in seen:
                continue
            init = self._program.symbols[symbol].init
            for start in range(0, len(init) - 31, 32):
                words = [int.from_bytes(init[i : i + 2], "little") for i in range(start, start + 32, 2)]
                yield words[DsdWord.KIND], words[DsdWord.BASE], words[DsdWord.ACTIONS]
            for function, nodes in enumerate(self._nodes):
                for node in nodes:
                    if isinstance(node, tir.Store) and node.value.type == "dsd" and _names(node.addr, symbol):
                        yield from self._value(function, node.value, seen | {(ANY, symbol)})

    def _assigned(self, function: int, slot: int) -> Iterator[tuple[int, tir.Expr]]:
        """The values that a local slot receives, each with the function in which it stands."""
        for node in self._nodes[function]:
            if isinstance(node, tir.Set) and node.slot == slot:
                yield function, node.value
            elif isinstance(node, tir.Call) and node.result == slot:
                for inner in self._nodes[node.function]:
                    if isinstance(inner, tir.Return) and inner.value is not None:
                        yield node.function, inner.value
        if slot < self._program.functions[function].params:
            for other, nodes in enumerate(self._nodes):
                for node in nodes:
                    if isinstance(node, tir.Call) and node.function == function:
                        yield other, node.args[slot]


def _names(addr: tir.Expr, symbol: int) -> bool:
    return any(isinstance(node, tir.Addr) and node.symbol == symbol for node in walk(addr))
