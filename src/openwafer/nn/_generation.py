"""`compile_generation`: a model that continues a text; keys and values stay in the memory of the PEs."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.nn._build import Builder, Built
from openwafer.nn._capture import capture
from openwafer.nn._device import EngineName
from openwafer.nn._host import unpack_matrix
from openwafer.nn._incremental import Incremental, incremental
from openwafer.nn._kernel import Storage
from openwafer.nn._mesh import Mesh, pack
from openwafer.nn._model import parameters_of, session_for, storage_of
from openwafer.nn._plan import ModelPlan
from openwafer.nn._profile import By, Phase
from openwafer.nn._program import Program
from openwafer.nn._session import Session
from openwafer.nn._usage import Usage
from openwafer.nn._wafer import Wafer

Logits = NDArray[np.float32]
Sampler = Callable[[Logits], int]


@dataclass(frozen=True, slots=True)
class _Step:
    """One entry, for `tokens` more tokens."""

    tokens: int
    graph: Incremental
    built: Built


class Generator:
    """A text on the wafer that grows: `feed` tokens, get the logits of the one that follows."""

    def __init__(self, steps: tuple[_Step, _Step], session: Session, context: int) -> None:
        self._prefill, self._decode = steps
        self.session = session
        self.context = context
        self.length = 0
        """Tokens of the text so far."""

    def reset(self) -> None:
        """Begins a new text."""
        self.length = 0

    def feed(self, tokens: Sequence[int]) -> Logits:
        """Appends tokens; the logits [vocabulary] of the next one. Diagnostics: context-full."""
        if not tokens:
            raise error("host-argument", "at least one token is needed")
        if self.length + len(tokens) > self.context:
            text = f"{self.length} + {len(tokens)} tokens do not fit into a context of {self.context}"
            raise error("context-full", text)
        left = list(tokens)
        while left:
            step = self._decode if len(left) == 1 else self._prefill
            self._run(step, left[: step.tokens])
            left = left[step.tokens :]
        return unpack_matrix(*self._logits(step), self.session.wafer.mesh)[:, 0]  # pyright: ignore

    def _logits(self, step: _Step) -> tuple[Any, Any]:
        buffer = step.built.values[step.graph.logits]
        return buffer, self.session.device.read(buffer)

    def _run(self, step: _Step, tokens: list[int]) -> None:
        """Tokens are padded to the entry's length; what the padding leaves in the caches is written over
        later."""
        padding = [0] * (step.tokens - len(tokens))
        inputs = {step.graph.ids: [*tokens, *padding]}
        if step.graph.positions is not None:
            positions = np.arange(self.length, self.length + step.tokens)
            inputs[step.graph.positions] = list(np.minimum(positions, self.context - 1))
        tiles: dict[Any, Any] = {}
        for value, numbers in inputs.items():
            buffer = step.built.values[value]
            assert buffer.layout is not None
            tiles[buffer] = pack(np.array(numbers, np.int32), buffer.layout, self.session.wafer.mesh)
        arguments = {"past": float(self.length), "last": float(len(tokens) - 1)}
        self.session.run(step.built.entry, tiles, arguments)
        self.length += len(tokens)

    def generate(
        self,
        prompt: Sequence[int],
        count: int,
        *,
        sampler: Sampler | None = None,
        stop: Sequence[int] = (),
        slides: bool = False,
    ) -> Iterator[int]:
        """Continues `prompt` by up to `count` tokens, each as soon as it is known; ends behind a token of
        `stop`.

        `sampler` chooses a token from logits; by default the most likely. With `slides` a text that fills the
        context goes on from the last half of it, which is read again. Diagnostics: context-full."""
        choose, text = sampler or greedy, list(prompt)
        logits = self.feed(text)
        for i in range(count):
            text.append(choose(logits))
            yield text[-1]
            if text[-1] in stop or i + 1 == count:
                return
            if slides and self.length == self.context:
                self.reset()
            logits = self.feed(text[-1:] if self.length else text[-max(self.context // 2, 1) :])

    @property
    def cycles(self) -> int:
        """Simulated cycles since the wafer was started."""
        return self.session.device.now

    @property
    def usage(self) -> Usage:
        """Since the wafer was started."""
        return self.session.usage

    def plan(self) -> ModelPlan:
        return self.session.describe()

    def profile(self, entry: str = "decode", by: By = "module") -> list[Phase]:
        """Cycles of the last `decode` or `prefill` by module of the model, or by kind of work."""
        step = self._decode if entry == "decode" else self._prefill
        return self.session.profile(step.built.entry, by)

    def save(self, directory: str | Path) -> None:
        self.session.save(directory)


def greedy(logits: Logits) -> int:
    return int(logits.argmax())


def sampling(
    temperature: float, top_k: int | None = None, top_p: float | None = None, seed: int = 0
) -> Sampler:
    """Chooses by softmax(logits / temperature) among the `top_k` most likely, of these among the fewest that
    have a probability of `top_p` together."""
    random = np.random.default_rng(seed)

    def choose(logits: Logits) -> int:
        scaled = logits.astype(np.float64) / temperature
        if top_k is not None and top_k < scaled.size:
            scaled[scaled < np.partition(scaled, -top_k)[-top_k]] = -np.inf
        weights = np.exp(scaled - scaled.max())
        weights /= weights.sum()
        if top_p is not None:
            weights[_unlikely(weights, top_p)] = 0
        return int(random.choice(weights.size, p=weights / weights.sum()))

    return choose


def _unlikely(weights: NDArray[np.float64], top_p: float) -> NDArray[np.int64]:
    """Indices of those that are not needed for a probability of `top_p`."""
    order = np.argsort(-weights, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    return order[before >= top_p]


def compile_generation(
    model: torch.nn.Module,
    context: int,
    wafer: Wafer | None = None,
    *,
    prefill: int = 16,
    engine: EngineName = "fast",
    threads: int = 1,
    dtype: Storage | None = None,
) -> Generator:
    """A generator for `model(ids [1, tokens]) → logits [1, tokens, vocabulary]`, texts of up to `context`
    tokens; prompts are read `prefill` tokens at a time. Weights, keys and values are stored as `dtype`, by
    default as the model has its weights.

    Diagnostics: those of `capture`, not-incremental, rotary-tables, model-does-not-fit."""
    wafer = wafer or Wafer()
    storage = dtype or storage_of(model)
    captured = capture(model, (torch.zeros(1, context, dtype=torch.long),))
    (ids,), (logits,) = captured.inputs, captured.outputs
    lengths = {"prefill": min(prefill, context), "decode": 1}

    def build(mesh: Mesh) -> tuple[tuple[_Step, ...], Program]:
        builder = Builder(mesh, storage)
        steps = []
        for name, tokens in lengths.items():
            graph = incremental(captured.graph, ids.value, logits.value, tokens)
            built = builder.entry(name, graph.graph, [graph.logits])
            steps.append(_Step(tokens, graph, built))
        return tuple(steps), builder.program()

    steps, session = session_for(build, wafer, engine, parameters_of(model), threads)
    return Generator(steps, session, context)
