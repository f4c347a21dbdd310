"""Who waits on what, on a wafer that stands still: nodes, what each says, and the nodes that it waits for.

A node without successors has a cause, the reason why it will wait for ever. The weight of a cause says how
certain it is that this, and nothing else, stops the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from openwafer.sim.standstill._effects import Effects
from openwafer.sim.standstill._snapshot import OFFSETS, PORT_NAMES, Operation, PeState, Place, Snapshot
from openwafer.tir import Program

KINDS = ("local", "data", "control")
"""Kinds of tasks: `Node.port` of a task."""


class Node(NamedTuple):
    """Something that waits. `number` is a ticket, a slot, a queue, a color, a task … as the kind says."""

    kind: str
    x: int = -1
    y: int = -1
    number: int = -1
    port: int = -1


class Cause(NamedTuple):
    """Why something will wait for ever; `loc` replaces the place of its node if it is not -1."""

    id: str
    message: str
    weight: int
    help: str | None = None
    loc: int = -1


@dataclass(frozen=True, slots=True)
class Wait:
    """What a node says, the place in the code, what it waits for, and the cause if that is nothing (or
    nothing certain)."""

    text: str
    loc: int = -1
    next: tuple[Node, ...] = ()
    cause: Cause | None = None


class Facts:
    """The snapshot, with what the code of each program could do."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._effects: dict[int, Effects] = {}

    def pe(self, place: Place) -> PeState | None:
        return self.snapshot.pes.get(place)

    def effects(self, program: Program) -> Effects:
        if id(program) not in self._effects:
            self._effects[id(program)] = Effects(program)
        return self._effects[id(program)]

    def function(self, pe: PeState, loc: int) -> str:
        """`name` of the function at a place of the code, for a sentence."""
        name = self.effects(pe.program).function_at(loc)
        return f" of `{name}`" if name else ""


def at(place: Place) -> str:
    return f"PE ({place[0]}, {place[1]})"


def neighbour(place: Place, port: int) -> Place:
    dx, dy = OFFSETS[port]
    return place[0] + dx, place[1] + dy


def port_names(mask: int) -> str:
    names = [name for port, name in enumerate(PORT_NAMES) if mask >> port & 1]
    return " and ".join(names) or "nowhere"


def left_text(operation: Operation) -> str:
    """How much an operation has yet to do."""
    if operation.left is None:
        return f"goes on {'until a control wavelet comes' if operation.ends_on_control else 'without end'}"
    return f"has {operation.left} element{'s' * (operation.left != 1)} to go"


def wavelets(count: int) -> str:
    return f"{count} wavelet" + "s" * (count != 1)
