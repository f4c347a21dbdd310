"""One replica of a layout, step by step: what a simulation of servers needs of the closed forms."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import error
from openwafer.estimate._config import ModelConfig
from openwafer.estimate._constants import Constants, constants
from openwafer.estimate._estimate import Engine, Estimate
from openwafer.estimate._facts import ModelFacts, kv_bytes, model_facts
from openwafer.estimate._gpu import gpu_facts, matrix_flop, max_batch, prefill_s
from openwafer.estimate._plan import Traffic, evaluate
from openwafer.estimate._power import gpu_watts, server_watts
from openwafer.estimate._serve import Draft
from openwafer.estimate._wafer import serve_on_wafers, wafer_facts
from openwafer.machine.systems import Format, GpuSystem, System, WaferSystem

Floats = NDArray[np.float64]
_LONGER = 1.5
"""Contexts at which a line through step times is drawn: the mean one, and this times as long."""
_LAYOUT = re.compile(r"(\d+) × (?:TP(\d+)(?: × PP(\d+))?(?: \+ (\d+) × TP\d+ for prompts)?|(\d+) wafers?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`replicas` of `group` chips × `pipes` stages, or of `group` wafers; `prompts`: groups that only read
    prompts."""

    replicas: int
    group: int
    pipes: int = 1
    prompts: int = 0

    @property
    def units(self) -> int:
        """Chips, or wafers, of all replicas and groups for prompts."""
        return (self.replicas * self.pipes + self.prompts) * self.group


def layout_of(row: Estimate) -> Layout:
    """The numbers of `Estimate.layout`."""
    match = _LAYOUT.fullmatch(row.layout)
    assert match is not None, row.layout
    replicas, group, pipes, prompts, wafers = (int(g) if g else 0 for g in match.groups())
    return Layout(replicas=replicas, group=group or wafers, pipes=max(pipes, 1), prompts=prompts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplicaSteps:
    """Of one replica by the sequences of its batch, from 1: `seconds` of a step, which gives each a token,
    `context_s` more for each token of their contexts, `watts`.

    A prompt of n tokens takes n · prompt_token_s + n² / 2 · prompt_pair_s; `first_s`: what a first token
    takes besides. `room_tokens` of KV cache; `token_bytes` of it a token; `link_bytes_per_s` out of the
    replica. `units`: chips, or wafers. Watts are IT power with the hosts' part."""

    seconds: Floats
    context_s: Floats
    watts: Floats
    prompt_token_s: float
    prompt_pair_s: float
    prompt_watts: float
    idle_watts: float
    first_s: float
    room_tokens: int
    token_bytes: float
    link_bytes_per_s: float
    units: int


def replica_steps(
    model: ModelConfig, system: System, layout: Layout, *, input: float, output: float,
    precision: Format, most: int, engine: Engine = "trtllm", drafted: float = 0, accepted: float = 0,
    c: Constants | None = None,
) -> ReplicaSteps:  # fmt: skip
    """Steps of batches of 1 to `most` sequences, at the context of this traffic: prompt + half the answer.

    Step times are drawn as lines in the context through that one. With speculative decoding a step is the
    mean time of a token. Diagnostics: replica-does-not-fit.
    """
    used = c or constants()
    draft = Draft(drafted=drafted, accepted=accepted, cost=used.site.draft_cost)
    facts = model_facts(model, precision)
    traffic = Traffic(tokens_in=float(input), tokens_out=float(output), users=1.0, draft=draft)
    if isinstance(system, GpuSystem):
        steps = _on_gpus(facts, system, layout, traffic, precision, engine, most, used)
    else:
        steps = _on_wafers(facts, system, layout, traffic, most, used)
    if steps.room_tokens < input + output:
        text = f"`{model.name}` with {input + output:g} tokens does not fit {steps.units} of `{system.name}`"
        raise error("replica-does-not-fit", text)
    return steps


def _line(at: float, here: Floats, further: Floats, batch: Floats) -> tuple[Floats, Floats]:
    """Seconds without context and for each token of it, of times at a context and at `_LONGER` times it."""
    each = np.maximum((further - here) / (batch * at * (_LONGER - 1)), 0.0)
    return np.maximum(here - each * batch * at, 1e-9), each


def _prompt_line(tokens: float, here: float, further: float) -> tuple[float, float]:
    """Seconds of a token and of each pair, of times a token of prompts of `tokens` and twice as many."""
    pair = max(2 * (further - here) / tokens, 0.0)
    return max(here - pair * tokens / 2, 1e-12), pair


def _on_gpus(
    model: ModelFacts, system: GpuSystem, layout: Layout, traffic: Traffic, form: Format, engine: Engine,
    most: int, c: Constants,
) -> ReplicaSteps:  # fmt: skip
    gpu, batch = gpu_facts(system, form, engine, c.gpu), np.arange(1.0, most + 1)
    tokens, context = float(traffic.tokens_in), float(traffic.mean_context)
    longer = Traffic(
        tokens_in=context * _LONGER - traffic.tokens_out / 2, tokens_out=traffic.tokens_out, users=1.0,
        draft=traffic.draft,
    )  # fmt: skip
    here, further = (
        evaluate(model, gpu, t, layout.group, layout.pipes, batch, c.gpu, 1.0) for t in (traffic, longer)
    )
    base, each = _line(context, here.token_s, further.token_s, batch)
    prompts = [float(prefill_s(model, gpu, layout.group, n * tokens, c.gpu)) / n / tokens for n in (1, 2)]
    token, pair = _prompt_line(tokens, prompts[0], prompts[1])
    low, sixteen = matrix_flop(model)
    peak_s = float(low / gpu.peak_low + sixteen / gpu.peak_16) / layout.group
    chips = layout.group * layout.pipes
    return ReplicaSteps(
        seconds=base,
        context_s=each,
        watts=_gpu_power(system, here.memory_use, here.compute_use, chips, c),
        prompt_token_s=token / layout.pipes,
        prompt_pair_s=pair / layout.pipes,
        prompt_watts=float(_gpu_power(system, np.zeros(1), np.array([peak_s / prompts[0]]), chips, c)[0]),
        idle_watts=system.server.power_idle_w / system.server.chips * chips,
        first_s=c.gpu.first_s + max(c.gpu.first_steps - 1, 0.0) * float(here.token_s[-1]),
        room_tokens=int(float(max_batch(model, gpu, chips, context)) * context),
        token_bytes=float(kv_bytes(model, context)) / context,
        link_bytes_per_s=float(chips * gpu.out_bytes_per_s * c.gpu.link),
        units=chips,
    )


def _gpu_power(system: GpuSystem, memory: Floats, compute: Floats, chips: int, c: Constants) -> Floats:
    watts = server_watts(gpu_watts(system, memory, compute, c.power), system, c.power)
    return np.asarray(watts / system.server.chips * chips, np.float64)


def _on_wafers(
    model: ModelFacts, system: WaferSystem, layout: Layout, traffic: Traffic, most: int, c: Constants
) -> ReplicaSteps:
    wafer, batch, wafers = wafer_facts(system), np.arange(1.0, most + 1), float(layout.group)
    tokens, out, context = float(traffic.tokens_in), float(traffic.tokens_out), float(traffic.mean_context)

    def at(tokens_in: float, users: Floats) -> tuple[Floats, Floats, Floats, float]:
        """Seconds of a step, its busy part, what a prompt takes, and what it keeps busy."""
        served = serve_on_wafers(
            model, wafer, np.full(len(users), wafers), users, np.full(len(users), tokens_in),
            np.full(len(users), out), c.wafer, traffic.draft.positions,
        )  # fmt: skip
        step = served.token_s - served.prompts
        busy = np.clip((served.busy * served.token_s - served.prompts) / step, 0.0, 1.0)
        held = float(served.prompts[-1]) * out / max(float(users[-1]) - 1, 1e-9)
        return step * traffic.draft.time_part, busy, served.first_s - wafer.user_s, held

    two = np.maximum(batch, 2.0)[-1:]
    base, each = _line(context, at(tokens, batch)[0], at(context * _LONGER - out / 2, batch)[0], batch)
    held = [at(n * tokens, two)[3] / n / tokens for n in (1, 2)]
    token, pair = _prompt_line(tokens, held[0], held[1])
    whole = float(at(tokens, two)[2][-1])
    part = wafers / system.wafers.per_system
    return ReplicaSteps(
        seconds=base,
        context_s=each,
        watts=part * (wafer.idle_w + (wafer.busy_w - wafer.idle_w) * at(tokens, batch)[1]),
        prompt_token_s=token,
        prompt_pair_s=pair,
        prompt_watts=part * float(wafer.busy_w),
        idle_watts=part * float(wafer.idle_w),
        first_s=float(wafer.user_s) + max(whole - held[0] * tokens, 0.0),
        room_tokens=int(
            (wafer.usable_bytes * wafers - model.stored_bytes) / kv_bytes(model, context) * context
        ),
        token_bytes=float(kv_bytes(model, context)) / context,
        link_bytes_per_s=float(wafer.io_bytes_per_s),
        units=layout.group,
    )
