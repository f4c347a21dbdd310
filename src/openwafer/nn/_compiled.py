"""What a compiled model and a training step have in common: one entry of a program on the wafer."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from pathlib import Path
from typing import Any

from openwafer.nn._build import Built
from openwafer.nn._capture import Captured
from openwafer.nn._device import Tiles
from openwafer.nn._plan import ModelPlan
from openwafer.nn._profile import By, Phase
from openwafer.nn._program import Buffer
from openwafer.nn._session import Session


class Compiled:
    """Its weights stay on the wafer between calls."""

    def __init__(self, captured: Captured, built: Built, session: Session) -> None:
        self._captured = captured
        self._built = built
        self.session = session

    def _tiles(self, inputs: Any) -> dict[Buffer, Tiles]:
        """Of the inputs that the program reads, as it wants them arranged."""
        session, values = self.session, self._built.values
        used = set(session.program.buffers)
        return {
            values[i.value]: session.tiles(values[i.value], a, i.view)
            for i, a in self._captured.arranged(inputs)
            if values[i.value] in used
        }

    @property
    def cycles(self) -> int:
        """Simulated cycles since the wafer was started."""
        return self.session.device.now

    def plan(self) -> ModelPlan:
        """Where everything lies, and which collectives there are; `print` it."""
        return self.session.describe()

    def profile(self, by: By = "module") -> list[Phase]:
        """Cycles of the last call by module of the model, or by kind of work."""
        return self.session.profile(self._built.entry, by)

    def save(self, directory: str | Path) -> None:
        """Writes the program as CSL, its weights, and a host script."""
        self.session.save(directory)
