"""Checks a program against the table in `_legal`, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openwafer import tir
from openwafer.image._legal import LEGAL
from openwafer.image._rules import Illegal
from openwafer.tir import Program

MOST_DEPTH = 150
"""Levels of statements and expressions in each other. The passes behind the reader are recursive."""
SHOWN = 60


class Scope:
    """What the rules of a field look at: the sizes of the program, the function and the labels around it.

    `labels` maps the labels of the loops and blocks around a statement to what may be done with them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.counts = {
            "functions": len(program.functions), "symbols": len(program.symbols),
            "locations": len(program.locations), "params": len(program.params), "dsrs": len(program.dsrs),
            "fifos": len(program.fifos), "slots": 0, "slots and none": 1,
        }  # fmt: skip
        self.slots: tuple[str, ...] = ()
        self.result = "void"
        self.labels: dict[int, str] = {}
        self.depth = 0

    def struct(self, node: Any) -> None:
        """A struct, field by field, then what must hold between its fields. Raises Illegal."""
        entry = LEGAL[type(node)]
        for name, rule in entry.rules:
            if not rule(self, getattr(node, name)):
                raise Illegal(f"{type(node).__name__}.{name} is {_shown(getattr(node, name))}")
        if entry.together is not None and (fault := entry.together(self, node)):
            raise Illegal(f"{type(node).__name__}: {fault}")

    def expression(self, node: Any) -> str:
        """The type of an expression. Raises Illegal."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise Illegal(f"more than {MOST_DEPTH} levels of statements and expressions")
        self.struct(node)
        self.depth -= 1
        return node.type

    def body(self, statements: Sequence[Any]) -> None:
        """Statements. Raises Illegal."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise Illegal(f"more than {MOST_DEPTH} levels of statements and expressions")
        for statement in statements:
            if isinstance(statement, (tir.Loop, tir.Block)):
                self._labelled(statement)
            else:
                self.struct(statement)
        self.depth -= 1

    def _labelled(self, node: tir.Loop | tir.Block) -> None:
        """A loop or block: its label is known inside it only, and means it alone."""
        if node.label in self.labels:
            raise Illegal(f"label {node.label} stands inside itself")
        if node.label >= 0:
            self.labels[node.label] = "body" if isinstance(node, tir.Loop) else "block"
        self.struct(node)
        self.labels.pop(node.label, None)

    def function(self, function: tir.Function) -> None:
        """A function with its body. Raises Illegal."""
        self.slots, self.result = function.slots, function.result
        self.counts |= {"slots": len(function.slots), "slots and none": len(function.slots) + 1}
        self.labels, self.depth = {}, 0
        self.struct(function)


def _shown(value: Any) -> str:
    """A value in few characters."""
    if isinstance(value, tuple):
        return f"{len(value)} parts"  # pyright: ignore[reportUnknownArgumentType]
    text = value if isinstance(value, str) else repr(value) if isinstance(value, (int, float, bytes)) else ""
    text = text or type(value).__name__
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
