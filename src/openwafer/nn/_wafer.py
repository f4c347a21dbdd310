"""Which wafer, and how many of its PEs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from openwafer.diag import error
from openwafer.machine import BUILT_IN, Machine, load_machine
from openwafer.nn.graph._mesh import Mesh

Shape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Wafer:
    """A machine (a name, the path of its file, or what `load_machine` gives) and a rectangle of its PEs:
    (columns, rows). A file is read once: what is compiled and what runs have the same facts.

    Diagnostics: wafer-argument, wafer-shape, and those of the machine."""

    machine: str | Machine | os.PathLike[str] = "wse3"
    shape: Shape = (4, 4)
    facts: Machine = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", _facts(self.machine))
        object.__setattr__(self, "shape", _checked(self.shape))
        wafer, (w, h) = self.facts.wafer, self.shape
        most = (wafer.max_width, wafer.max_height)
        if not (1 <= w <= most[0] and 1 <= h <= most[1]):
            raise error(
                "wafer-shape",
                f"a program on {self.name} has 1 × 1 to {most[0]} × {most[1]} PEs, not {w} × {h}",
            )

    @property
    def name(self) -> str:
        """Of the machine."""
        return self.facts.name

    @property
    def source(self) -> str:
        """By which the machine is found again from any directory: its name, or the path of its file.

        Diagnostics: wafer-argument."""
        if isinstance(self.machine, Machine):
            if self.machine.name in BUILT_IN and self.machine == load_machine(self.machine.name):
                return self.machine.name
            raise error(
                "wafer-argument", f"the machine `{self.name}` has no file", help="give the path of one"
            )
        path = os.fspath(self.machine)
        return path if path in BUILT_IN else os.path.abspath(path)

    @property
    def mesh(self) -> Mesh:
        return Mesh(*self.shape)

    def load(self) -> Machine:
        return self.facts


def _facts(machine: Any) -> Machine:
    if isinstance(machine, Machine):
        return machine
    if not isinstance(machine, str | os.PathLike):
        help = (
            "`Wafer(shape=(8, 8))`" if isinstance(machine, int | tuple) else "`wse3`, or the path of a file"
        )
        raise error("wafer-argument", f"a machine has a name or a file, not {machine!r}", help=help)
    return load_machine(os.fspath(machine))


def _checked(shape: Any) -> Shape:
    sizes: list[Any] = list(shape) if isinstance(shape, tuple | list) else []  # pyright: ignore
    if len(sizes) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) for n in sizes):
        help = f"`shape=({shape}, {shape})`" if isinstance(shape, int) else "`shape=(8, 8)`"
        raise error(
            "wafer-argument",
            f"a shape is two whole numbers, columns and rows, not {shape!r}",
            help=help,
        )
    return (sizes[0], sizes[1])


def wafer_of(wafer: Any) -> Wafer:
    """The wafer that is asked for, `Wafer()` by default. Diagnostics: wafer-argument."""
    if wafer is None:
        return Wafer()
    if not isinstance(wafer, Wafer):
        help = f"`Wafer({wafer!r})`" if isinstance(wafer, str | os.PathLike) else "`openwafer.Wafer(…)`"
        raise error("wafer-argument", f"`wafer` is a `Wafer`, not {wafer!r}", help=help)
    return wafer
