"""`compile`: a PyTorch model as a callable that runs on the wafer."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree

from openwafer.nn._build import Builder, Built
from openwafer.nn._capture import capture
from openwafer.nn._compiled import Compiled
from openwafer.nn._device import EngineName
from openwafer.nn._host import Arrays
from openwafer.nn._kernel import Storage
from openwafer.nn._memory import plan_memory
from openwafer.nn._mesh import Mesh
from openwafer.nn._program import Program
from openwafer.nn._session import Session
from openwafer.nn._wafer import Wafer


class CompiledModel(Compiled):
    """A model for one shape of inputs."""

    def __call__(self, *args: Any) -> Any:
        """As the model's own call; results are on the host."""
        inputs = [a for a in _pytree.tree_leaves(args) if isinstance(a, torch.Tensor)]
        session, values = self.session, self._built.values
        session.run(self._built.entry, self._tiles(inputs))
        views = self._captured.outputs
        return self._captured.results([torch.as_tensor(session.read(values[v.value], v)) for v in views])


def compile(
    model: torch.nn.Module,
    example_inputs: tuple[Any, ...],
    wafer: Wafer | None = None,
    *,
    engine: EngineName = "fast",
    threads: int = 1,
    dtype: Storage | None = None,
) -> CompiledModel:
    """Compiles `model` for inputs of the shapes of `example_inputs`; weights are stored as `dtype`, by
    default as the model has them.

    Diagnostics: those of `capture`, model-does-not-fit."""
    wafer = wafer or Wafer()
    captured, storage = capture(model, example_inputs), dtype or storage_of(model)

    def build(mesh: Mesh) -> tuple[Built, Program]:
        builder = Builder(mesh, storage)
        built = builder.entry("run", captured.graph, [v.value for v in captured.outputs])
        return built, builder.program()

    built, session = session_for(build, wafer, engine, parameters_of(model), threads)
    return CompiledModel(captured, built, session)


def session_for(
    build: Callable[[Mesh], tuple[Any, Program]], wafer: Wafer, engine: EngineName,
    parameters: Arrays, threads: int,
) -> tuple[Any, Session]:  # fmt: skip
    """What `build` gives for the wafer's mesh, and a session for its program."""
    built, program = build(wafer.mesh)
    replan = lambda mesh: plan_memory(build(mesh)[1]).bytes  # noqa: E731
    return built, Session(program, wafer, engine, parameters, threads, replan)


def storage_of(model: torch.nn.Module) -> Storage:
    """f16 if all parameters are float16; what else there may be is stored as f32."""
    dtypes = {p.dtype for p in model.parameters()}
    return "f16" if dtypes == {torch.float16} else "f32"


def parameters_of(model: torch.nn.Module) -> dict[str, np.ndarray[Any, Any]]:
    """Whole parameters by every name they have, as f32."""
    named = model.named_parameters(remove_duplicate=False)
    return {name: p.detach().to(torch.float32).cpu().numpy() for name, p in named}
