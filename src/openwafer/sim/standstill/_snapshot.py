"""The state of a wafer that stands still, as both engines tell it: what `_waits` explains.

PEs and routers are made when they are asked for: a chain of waits visits a few of very many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from openwafer.sim._engine import Command
from openwafer.tir import SWAP_X, SWAP_Y, Program

Place: TypeAlias = tuple[int, int]
"""Column and row."""
NORTH, RAMP = 2, 4
PORT_NAMES = ("WEST", "EAST", "NORTH", "SOUTH", "RAMP")
OFFSETS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Where the neighbour at port W, E, N, S lies."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Queue:
    """Wavelets that wait; `head_is_control` is False if there are none."""

    color: int
    count: int
    depth: int
    head_is_control: bool = False

    @property
    def is_full(self) -> bool:
        return self.count >= self.depth


@dataclass(frozen=True, slots=True)
class Operand:
    """What an operation may wait for: `number` is that of the queue or the FIFO."""

    kind: Literal["fabin", "fabout", "pop", "push"]
    number: int


@dataclass(frozen=True, slots=True)
class Operation:
    """A DSD operation under way; slot 8 is the synchronous one. `left` elements are to be done, None for one
    without end, `step` of them at once. `activates` and `unblocks` are the tasks of whichever way it ends."""

    slot: int
    name: str
    loc: int
    left: int | None
    step: int
    operands: tuple[Operand, ...]
    activates: frozenset[int]
    unblocks: frozenset[int]
    ends_on_control: bool


@dataclass(frozen=True, slots=True)
class Fifo:
    count: int
    elements: int


@dataclass(frozen=True, slots=True)
class PeState:
    """One PE. `function` is what the main thread runs, "" for none or a copy; `wanted` the slot in use on
    which it tries to start the operation at `loc`; `launched` the function that the host launched last."""

    x: int
    y: int
    program: Program
    main: Literal["idle", "running", "waiting", "trying"]
    function: str
    loc: int
    wanted: int | None
    operations: tuple[Operation, ...]
    inputs: Mapping[int, Queue]
    outputs: Mapping[int, Queue]
    host_in: Mapping[int, Queue]
    host_out: Mapping[int, Queue]
    fifos: tuple[Fifo, ...]
    active: frozenset[int]
    blocked: frozenset[int]
    is_stream_blocked: bool
    launched: str
    pending: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Masks of a color's current switch position, and those of all valid ones. In teardown mode the masks are
    0; `rejected` counts the wavelets that a filter kept from the PE; `swap` is that of its `ColorConfig`."""

    rx: int
    tx: int
    positions: tuple[tuple[int, int], ...]
    teardown: bool = False
    rejected: int = 0
    swap: int = 0

    def swaps(self, port: int) -> bool:
        """Whether the color takes what comes to a port W E N S on the other color of its pair."""
        return bool(self.swap & (SWAP_X if port < NORTH else SWAP_Y))


@dataclass(frozen=True, slots=True)
class RouterState:
    """`queues` are by color and port W E N S, only those that hold something."""

    x: int
    y: int
    routes: Mapping[int, Route]
    queues: Mapping[tuple[int, int], Queue]


@dataclass(frozen=True, slots=True)
class CommandState:
    """A host command. `places` are PEs that have yet to do their part (not all, of very many);
    `moved` and `length` count the wavelets of a stream for the first of them."""

    ticket: int
    command: Command
    is_released: bool
    missing: int
    places: tuple[Place, ...] = ()
    moved: int = 0
    length: int = 0

    @property
    def is_done(self) -> bool:
        return self.is_released and self.missing == 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`occupied` are the places whose routers hold wavelets (not all, of very many), `sources` the texts of
    the programs' files by path."""

    cycle: int
    width: int
    height: int
    pes: Mapping[Place, PeState]
    routers: Mapping[Place, RouterState]
    commands: tuple[CommandState, ...]
    occupied: tuple[Place, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Lazy(Mapping[Place, T]):
    """Items by place, made once, when they are asked for."""

    places: Callable[[], Iterator[Place]]
    make: Callable[[int, int], T]
    _made: dict[Place, T] = field(default_factory=dict[Place, T])
    _known: frozenset[Place] | None = None

    def __getitem__(self, place: Place) -> T:
        if place not in self._made:
            if place not in self._all():
                raise KeyError(place)
            self._made[place] = self.make(*place)
        return self._made[place]

    def __iter__(self) -> Iterator[Place]:
        return self.places()

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> frozenset[Place]:
        if self._known is None:
            self._known = frozenset(self.places())
        return self._known
