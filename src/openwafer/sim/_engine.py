"""What an engine is: the interface that the reference and the fast engine share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.image import Image
from openwafer.machine import Machine
from openwafer.sim._print import Line
from openwafer.sim._profile import Profile
from openwafer.sim._watchdog import Watchdog

MAX_ARGUMENTS = 16
"""Words of arguments that a launch carries (`codegen._abi.Ctx.ARGS`)."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Run the exported function `name` on every PE that exports it; `args` are u32 words."""

    name: str
    args: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class CopyIn:
    """Host to device: `data[y, x, i]` (u32 containers) to element i of `name` on PE (x0 + x, y0 + y).

    `element_bytes` is 2 (low half of the container) or 4."""

    name: str
    x0: int
    y0: int
    data: NDArray[np.uint32]
    element_bytes: Literal[2, 4]


@dataclass(frozen=True, slots=True, eq=False)
class CopyOut:
    """Device to host: fills `data[y, x, i]` when it is done."""

    name: str
    x0: int
    y0: int
    data: NDArray[np.uint32]
    element_bytes: Literal[2, 4]


@dataclass(frozen=True, slots=True, eq=False)
class StreamIn:
    """Wavelets from the host on `color`: `data[y, x, i]` is wavelet i for PE (x0 + x, y0 + y).

    It starts when all commands before it are done, and those behind it wait until it is done. `shared` says
    that the PEs of a row (or column) get the same data, which pass the host's link once."""

    color: int
    x0: int
    y0: int
    data: NDArray[np.uint32]
    channels: int = 1
    shared: Literal["", "row", "column"] = ""


@dataclass(frozen=True, slots=True, eq=False)
class StreamOut:
    """Wavelets to the host on `color`: fills `data[y, x, i]` with wavelet i of PE (x0 + x, y0 + y)."""

    color: int
    x0: int
    y0: int
    data: NDArray[np.uint32]
    channels: int = 1


Command = Launch | CopyIn | CopyOut | StreamIn | StreamOut


def command_text(command: Command) -> str:
    """A command in a sentence."""
    match command:
        case Launch(name):
            return f"launch of `{name}`"
        case CopyIn(name) | CopyOut(name):
            return f"copy of `{name}`"
        case StreamIn(color):
            return f"stream to color {color}"
        case StreamOut(color):
            return f"stream from color {color}"


def check_command(command: Command) -> None:
    """Diagnostics: launch-arguments."""
    if isinstance(command, Launch) and len(command.args) > MAX_ARGUMENTS:
        message = (
            f"`{command.name}` is launched with {len(command.args)} arguments, more than {MAX_ARGUMENTS}"
        )
        raise error("launch-arguments", message)


@dataclass(frozen=True, slots=True)
class PeStats:
    """Sums over all PEs since the start, in the unit of the name.

    `lost_wavelets` left the rectangle; the first of them by PE (row by row), color and port is `lost`: x, y,
    color, port W E N S."""

    steps: int = 0
    wavelet_hops: int = 0
    dsd_elements: int = 0
    busy_cycles: int = 0
    lost_wavelets: int = 0
    lost: tuple[int, int, int, int] | None = None
    extra: dict[str, int] = field(default_factory=dict[str, int])


class Engine(Protocol):
    """A wafer with a loaded image. Coordinates are those of the program's rectangle."""

    watchdog: Watchdog
    """When `run` ends with `livelock`."""

    @property
    def now(self) -> int:
        """The simulated cycle."""
        ...

    def __init__(
        self, image: Image, machine: Machine, *, threads: int = 1, profile: bool = False
    ) -> None: ...

    def submit(self, command: Command) -> int:
        """Appends a host command, issued at `now`; returns its ticket."""
        ...

    def run(self, ticket: int | None = None, *, max_cycles: int | None = None) -> None:
        """Simulates until command `ticket` is done (a launch: picked up by every PE concerned; a copy: its
        data
        have moved everywhere and its cycles have passed); None: until nothing can happen any more.

        Raises DiagnosticError: `deadlock` (nothing can happen and the ticket is not done), `max-cycles`,
        `livelock` and `interrupted` (Ctrl-C), each with who waits on what, as `data` too; and
        `memory-access`, `assert-failed`, `divide-by-zero`, `unrouted-wavelet`, each with PE, cycle, line."""
        ...

    def wait(self, cycles: int) -> None:
        """Simulates so many cycles, also those in which nothing happens. Raises as `run` does."""
        ...

    def is_done(self, ticket: int) -> bool: ...

    def read(self, x: int, y: int, address: int, size: int) -> bytes:
        """Bytes of a PE's memory as it is now."""
        ...

    def write(self, x: int, y: int, address: int, data: bytes) -> None: ...

    def stats(self) -> PeStats: ...

    def profile(self) -> Profile:
        """Where the cycles went so far; of an engine made with `profile`. An operation's waiting counts when
        it makes its next step."""
        ...

    def printed(self) -> list[Line]:
        """The lines that programs have printed, as `PrintLog.lines` orders them."""
        ...
