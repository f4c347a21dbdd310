"""`compile_training`: forward, backward and optimiser as one program on the wafer."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from openwafer.diag import DiagnosticError, error
from openwafer.nn._blame import History
from openwafer.nn._build import Builder, Built
from openwafer.nn._capture import Captured, capture
from openwafer.nn._compiled import Compiled
from openwafer.nn._device import EngineName
from openwafer.nn._differentiate import append_updates, check_uses, differentiate
from openwafer.nn._draws import LOW, draws
from openwafer.nn._fit import room_bytes
from openwafer.nn._graph import Graph, Op
from openwafer.nn._memory import plan_memory
from openwafer.nn._mesh import Mesh
from openwafer.nn._model import parameters_of, session_for
from openwafer.nn._program import Program
from openwafer.nn._rematerialise import rematerialise
from openwafer.nn._session import Session
from openwafer.nn._wafer import Wafer

Loss = Callable[..., torch.Tensor]
STEPS, SEED = "steps", "seed"
"""Where a state has the number of steps, and the seed of dropout."""


class _WithLoss(torch.nn.Module):
    """loss(model(*inputs), target)."""

    def __init__(self, model: torch.nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, *args: Any) -> torch.Tensor:
        *inputs, target = args
        return self.loss(self.model(*inputs), target)


class TrainingStep(Compiled):
    """Call it with a batch: one step on the wafer; the result is the loss before the step."""

    def __init__(
        self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, captured: Captured,
        built: Built, session: Session,
    ) -> None:  # fmt: skip
        super().__init__(captured, built, session)
        self._model = model
        self._optimizer = optimizer
        self.steps = 0
        self.seed = torch.initial_seed()
        """Of dropout: with it and the number of a step its masks are made."""
        self._history = History(session, built.entry)

    def __call__(self, *args: torch.Tensor) -> float:
        """Diagnostics: not-finite, with the layer from which the first such number comes."""
        tiles = self._tiles(args)
        self.steps += 1
        arguments = self._arguments()
        self._history.note(self.steps, tiles, arguments)
        self.session.run(self._built.entry, tiles, arguments)
        (view,) = self._captured.outputs
        loss = float(self.session.read(self._built.values[view.value], view))
        if not math.isfinite(loss):
            raise self._not_finite(loss)
        return loss

    def _not_finite(self, loss: float) -> DiagnosticError:
        culprit = self._history.culprit()
        where = f"the first number that is not finite comes from {culprit}" if culprit else None
        return error(
            "not-finite", f"the loss of step {self.steps} is {loss}",
            notes=(where,) if where else (), help="a smaller learning rate, or gradients that are clipped",
        )  # fmt: skip

    def _arguments(self) -> dict[str, float]:
        out = draws(self.seed, self.steps) if self._draws else {}
        groups = self._optimizer.param_groups if self._optimizer is not None else ()
        for i, group in enumerate(groups):
            out.update({f"{name}_{i}": number for name, number in runtime(group, self.steps).items()})
        return out

    @property
    def _draws(self) -> bool:
        """Whether there is dropout."""
        return any(name == LOW for name, _ in self._built.entry.arguments)

    def sync(self) -> None:
        """Copies the trained weights from the wafer into the PyTorch model."""
        named = dict(self._model.named_parameters(remove_duplicate=False))
        used = {b.weight.parameter for b in self.session.program.buffers if b.kind == "weight" and b.weight}
        wanted = {name for name in used if name is not None}
        arrays = {n: np.zeros(named[n.removeprefix("model.")].shape, np.float32) for n in wanted}
        self.session.collect("weight", arrays)
        with torch.no_grad():
            for name, array in arrays.items():
                parameter = named[name.removeprefix("model.")]
                parameter.copy_(self._merge(name, torch.from_numpy(array), parameter))

    def _merge(self, name: str, read: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
        """Rows of a table that the program does not use keep what they had."""
        used = np.zeros(old.numel(), bool)
        for b in self.session.program.buffers:
            if b.kind == "weight" and b.weight is not None and b.weight.parameter == name:
                used[slice(None) if b.weight.index is None else b.weight.index.ravel()] = True
        return torch.where(torch.from_numpy(used).reshape(old.shape), read, old)

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """What a later step needs besides the weights (`sync`): the optimiser's states as they lie on the
        PEs, the number of steps, and, with dropout, its seed."""
        seed = {SEED: np.array([self.seed], np.uint64)} if self._draws else {}
        return {**self.session.states(), STEPS: np.array([self.steps]), **seed}

    def restore(self, state: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Goes on behind the step in which `state` was taken, on a wafer of the same shape.

        Diagnostics: state-mismatch."""
        numbers = (STEPS, SEED) if self._draws else (STEPS,)
        self.session.restore({name: array for name, array in state.items() if name not in numbers})
        for name in numbers:
            if name not in state or state[name].shape != (1,):
                raise error("state-mismatch", f"the state has no number `{name}`")
        self.steps = int(state[STEPS][0])
        self.seed = int(state[SEED][0]) if self._draws else self.seed
        self._history = History(self.session, self._built.entry)

    def gradients(self) -> dict[str, torch.Tensor]:
        """By parameter, of the last step; only if compiled with `keep_gradients`."""
        buffers = [b for b in self.session.program.buffers if b.kind == "gradient" and b.weight]
        names = {
            b.weight.parameter for b in buffers if b.weight is not None and b.weight.parameter is not None
        }
        arrays = {n: np.zeros_like(self.session.parameters[n]) for n in names}
        self.session.collect("gradient", arrays)
        return {n.removeprefix("model."): torch.from_numpy(a) for n, a in arrays.items()}


def compile_training(
    model: torch.nn.Module,
    loss: Loss,
    optimizer: torch.optim.Optimizer | None,
    example_inputs: tuple[Any, ...],
    wafer: Wafer | None = None,
    *,
    engine: EngineName = "fast",
    threads: int = 1,
    keep_gradients: bool = False,
) -> TrainingStep:
    """One step: the loss of `loss(model(*inputs), target)`, where `example_inputs` = (*inputs, target);
    gradients; and the update that `optimizer` (SGD, Adam, AdamW of PyTorch) would make. Its learning rates
    are read at every step, so schedulers work. Without an optimizer only gradients are computed.

    Diagnostics: those of `capture`, unsupported-optimizer, model-does-not-fit, no-gradient."""
    wafer = wafer or Wafer()
    whole = _WithLoss(model, loss)
    captured, forward = _captured(whole, example_inputs)
    outputs = [v.value for v in captured.outputs]
    if optimizer is not None:
        name, attributes = updates(optimizer, whole)
        append_updates(captured.graph, name, attributes)
    keep = keep_gradients or optimizer is None

    room = room_bytes(wafer.load())

    def build(mesh: Mesh) -> tuple[Built, Program]:
        """With what the backward pass needs kept, or, if that does not fit, made again."""
        built, program = build_from(captured.graph, mesh)
        if plan_memory(program).bytes > room:
            built, program = build_from(rematerialise(captured.graph, forward), mesh)
        return built, program

    def build_from(graph: Graph, mesh: Mesh) -> tuple[Built, Program]:
        builder = Builder(mesh)
        built = builder.entry("step", graph, outputs, keep_gradients=keep)
        return built, builder.program()

    built, session = session_for(build, wafer, engine, parameters_of(whole), threads)
    return TrainingStep(model, optimizer, captured, built, session)


def _captured(whole: torch.nn.Module, example_inputs: tuple[Any, ...]) -> tuple[Captured, set[Op]]:
    """The graph with gradients, and its operators without them.

    Parts of layers are computed apart, unless these overlap: they must be trained as one."""
    try:
        return _with_gradients(whole, example_inputs, moves_parts=False)
    except DiagnosticError as failure:
        if failure.diagnostics[0].id != "weight-used-twice":
            raise
    return _with_gradients(whole, example_inputs, moves_parts=True)


def _with_gradients(
    whole: torch.nn.Module, example_inputs: tuple[Any, ...], *, moves_parts: bool
) -> tuple[Captured, set[Op]]:
    captured = capture(whole, example_inputs, moves_parts=moves_parts, draws=True)
    outputs = [v.value for v in captured.outputs]
    if len(outputs) != 1 or captured.known or outputs[0].shape.kind != "scalar":
        found = ", ".join(str(list(v.shape)) for v in captured.outputs)
        raise error("loss-shape", f"the loss must be one number, found {found}")
    forward = set(captured.graph.ops)
    trained = {name for name, p in whole.named_parameters(remove_duplicate=False) if p.requires_grad}
    differentiate(captured.graph, outputs[0], trained)
    captured.graph.prune(outputs)
    check_uses(captured.graph)
    return captured, forward


def updates(
    optimizer: torch.optim.Optimizer, model: torch.nn.Module
) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """The operator, and its attributes by parameter name."""
    kind = type(optimizer).__name__
    if kind not in ("SGD", "Adam", "AdamW"):
        raise error("unsupported-optimizer", f"`{kind}` is not supported", help="SGD, Adam and AdamW are")
    groups = {id(p): i for i, g in enumerate(optimizer.param_groups) for p in g["params"]}
    attributes: dict[str, Mapping[str, Any]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if id(parameter) in groups:
            i = groups[id(parameter)]
            attributes[name] = {**_attributes(kind, optimizer.param_groups[i]), "group": i}
    return ("sgd" if kind == "SGD" else "adamw"), attributes


def _attributes(kind: str, group: Mapping[str, Any]) -> dict[str, Any]:
    for option in ("amsgrad", "maximize"):
        if group.get(option):
            raise error("unsupported-optimizer", f"`{option}` is not supported")
    if kind == "Adam" and group["weight_decay"]:
        raise error(
            "unsupported-optimizer", "weight decay in Adam is not supported", help="AdamW has its own"
        )
    if kind == "SGD":
        return {k: group[k] for k in ("momentum", "nesterov")} | {"decay": group["weight_decay"]}
    beta1, beta2 = group["betas"]
    return {"beta1": beta1, "beta2": beta2, "eps": group["eps"], "decay": group["weight_decay"]}


def runtime(group: Mapping[str, Any], step: int) -> dict[str, float]:
    """What changes from step to step (from 1)."""
    out = {"lr": float(group["lr"])}
    if "betas" in group:
        beta1, beta2 = group["betas"]
        return {**out, "correction1": 1 - beta1**step, "correction2": 1 - beta2**step}
    return {**out, "dampening": 0.0 if step == 1 else float(group["dampening"])}
