"""A function of typed IR under construction."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from openwafer import tir
from openwafer.csl.values import _types as ty


class FnBuilder:
    """Collects slots and statements. `block` is the list that `emit` appends to."""

    def __init__(self, name: str, result: ty.Type, loc: int) -> None:
        self.name = name
        self.result = result
        self.loc = loc
        self.here = -1
        """Place of the source statement that is being compiled, if it is one."""
        self.slots: list[str] = []
        self.params = 0
        self.block: list[tir.Stmt] = []
        self._labels = 0

    def slot(self, type: str) -> int:
        self.slots.append(type)
        return len(self.slots) - 1

    def label(self) -> int:
        self._labels += 1
        return self._labels

    def emit(self, statement: tir.Stmt) -> None:
        if isinstance(statement, (tir.Set, tir.Store, tir.Copy)) and statement.loc < 0:
            statement = msgspec.structs.replace(statement, loc=self.here)
        self.block.append(statement)

    def mark(self, loc: int) -> None:
        """What is emitted next belongs to line `loc`."""
        self.here = loc
        if self.block and isinstance(self.block[-1], tir.Line):
            self.block.pop()
        self.block.append(tir.Line(loc))

    def has_code(self) -> bool:
        """Whether anything that does something has been emitted."""
        return not all(isinstance(s, tir.Line) for s in self.block)

    def save(self, value: tir.Expr) -> tir.Local:
        """Evaluates `value` here, into a new slot."""
        slot = self.slot(value.type)
        self.emit(tir.Set(slot, value))
        return tir.Local(value.type, slot)

    @contextmanager
    def nested(self) -> Generator[list[tir.Stmt]]:
        """Statements emitted inside go to a new list."""
        outer, self.block = self.block, []
        try:
            yield self.block
        finally:
            self.block = outer

    def finish(self, name: str) -> tir.Function:
        result = "void" if self.result is ty.VOID else ty.tir_type(self.result)
        return tir.Function(name, self.params, tuple(self.slots), result, tuple(self.block), self.loc)
