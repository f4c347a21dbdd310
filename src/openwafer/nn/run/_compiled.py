"""What a compiled model and a training step have in common: one entry of a program on the wafer."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from openwafer.nn.capture._captured import Captured
from openwafer.nn.program._build import Built
from openwafer.nn.program._plan import ModelPlan
from openwafer.nn.program._program import Buffer
from openwafer.nn.run._arguments import Arguments
from openwafer.nn.run._device import Tiles
from openwafer.nn.run._live import LiveModel
from openwafer.nn.run._profile import By, Phase
from openwafer.nn.run._session import Session


class Compiled:
    """Its weights stay on the wafer between calls."""

    def __init__(
        self, captured: Captured, arguments: Arguments, live: LiveModel, built: Built, session: Session
    ) -> None:
        self._captured = captured
        self._arguments = arguments
        self._live = live
        self._built = built
        self.session = session

    def _refresh(self) -> bool:
        """Weights that are others in the model reach the wafer; whether there are any.

        Diagnostics: model-changed."""
        if changed := self._live.changed():
            self.session.reload(self._live.take(changed), changed)
        return bool(changed)

    def _inputs(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> list[torch.Tensor]:
        """The caller's tensors, checked, and the buffers that the model changes."""
        states = [self._live.tensor(name) for name in self._captured.states]
        inputs = [*self._arguments.tensors(args, named), *states]
        self._captured.results.check_written(inputs)
        return inputs

    def _finish(self, inputs: list[torch.Tensor]) -> Any:
        """What the model returns; what it writes is written."""
        values = self._built.values
        read = [self.session.read(values[v.value], v) for v in self._captured.outputs]
        return self._captured.results.finish(read, inputs, self._live.tensor)

    def _tiles(self, inputs: list[torch.Tensor]) -> dict[Buffer, Tiles]:
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
        self._refresh()
        self.session.save(directory)
