"""`compile_generation`: a model that continues a text; keys and values stay in the memory of the PEs."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from openwafer.diag import DiagnosticError, error
from openwafer.nn._checks import check_options, check_whole, tokens_of
from openwafer.nn._sampling import Logits, Sampler, greedy
from openwafer.nn._wafer import Wafer, wafer_of
from openwafer.nn.capture._capture import capture, text_and_constants
from openwafer.nn.capture._captured import Captured
from openwafer.nn.capture._inputs import Limit, id_limits
from openwafer.nn.graph._graph import Value
from openwafer.nn.graph._incremental import Incremental, incremental
from openwafer.nn.graph._mesh import Mesh, pack
from openwafer.nn.kernels._kernel import Storage
from openwafer.nn.program._build import Builder, Built
from openwafer.nn.program._plan import ModelPlan
from openwafer.nn.program._program import Program
from openwafer.nn.run._device import EngineName
from openwafer.nn.run._host import unpack_matrix
from openwafer.nn.run._live import LiveModel
from openwafer.nn.run._model import session_for, storage_of
from openwafer.nn.run._profile import By, Phase
from openwafer.nn.run._session import Session
from openwafer.nn.run._usage import Usage


@dataclass(frozen=True, slots=True)
class _Step:
    """One entry, for `tokens` more tokens."""

    tokens: int
    graph: Incremental
    built: Built


class Generator:
    """A text on the wafer that grows: `feed` tokens, get the logits of the one that follows."""

    def __init__(
        self, steps: tuple[_Step, _Step], session: Session, context: int, vocabulary: int, live: LiveModel
    ) -> None:
        self._prefill, self._decode = steps
        self._live = live
        self.vocabulary = vocabulary
        """Ids are below it."""
        self.session = session
        self.context = context
        self.length = 0
        """Tokens of the text so far."""

    def reset(self) -> None:
        """Begins a new text."""
        self.length = 0

    def feed(self, tokens: Sequence[int]) -> Logits:
        """Appends tokens; the logits [vocabulary] of the next one.

        Diagnostics: prompt-empty, input-type, id-out-of-range, context-full, model-changed,
        weights-changed."""
        tokens = self._checked(tokens)
        self._refresh()
        if self.length + len(tokens) > self.context:
            text = f"{self.length} + {len(tokens)} tokens do not fit into a context of {self.context}"
            raise error("context-full", text, help="`reset()`, or compile for a longer context")
        left = tokens
        while left:
            step = self._decode if len(left) == 1 else self._prefill
            self._run(step, left[: step.tokens])
            left = left[step.tokens :]
        return unpack_matrix(*self._logits(step), self.session.wafer.mesh)[:, 0]  # pyright: ignore

    def _checked(self, tokens: Any) -> list[int]:
        """Diagnostics: prompt-empty, input-type, id-out-of-range."""
        ids = tokens_of(tokens)
        if not ids:
            raise error("prompt-empty", "at least one token is needed")
        Limit(self.vocabulary).check(np.array(ids, object))
        return ids

    def _refresh(self) -> None:
        """Weights that are others in the model reach the wafer, before a text.

        Diagnostics: model-changed, weights-changed."""
        live = self._live
        if not (changed := live.changed_meanwhile(self.length) if self.length else live.changed()):
            return
        if self.length:
            name = changed[0]
            text = f"`{name}` was changed in the middle of a text"
            raise error("weights-changed", text, help="`reset()` begins another")
        self.session.reload(live.take(changed), changed)

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
        context goes on from the last half of it, which is read again.

        Diagnostics: host-argument, and those of `feed`."""
        check_whole("count", count, least=0)
        if sampler is not None and not callable(sampler):
            raise error("host-argument", f"a sampler is called with logits, {sampler!r} cannot be called")
        text = self._checked(prompt)
        if not slides and count and self.length + len(text) + count - 1 > self.context:
            raise self._too_long(len(text), count)
        return self._tokens(text, count, sampler or greedy, frozenset(tokens_of(stop)), slides)

    def _too_long(self, given: int, count: int) -> DiagnosticError:
        have = f"{self.length} + " if self.length else ""
        room = max(self.context - self.length - given + 1, 0)
        return error(
            "context-full",
            f"{have}{given} tokens and {count} more do not fit into a context of {self.context}",
            help=f"at most {room} more, or `slides=True`",
        )

    def _tokens(
        self, text: list[int], count: int, choose: Sampler, stop: Collection[int], slides: bool
    ) -> Iterator[int]:
        if count == 0:
            return
        logits = self.feed(text)
        for i in range(count):
            text.append(int(choose(logits)))
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
        if entry not in ("decode", "prefill"):
            raise error("host-argument", f"there is no entry `{entry}`", help="`decode` or `prefill`")
        step = self._decode if entry == "decode" else self._prefill
        return self.session.profile(step.built.entry, by)

    def save(self, directory: str | Path) -> None:
        """Writes the program as CSL, its weights, and a host script."""
        self._refresh()
        self.session.save(directory)


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

    Diagnostics: those of `capture`, host-argument, context-full, not-incremental, rotary-tables,
    model-does-not-fit."""
    wafer = wafer_of(wafer)
    check_options(engine, threads, dtype)
    check_whole("context", context, least=1)
    check_whole("prefill", prefill, least=1)
    example = (torch.zeros(1, context, dtype=torch.long),)
    captured = _captured(model, example)
    storage = dtype or storage_of(model)
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

    live = LiveModel(model, captured.text, captured.stored, lambda: text_and_constants(model, example))
    steps, session = session_for(build, wafer, engine, live.arrays(), threads)
    return Generator(steps, session, context, _vocabulary(captured, ids.value), live)


def _captured(model: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Captured:
    """The model for a whole context. Diagnostics: those of `capture`, context-full, not-incremental."""
    try:
        captured = capture(model, example)
    except DiagnosticError as failure:
        raise _beyond_positions(model, example) or failure from failure
    if captured.results.writes:
        raise error(
            "not-incremental", "the model changes buffers or inputs", help="generation has caches for that"
        )
    if len(captured.inputs) != 1 or len(captured.outputs) != 1:
        raise error("not-incremental", "generation needs a model with one input, ids, and one result, logits")
    return captured


def _beyond_positions(model: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> DiagnosticError | None:
    """What to say if a model can be captured for a shorter context: it has fewer positions."""
    context = example[0].shape[1]
    tables = [m.num_embeddings for m in model.modules() if isinstance(m, torch.nn.Embedding)]
    shorter = [n for n in sorted(set(tables), reverse=True) if n < context]
    for count in shorter:
        try:
            capture(model, (example[0][:, :count],))
        except DiagnosticError:
            continue
        return error(
            "context-full", f"a context of {context} tokens is more than the {count} positions of the model",
            help=f"a context of at most {count}",
        )  # fmt: skip
    return None


def _vocabulary(captured: Captured, ids: Value) -> int:
    limit = id_limits(captured.graph).get(ids)
    return captured.outputs[0].value.features if limit is None else limit.count
