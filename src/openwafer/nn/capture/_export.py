"""`torch.export` of a model as users have them, and its failures as diagnostics."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import io
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch
from torch.utils import _pytree

from openwafer.diag import DiagnosticError, error
from openwafer.nn.capture._nodes import own_line

DATA_DEPENDENT = ("data-dependent", "GuardOnDataDependent", "Could not extract specialized")


def export(model: torch.nn.Module, args: tuple[Any, ...]) -> Any:
    """The exported program of `model(*args)`. Diagnostics: capture-failed, unsupported-dtype."""
    _check_types(model)
    # one tensor given twice would be captured as one input
    distinct = _pytree.tree_map(lambda a: a.clone() if isinstance(a, torch.Tensor) else a, tuple(args))
    with _quiet(), _without_cache(model), _unchanged_state(model):
        try:
            return torch.export.export(model, distinct, strict=False)
        except Exception as failure:
            raise _failed(failure) from failure


@contextmanager
def _unchanged_state(model: torch.nn.Module) -> Iterator[None]:
    """Holds that no call of the model changes a number in one of its modules, or makes one of their tensors
    another: the next call would compute something else. (`torch.export` puts attributes back when it has
    traced; it sees new tensors for buffers of the model itself, not for those of its modules.)

    Diagnostics: unsupported-write."""
    modules = list(model.named_modules())
    before = [_numbers(module) for _, module in modules]
    given: list[dict[str, torch.Tensor]] = []
    changed: list[str] = []

    def begin(*_: Any) -> None:
        given[:] = [_tensors(module) for _, module in modules]

    def end(*_: Any) -> None:
        for (path, module), numbers, tensors in zip(modules, before, given, strict=True):
            now, others = _numbers(module), _tensors(module)
            names = [name for name, x in numbers.items() if now.get(name, x) != x]
            if module is not model:
                names += [name for name, x in tensors.items() if others.get(name) is not x]
            changed.extend(f"{path}.{name}" if path else name for name in names)

    hooks = model.register_forward_pre_hook(begin), model.register_forward_hook(end)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for (_, module), numbers in zip(modules, before, strict=True):
            vars(module).update(numbers)
    if changed:
        raise error(
            "unsupported-write", f"every call of the model makes `{changed[0]}` another",
            help="a buffer (`register_buffer`) may change, in place: `self.buffer.copy_(…)`",
        )  # fmt: skip


def _tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Buffers and plain attributes."""
    table = {**module._buffers, **vars(module)}  # pyright: ignore[reportPrivateUsage]
    return {name: x for name, x in table.items() if isinstance(x, torch.Tensor)}


def _numbers(module: torch.nn.Module) -> dict[str, int | float]:
    return {name: x for name, x in vars(module).items() if type(x) in (int, float)}


def _check_types(model: Any) -> None:
    """Diagnostics: capture-failed, unsupported-dtype."""
    if not isinstance(model, torch.nn.Module):
        raise error("capture-failed", f"a `torch.nn.Module` is needed, found `{type(model).__name__}`")
    if torch.is_autocast_enabled("cpu"):
        raise error(
            "unsupported-dtype", "under autocast PyTorch rounds to half precision, the wafer does not",
            help="compile and call outside `torch.autocast`",
        )  # fmt: skip
    for name, parameter in model.named_parameters():
        if parameter.dtype == torch.float64 or parameter.dtype.is_complex:
            raise unsupported_dtype(f"the parameter `{name}`", parameter.dtype)


def unsupported_dtype(what: str, dtype: torch.dtype) -> DiagnosticError:
    help = "`model.float()`, and inputs likewise" if dtype == torch.float64 else None
    return error("unsupported-dtype", f"{what} is {dtype}, numbers on the wafer are f32", help=help)


def text_of(program: Any) -> str:
    """Of the graphs and of what they are given and return."""
    modules = [m for m in program.graph_module.modules() if isinstance(m, torch.fx.GraphModule)]
    codes = [module.code for module in modules]
    return "\n".join([*codes, str(program.graph_signature), str(program.call_spec.out_spec)])


def _failed(failure: Exception) -> DiagnosticError:
    text = str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
    depends = any(word in f"{type(failure).__name__} {failure}" for word in DATA_DEPENDENT)
    frames = [(f.filename, f.lineno or 0) for f in traceback.extract_tb(failure.__traceback__)]
    line = own_line(frames)
    return error(
        "capture-failed",
        f"torch.export cannot capture this model: {text}",
        notes=(line,) if line else (),
        help="what the model does may depend on shapes, not on values" if depends else None,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch logs and prints what it then raises, and warns of the flat weights of its recurrent layers."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The tensor attributes.*_flat_weights")
            yield
        sys.stdout.write(printed.getvalue())
    finally:
        logging.disable(before)


@contextmanager
def _without_cache(model: torch.nn.Module) -> Iterator[None]:
    """Models of `transformers` return their keys and values if the configuration says so; on the wafer they
    stay in the memory of the PEs."""
    configs: dict[int, Any] = {id(c): c for m in model.modules() if (c := getattr(m, "config", None))}
    changed = [c for c in configs.values() if getattr(c, "use_cache", None) is True]
    for config in changed:
        config.use_cache = False
    try:
        yield
    finally:
        for config in changed:
            config.use_cache = True
