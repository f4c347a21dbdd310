"""Colors of memcpy streams: which a program has, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from openwafer.csl import Layout
from openwafer.diag import DiagnosticError, error
from openwafer.host._symbols import Rectangle, index
from openwafer.tir import Program

Direction = Literal["in", "out"]
_NAMES: dict[Direction, str] = {"in": "from the host", "out": "to the host"}
_PARAMETERS: dict[Direction, str] = {"in": "MEMCPYH2D_1", "out": "MEMCPYD2H_1"}


def stream_color(layout: Layout, color: Any, direction: Direction, where: Rectangle) -> int:
    """The checked color of a stream `in` to or `out` of every PE of a rectangle.

    Diagnostics: stream-color, stream-not-on-pe, stream-without-queue."""
    number = index("color", color)
    if number not in _colors(layout, direction):
        raise _not_a_stream(layout, number, direction)
    name = f"stream {_NAMES[direction]} on color {number}"
    _check_everywhere(
        layout,
        where,
        lambda program: number in _of_program(program, direction),
        "stream-not-on-pe",
        f"has no {name}",
        "its program must import `<memcpy/memcpy>` with the layout's parameters",
    )
    _check_everywhere(
        layout,
        where,
        lambda program: any(q.direction == direction and q.color == number for q in program.queues),
        "stream-without-queue",
        f"has no {direction}put queue for the {name}",
        "bind a queue to the color, with a fabric DSD or `@initialize_queue`",
    )
    return number


def _of_program(program: Program, direction: Direction) -> tuple[int, ...]:
    return program.host_in if direction == "in" else program.host_out


def _colors(layout: Layout, direction: Direction) -> list[int]:
    return sorted({color for program in layout.programs for color in _of_program(program, direction)})


def _not_a_stream(layout: Layout, color: int, direction: Direction) -> DiagnosticError:
    found: dict[str, str] = {
        name: ", ".join(map(str, _colors(layout, d))) or "none" for d, name in _NAMES.items()
    }
    return error(
        "stream-color",
        f"color {color} is no stream {_NAMES[direction]}",
        notes=tuple(f"streams {name}: {colors}" for name, colors in found.items()),
        help=f"`<memcpy/get_params>` makes one of a color given to it as `{_PARAMETERS[direction]}`",
    )


def _check_everywhere(
    layout: Layout, where: Rectangle, test: Callable[[Program], bool], id: str, what: str, help: str
) -> None:
    """Raises `id` for the first PE of the rectangle whose program does not pass the test."""
    passes = np.array([*map(test, layout.programs), False])
    failing = ~passes[layout.program_of[where.y : where.y + where.h, where.x : where.x + where.w]]
    if failing.any():
        y, x = (int(i) for i in np.argwhere(failing)[0])
        raise error(id, f"PE ({where.x + x}, {where.y + y}) {what}", help=help)
