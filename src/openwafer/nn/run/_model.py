"""`compile`: a PyTorch model as a callable that runs on the wafer."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from openwafer.nn._checks import check_options
from openwafer.nn._wafer import Wafer, wafer_of
from openwafer.nn.capture._capture import capture, text_and_constants
from openwafer.nn.graph._mesh import Mesh
from openwafer.nn.kernels._kernel import Storage
from openwafer.nn.program._build import Builder, Built
from openwafer.nn.program._memory import plan_memory
from openwafer.nn.program._program import Program
from openwafer.nn.run._arguments import Arguments, example_of
from openwafer.nn.run._compiled import Compiled
from openwafer.nn.run._device import EngineName
from openwafer.nn.run._host import Arrays
from openwafer.nn.run._live import LiveModel
from openwafer.nn.run._session import Session


class CompiledModel(Compiled):
    """A model for one shape of inputs."""

    def __call__(self, *args: Any, **named: Any) -> Any:
        """As the model's own call, with its weights as they are now; results are on the host.

        Diagnostics: input-count, input-type, input-dtype, input-shape, input-constant, input-shared,
        id-out-of-range, model-changed."""
        self._refresh()
        inputs = self._inputs(args, named)
        self.session.run(self._built.entry, self._tiles(inputs))
        return self._finish(inputs)


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

    Diagnostics: those of `capture`, input-type, host-argument, model-does-not-fit."""
    wafer, example = wafer_of(wafer), example_of(example_inputs)
    check_options(engine, threads, dtype)
    captured, storage = capture(model, example), dtype or storage_of(model)

    def build(mesh: Mesh) -> tuple[Built, Program]:
        builder = Builder(mesh, storage)
        built = builder.entry("run", captured.graph, [v.value for v in captured.outputs])
        return built, builder.program()

    live = LiveModel(model, captured.text, captured.stored, lambda: text_and_constants(model, example))
    built, session = session_for(build, wafer, engine, live.arrays(), threads)
    return CompiledModel(captured, Arguments(example), live, built, session)


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
