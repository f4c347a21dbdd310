"""An optimizer of PyTorch as the wafer has it: what is compiled, and what is read at every step."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from openwafer.diag import DiagnosticError, error

KINDS: dict[type, str] = {torch.optim.SGD: "sgd", torch.optim.Adam: "adamw", torch.optim.AdamW: "adamw"}
"""The operator of each optimizer."""
HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the program of a parameter group rests on, and no step can change."""

    parameters: tuple[int, ...]
    """Their ids."""
    has_momentum: bool
    is_nesterov: bool


class Hyperparameters:
    """Of each parameter group. All numbers are read at every step, so schedulers may change any of them."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        """Diagnostics: unsupported-optimizer."""
        self.optimizer = optimizer
        self.operator = _operator(optimizer)
        _check_unused(optimizer)
        self._groups = [self._compiled(group) for group in optimizer.param_groups]
        self.shrunk = [1.0] * len(self._groups)
        """What weight decay has left, since `synced`, of elements that no step reads; by group."""

    def _compiled(self, group: Mapping[str, Any]) -> Compiled:
        _check_supported(self.optimizer, group)
        ids = tuple(id(p) for p in group["params"])
        return Compiled(ids, bool(group.get("momentum")), bool(group.get("nesterov")))

    def attributes(self, model: torch.nn.Module) -> dict[str, Mapping[str, Any]]:
        """Of the operator, by parameter name."""
        places = {i: k for k, group in enumerate(self._groups) for i in group.parameters}
        named = model.named_parameters(remove_duplicate=False)
        return {name: self._attributes(places[id(p)]) for name, p in named if id(p) in places}

    def _attributes(self, place: int) -> dict[str, Any]:
        group = self._groups[place]
        return {"group": place, "momentum": group.has_momentum, "nesterov": group.is_nesterov}

    def arguments(self, step: int) -> dict[str, float]:
        """The numbers of a step, from 1, by argument of the entry.

        Diagnostics: unsupported-optimizer, optimizer-changed."""
        self._check_unchanged()
        numbers = [_numbers(group, step) for group in self.optimizer.param_groups]
        self.shrunk = [s * (1 - n["lr"] * n["decay"]) for s, n in zip(self.shrunk, numbers, strict=True)]
        return {f"{name}_{i}": number for i, group in enumerate(numbers) for name, number in group.items()}

    def synced(self) -> None:
        """The model has what the wafer has."""
        self.shrunk = [1.0] * len(self._groups)

    def group_of(self, parameter: torch.Tensor) -> int | None:
        """The group that changes a parameter."""
        places = (i for i, group in enumerate(self._groups) if id(parameter) in group.parameters)
        return next(places, None)

    def check_unread(self, group: int) -> None:
        """Elements that no step reads only shrink, as long as there is no momentum.

        Diagnostics: unsupported-optimizer."""
        now = self.optimizer.param_groups[group]
        if self._groups[group].has_momentum and now["weight_decay"]:
            raise error(
                "unsupported-optimizer", "weight decay with momentum, of rows of a table that no step reads",
                help="AdamW, or a group without weight decay for the table",
            )  # fmt: skip

    def _check_unchanged(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self._groups):
            raise _changed(f"{len(groups)} parameter groups, compiled for {len(self._groups)}")
        for i, (group, then) in enumerate(zip(groups, self._groups, strict=True)):
            now = self._compiled(group)
            if now != then:
                raise _changed(_difference(i, now, then))
        _check_unused(self.optimizer)


def _operator(optimizer: Any) -> str:
    kind = type(optimizer)
    if kind not in KINDS:
        raise error(
            "unsupported-optimizer", f"`{kind.__name__}` is not supported", help="SGD, Adam and AdamW are"
        )
    return KINDS[kind]


def _check_unused(optimizer: torch.optim.Optimizer) -> None:
    """The states lie on the wafer, and nothing of PyTorch's `step` runs there."""
    if optimizer.state:
        raise error(
            "unsupported-optimizer", "the optimizer has states of steps that it made in PyTorch",
            help="begin with a new optimizer; `step.state()` and `step.restore(…)` carry a training on",
        )  # fmt: skip
    if any(getattr(optimizer, hooks, None) for hooks in HOOKS):
        raise error("unsupported-optimizer", "hooks of the optimizer's steps are not called on the wafer")


def _check_supported(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> None:
    for option in ("amsgrad", "maximize"):
        if group.get(option):
            raise error("unsupported-optimizer", f"`{option}` is not supported")
    if type(optimizer) is torch.optim.Adam and group["weight_decay"]:
        raise error(
            "unsupported-optimizer", "weight decay in Adam is not supported", help="AdamW has its own"
        )


def _numbers(group: Mapping[str, Any], step: int) -> dict[str, float]:
    out = {"lr": float(group["lr"]), "decay": float(group["weight_decay"])}
    if "betas" not in group:
        dampening = 0.0 if step == 1 else float(group["dampening"])
        return {**out, "momentum": float(group["momentum"]), "dampening": dampening}
    beta1, beta2 = map(float, group["betas"])
    corrections = {"correction1": 1 - beta1**step, "correction2": 1 - beta2**step}
    return {**out, "beta1": beta1, "beta2": beta2, "eps": float(group["eps"]), **corrections}


def _difference(place: int, now: Compiled, then: Compiled) -> str:
    if now.parameters != then.parameters:
        return f"group {place} has other parameters than when it was compiled"
    if now.is_nesterov != then.is_nesterov:
        return f"group {place}: `nesterov` is {now.is_nesterov}, compiled for {then.is_nesterov}"
    having = {True: "other than 0", False: "0"}
    return (
        f"group {place}: the momentum is {having[now.has_momentum]}, compiled for {having[then.has_momentum]}"
    )


def _changed(what: str) -> DiagnosticError:
    return error("optimizer-changed", what, help="compile the training again")
