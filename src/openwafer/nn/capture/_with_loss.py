"""A model and its loss as one module: what is differentiated."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

from openwafer.diag import error

Loss = Callable[..., torch.Tensor]
GRADIENT_HOOKS = ("_backward_hooks", "_backward_pre_hooks", "_post_accumulate_grad_hooks")
"""Of modules and parameters; PyTorch calls them in the backward pass."""


class WithLoss(torch.nn.Module):
    """loss(model(*inputs), target)."""

    def __init__(self, model: torch.nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, *args: Any) -> torch.Tensor:
        *inputs, target = args
        return self.loss(self.model(*inputs), target)


def with_loss(model: Any, loss: Any) -> WithLoss:
    """Diagnostics: capture-failed, host-argument, unsupported-hook."""
    if not isinstance(model, torch.nn.Module):
        raise error("capture-failed", f"a `torch.nn.Module` is needed, found `{type(model).__name__}`")
    if not callable(loss):
        raise error(
            "host-argument", f"the loss is called with outputs and targets, {loss!r} cannot be called"
        )
    whole = WithLoss(model, cast(Loss, loss))
    for name, owner in (*whole.named_modules(), *whole.named_parameters()):
        if any(getattr(owner, hooks, None) for hooks in GRADIENT_HOOKS):
            raise error(
                "unsupported-hook", f"hooks on gradients of `{bare(name)}` are not called on the wafer"
            )
    return whole


def bare(name: str) -> str:
    """The name in the user's model."""
    return name.removeprefix("model.")
