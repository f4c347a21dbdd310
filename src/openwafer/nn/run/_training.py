"""`compile_training`: forward, backward and optimiser as one program on the wafer."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from openwafer.diag import DiagnosticError, error
from openwafer.nn._checks import check_options
from openwafer.nn._wafer import Wafer, wafer_of
from openwafer.nn.capture._capture import capture, text_and_constants
from openwafer.nn.capture._captured import Captured
from openwafer.nn.capture._view import View
from openwafer.nn.capture._with_loss import Loss, bare, with_loss
from openwafer.nn.graph._differentiate import append_updates, check_uses
from openwafer.nn.graph._graph import Graph, Op
from openwafer.nn.graph._mesh import Mesh
from openwafer.nn.graph._rematerialise import rematerialise
from openwafer.nn.ops._passes import differentiate
from openwafer.nn.program._build import Builder, Built
from openwafer.nn.program._fit import room_bytes
from openwafer.nn.program._memory import plan_memory
from openwafer.nn.program._program import Program
from openwafer.nn.run._arguments import Arguments, example_of
from openwafer.nn.run._compiled import Compiled
from openwafer.nn.run._device import EngineName
from openwafer.nn.run._dropout_seed import LOW, draws
from openwafer.nn.run._live import LiveModel
from openwafer.nn.run._model import session_for
from openwafer.nn.run._non_finite import History
from openwafer.nn.run._optimizer import Hyperparameters
from openwafer.nn.run._session import Session

STEPS, SEED = "steps", "seed"
"""Where a state has the number of steps, and the seed of dropout."""


class TrainingStep(Compiled):
    """Call it with a batch: one step on the wafer; the result is the loss before the step."""

    def __init__(
        self, model: torch.nn.Module, optimizer: Hyperparameters | None, captured: Captured,
        arguments: Arguments, live: LiveModel, built: Built, session: Session,
    ) -> None:  # fmt: skip
        super().__init__(captured, arguments, live, built, session)
        self._model = model
        self._optimizer = optimizer
        self._is_ahead = False
        """Whether the wafer has made steps that the model has not seen."""
        self.steps = 0
        self.seed = torch.initial_seed()
        """Of dropout: with it and the number of a step its masks are made."""
        self._history = History(session, built.entry)

    def __call__(self, *args: Any, **named: Any) -> float:
        """Diagnostics: those of the call of a compiled model, weights-changed, optimizer-changed; not-finite,
        with the layer from which the first such number comes."""
        self._refresh()
        inputs = self._inputs(args, named)
        tiles, arguments = self._tiles(inputs), self._step_arguments(self.steps + 1)
        self.steps += 1
        self._history.note(self.steps, tiles, arguments)
        self.session.run(self._built.entry, tiles, arguments)
        self._is_ahead = self._optimizer is not None
        loss = float(self._finish(inputs))
        if not math.isfinite(loss):
            raise self._not_finite(loss)
        return loss

    def _refresh(self) -> bool:
        """Weights that were changed in the model reach the wafer, unless it has made steps since.

        Diagnostics: model-changed, weights-changed."""
        if self._is_ahead:
            self._check_untouched()
            return False
        if is_other := super()._refresh():
            self._history = History(self.session, self._built.entry)
        return is_other

    def _check_untouched(self) -> None:
        """Diagnostics: model-changed, weights-changed."""
        if changed := self._live.changed():
            raise error(
                "weights-changed",
                f"`{bare(changed[0])}` was changed in the model, which has not seen the wafer's steps",
                help="`step.sync()` before weights are changed",
            )

    def _not_finite(self, loss: float) -> DiagnosticError:
        culprit = self._history.culprit()
        where = f"the first number that is not finite comes from {culprit}" if culprit else None
        return error(
            "not-finite", f"the loss of step {self.steps} is {loss}",
            notes=(where,) if where else (), help="a smaller learning rate, or gradients that are clipped",
        )  # fmt: skip

    def _step_arguments(self, step: int) -> dict[str, float]:
        out = draws(self.seed, step) if self._draws else {}
        if self._optimizer is None:
            return out
        for _, group in self._unread.values():
            self._optimizer.check_unread(group)
        return {**out, **self._optimizer.arguments(step)}

    @cached_property
    def _unread(self) -> dict[str, tuple[torch.Tensor, int]]:
        """Of trained parameters which elements the program does not have, such as rows of a table, and the
        parameters' groups."""
        found: dict[str, tuple[torch.Tensor, int]] = {}
        trained = {w.parameter for op in self._captured.graph.ops if op.has_effect() for w in op.weights}
        for name in (n for n in trained if n is not None):
            parameter = self._live.tensor(name)
            group = None if self._optimizer is None else self._optimizer.group_of(parameter)
            unread = ~self._used(name, parameter)
            if group is not None and bool(unread.any()):
                found[name] = (unread, group)
        return found

    def _used(self, name: str, parameter: torch.Tensor) -> torch.Tensor:
        """Which elements of a parameter the program has."""
        used = np.zeros(parameter.numel(), bool)
        for b in self.session.program.buffers:
            if b.kind == "weight" and b.weight is not None and b.weight.parameter == name:
                used[slice(None) if b.weight.index is None else b.weight.index.ravel()] = True
        return torch.from_numpy(used).reshape(parameter.shape)

    @property
    def _draws(self) -> bool:
        """Whether there is dropout."""
        return any(name == LOW for name, _ in self._built.entry.arguments)

    def sync(self) -> None:
        """Copies the trained weights from the wafer into the PyTorch model.

        Diagnostics: model-changed, weights-changed."""
        self._refresh()
        if not self._is_ahead:
            return
        used = {b.weight.parameter for b in self.session.program.buffers if b.kind == "weight" and b.weight}
        wanted = {name: self._live.tensor(name) for name in used if name is not None}
        arrays = {name: np.zeros(p.shape, np.float32) for name, p in wanted.items()}
        self.session.collect("weight", arrays)
        with torch.no_grad():
            for name, parameter in wanted.items():
                parameter.copy_(self._merge(name, torch.from_numpy(arrays[name]), parameter))
        self._live.forget()
        if self._optimizer is not None:
            self._optimizer.synced()
        self._is_ahead = False

    def _merge(self, name: str, read: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
        """Rows of a table that the program does not use keep what they had, but for weight decay."""
        if name in self._unread and self._optimizer is not None:
            old = old * self._optimizer.shrunk[self._unread[name][1]]
        return torch.where(self._used(name, old), read, old)

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

    def save(self, directory: str | Path) -> None:
        """Writes the program as CSL, the weights as they are on the wafer, and a host script."""
        self.sync()
        self.session.parameters = self._live.arrays()
        super().save(directory)

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

    Diagnostics: those of `capture`, input-type, host-argument, unsupported-optimizer, unsupported-hook,
    model-does-not-fit, no-gradient."""
    wafer, example = wafer_of(wafer), example_of(example_inputs)
    check_options(engine, threads)
    whole = with_loss(model, loss)
    hyperparameters = None if optimizer is None else Hyperparameters(optimizer)
    captured, forward = _captured(whole, example)
    outputs = [v.value for v in captured.outputs]
    if hyperparameters is not None:
        append_updates(captured.graph, hyperparameters.operator, hyperparameters.attributes(whole))
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

    retext = lambda: text_and_constants(whole, example)  # noqa: E731
    live = LiveModel(whole, captured.text, captured.stored, retext, is_training=True)
    built, session = session_for(build, wafer, engine, live.arrays(), threads)
    arguments = Arguments(example)
    return TrainingStep(model, hyperparameters, captured, arguments, live, built, session)


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
    loss = captured.results.sources[captured.results.returned :]
    if len(loss) != 1 or not isinstance(loss[0], View) or loss[0].value.shape.kind != "scalar":
        found = ", ".join(str(list(x.shape)) if isinstance(x, View) else "a constant" for x in loss)
        raise error("loss-shape", f"the loss must be one number, found {found}")
    forward = set(captured.graph.ops)
    trained = {name for name, p in whole.named_parameters(remove_duplicate=False) if p.requires_grad}
    differentiate(captured.graph, loss[0].value, trained)
    captured.graph.prune(outputs)
    check_uses(captured.graph)
    return captured, forward
