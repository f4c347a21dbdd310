"""Which wafer, and how many of its PEs."""

from __future__ import annotations

from dataclasses import dataclass

from openwafer.diag import error
from openwafer.machine import Machine, load_machine
from openwafer.nn._mesh import Mesh

Shape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Wafer:
    """A machine (a name, or the path of its file) and a rectangle of its PEs: (columns, rows).

    Diagnostics: wafer-shape, and those of the machine."""

    machine: str = "wse3"
    shape: Shape = (4, 4)

    def __post_init__(self) -> None:
        w, h = self.shape
        wafer = load_machine(self.machine).wafer
        most = (wafer.max_width, wafer.max_height)
        if not (1 <= w <= most[0] and 1 <= h <= most[1]):
            raise error(
                "wafer-shape",
                f"a program on {self.machine} has 1 × 1 to {most[0]} × {most[1]} PEs, not {w} × {h}",
            )

    @property
    def mesh(self) -> Mesh:
        return Mesh(*self.shape)

    def load(self) -> Machine:
        return load_machine(self.machine)
