"""Options of the commands that run models: which wafer, how many of its PEs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from openwafer.cli._value_type import ValueType


class Shape(ValueType[tuple[int, int]]):
    """Columns and rows of PEs, as 8x8."""

    name = "WxH"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value  # pyright: ignore
        match = re.fullmatch(r"(\d+)[x×,](\d+)", str(value))
        if match is None:
            self.fail(f"{value!r} is not columns and rows such as 8x8", param, ctx)
        return int(match[1]), int(match[2])


def wafer_options(shape: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--machine`, `--shape` (with its default) and `--threads`."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option(
                "--threads", type=click.IntRange(min=1), default=1, show_default=True,
                help="Threads of the simulator.",
            ),
            click.option(
                "--shape", type=Shape(), default=shape, show_default=True, help="Columns and rows of PEs."
            ),
            click.option(
                "--machine", default="wse3", show_default=True, help="wse2, wse3 or a machine file."
            ),
        ):  # fmt: skip
            command = option(command)
        return command

    return add


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * scale >= 1:
            return f"{value * scale:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def joules(value: float) -> str:
    """An energy in the unit that suits it."""
    for unit, scale in (("kJ", 1e-3), ("J", 1.0), ("mJ", 1e3)):
        if value * scale >= 1:
            return f"{value * scale:.3g} {unit}"
    return f"{value * 1e6:.3g} µJ"
