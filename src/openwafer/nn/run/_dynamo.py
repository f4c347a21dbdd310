"""`torch.compile(model, backend="openwafer")`."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from openwafer.diag import DiagnosticError, error
from openwafer.nn.run._model import CompiledModel, compile

OPTIONS = frozenset(("wafer", "engine", "threads", "dtype"))


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

    def take(self, args: Sequence[Any]) -> None:
        """Parameters and buffers that dynamo gives are those of the model as it is now."""
        for table in (self._parameters, self._buffers):
            for name, known in table.items():
                given = args[int(name.removeprefix("p"))]
                if given is not known:
                    table[name] = given


class _Backend:
    """A graph of dynamo on the wafer. What changes beside weights, such as buffers, compiles it again."""

    def __init__(
        self, graph: torch.fx.GraphModule, inputs: Sequence[Any], options: Mapping[str, Any]
    ) -> None:
        self._bound = _Bound(graph, inputs)
        self._options = options
        self._compiled = self._compile(inputs)

    def _compile(self, args: Sequence[Any]) -> CompiledModel:
        return compile(self._bound, self._given(args), **self._options)

    def _given(self, args: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(args[i] for i in self._bound.places)

    def __call__(self, *args: Any) -> Any:
        self._bound.take(args)
        try:
            return self._compiled(*self._given(args))
        except DiagnosticError as failure:
            if failure.diagnostics[0].id != "model-changed":
                raise
        self._compiled = self._compile(args)
        return self._compiled(*self._given(args))


def openwafer(
    graph: torch.fx.GraphModule, inputs: Sequence[Any], *, options: Mapping[str, Any] | None = None
) -> Callable[..., Any]:
    """The backend. `options` are those of `openwafer.compile`: wafer, engine, threads. For inference: results
    have no gradient.

    Diagnostics: those of `openwafer.compile`, host-argument."""
    unknown = sorted(set(options or {}) - OPTIONS)
    if unknown:
        known = ", ".join(f"`{name}`" for name in sorted(OPTIONS))
        raise error("host-argument", f"there is no option `{unknown[0]}`", help=f"there are {known}")
    return _Backend(graph, inputs, options or {})
