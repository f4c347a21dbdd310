"""`torch.compile(model, backend="openwafer")`."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from openwafer.nn._model import compile
from openwafer.nn._wafer import Wafer


class _Bound(torch.nn.Module):
    """A graph of dynamo with its parameters and buffers in it: dynamo gives them as inputs."""

    def __init__(self, graph: torch.fx.GraphModule, inputs: Sequence[Any]) -> None:
        super().__init__()
        self.graph = graph
        self.count = len(inputs)
        self.places: list[int] = []
        names = [n.name for n in graph.graph.nodes if n.op == "placeholder"]
        for i, (name, x) in enumerate(zip(names, inputs, strict=True)):
            if isinstance(x, torch.nn.Parameter):
                self.register_parameter(f"p{i}", x)
            elif "_buffers_" in name:
                self.register_buffer(f"p{i}", x)
            else:
                self.places.append(i)

    def forward(self, *given: Any) -> Any:
        rest = dict(zip(self.places, given, strict=True))
        return self.graph(*(rest[i] if i in rest else getattr(self, f"p{i}") for i in range(self.count)))


def openwafer(
    graph: torch.fx.GraphModule, inputs: Sequence[Any], *, options: Mapping[str, Any] | None = None
) -> Callable[..., Any]:
    """The backend. `options` are those of `openwafer.compile`: wafer, engine, threads. For inference: results
    have no gradient; weights are those of the first call.

    Diagnostics: those of `openwafer.compile`."""
    given = {"wafer": Wafer(), **(options or {})}
    bound = _Bound(graph, inputs)
    compiled = compile(bound, tuple(inputs[i] for i in bound.places), **given)

    def run(*args: Any) -> Any:
        return compiled(*(args[i] for i in bound.places))

    return run
