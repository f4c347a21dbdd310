"""What capturing a model gives: `Captured`."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from openwafer.nn.capture._inputs import Input, id_limits
from openwafer.nn.capture._view import View
from openwafer.nn.graph._graph import Graph
from openwafer.nn.run._results import Results


@dataclass(slots=True)
class Captured:
    """The graph of a model, its inputs in order, what it returns and what it writes."""

    text: str
    """Of the program, writes in place included: the same text means the same computation."""
    stored: dict[str, torch.Tensor]
    """Constants and buffers that are part of the program."""
    graph: Graph
    inputs: list[Input]
    states: tuple[str, ...]
    """Buffers that the model changes. They are inputs behind the caller's."""
    results: Results

    @property
    def outputs(self) -> list[View]:
        """Of the results those that the wafer computes."""
        return [x for x in self.results.sources if isinstance(x, View)]

    def arranged(self, args: Sequence[torch.Tensor]) -> list[tuple[Input, NDArray[Any]]]:
        """The caller's tensors and the buffers of `states`, checked, each with the input it is for.

        Diagnostics: input-shape, input-dtype, id-out-of-range."""
        limits = id_limits(self.graph)
        return [(i, i.arrange(args[i.argument], limits.get(i.value))) for i in self.inputs]
