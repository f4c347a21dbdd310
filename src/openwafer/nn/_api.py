"""The functions that users call. They import PyTorch when they are called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from openwafer.diag import error
from openwafer.nn._wafer import Wafer
from openwafer.nn.kernels._kernel import Storage
from openwafer.nn.run._device import EngineName

if TYPE_CHECKING:
    from openwafer.nn.run._generation import Generator
    from openwafer.nn.run._model import CompiledModel
    from openwafer.nn.run._training import TrainingStep


def compile(
    model: Any,
    example_inputs: tuple[Any, ...],
    wafer: Wafer | None = None,
    *,
    engine: EngineName = "fast",
    threads: int = 1,
    dtype: Storage | None = None,
) -> CompiledModel:
    """Compiles a `torch.nn.Module` for inputs of the shapes of `example_inputs`; the result is
    called like it.

    `dtype` is the type in which matrices of weights are stored; sums are f32. By default f16 for a model in
    float16, else f32.

    Diagnostics: torch-missing, capture-failed, missing-operator, unsupported-view, model-does-not-fit."""
    return _with_torch("run._model").compile(
        model, example_inputs, wafer, engine=engine, threads=threads, dtype=dtype
    )


def compile_training(
    model: Any,
    loss: Any,
    optimizer: Any,
    example_inputs: tuple[Any, ...],
    wafer: Wafer | None = None,
    *,
    engine: EngineName = "fast",
    threads: int = 1,
    keep_gradients: bool = False,
) -> TrainingStep:
    """One training step for batches of the shapes of `example_inputs` = (*inputs, target).

    The loss is `loss(model(*inputs), target)`; the update is what `optimizer` (SGD, Adam, AdamW of PyTorch)
    would make, its learning rates read at every step. Without an optimizer (None)
    only gradients are computed.

    Diagnostics: those of `compile`, unsupported-optimizer, no-gradient."""
    return _with_torch("run._training").compile_training(
        model, loss, optimizer, example_inputs, wafer,
        engine=engine, threads=threads, keep_gradients=keep_gradients,
    )  # fmt: skip


def compile_generation(
    model: Any,
    context: int,
    wafer: Wafer | None = None,
    *,
    prefill: int = 16,
    engine: EngineName = "fast",
    threads: int = 1,
    dtype: Storage | None = None,
) -> Generator:
    """A generator for `model(ids [1, tokens]) → logits [1, tokens, vocabulary]` and texts of up to `context`
    tokens, of which prompts are read `prefill` at a time. The `dtype` (see `compile`) is that of keys and
    values, too.

    Diagnostics: those of `compile`, not-incremental, rotary-tables."""
    return _with_torch("run._generation").compile_generation(
        model, context, wafer, prefill=prefill, engine=engine, threads=threads, dtype=dtype
    )


def require_torch() -> None:
    """Diagnostics: torch-missing."""
    for module in ("torch", "safetensors", "tokenizers"):
        try:
            import_module(module)
        except ImportError as failure:
            name = "PyTorch" if module == "torch" else f"`{module}`"
            help = "pip install 'openwafer[torch]'"
            raise error("torch-missing", f"{name} is not installed", help=help) from failure


def _with_torch(module: str) -> Any:
    require_torch()
    return import_module(f"openwafer.nn.{module}")
