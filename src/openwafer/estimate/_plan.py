"""How a model is laid over GPUs: chips in one tensor- or expert-parallel group, groups in a pipeline,
replicas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from openwafer.estimate._constants import GpuConstants
from openwafer.estimate._facts import ModelFacts
from openwafer.estimate._gpu import GpuFacts, max_batch
from openwafer.estimate._num import Num, where
from openwafer.estimate._serve import NO_DRAFT, Draft, Served, serve

_GROUPS = (1, 2, 4, 8, 16, 32, 64)
_PIPES = (1, 2, 4, 8)
BATCHES = 2.0 ** np.arange(13)
"""Sequences of a replica that are tried; engines are not built for more than 4,096."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Tokens of a request, and requests in flight at any time (`users`); `closed` as in `serve`."""

    tokens_in: Num
    tokens_out: Num
    users: Num
    closed: Num = 0.0
    draft: Draft = NO_DRAFT

    @property
    def mean_context(self) -> Num:
        """What a sequence holds on average while it is served."""
        return self.tokens_in + self.tokens_out / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A layout that was chosen. `fits` is False where no layout holds the model and its users; `split` where
    other chips read the prompts, `prompt_chips` as many as these times the replica's own. `per_chip`: tokens
    a second of a chip, those that read prompts counted."""

    fits: Num
    group: Num
    pipes: Num
    batch: Num
    split: Num
    prompt_chips: Num
    token_s: Num
    first_s: Num
    tokens_per_s: Num
    per_chip: Num
    memory_use: Num
    compute_use: Num
    parts: Num


def layouts(most: float) -> Iterator[tuple[int, int]]:
    """Group and pipeline sizes of at most so many chips; more than eight chips are piped in groups of
    eight."""
    for group in _GROUPS:
        for pipes in _PIPES:
            if group * pipes <= max(most, 1) and (pipes == 1 or group == 8 or group * pipes <= 8):
                yield group, pipes


def fastest(
    model: ModelFacts, gpu: GpuFacts, traffic: Traffic, chips: Num, c: GpuConstants, one: bool = False
) -> Plan:
    """The layout of `chips` that gives its users the shortest time between tokens; with `one`, a single
    group."""
    best: Plan | None = None
    for group, pipes in layouts(float(np.max(chips))):
        if one and group * pipes != np.max(chips):
            continue
        replicas = np.floor(chips / (group * pipes))
        batch = np.maximum(traffic.users / np.maximum(replicas, 1e-9), 1.0)
        room = max_batch(model, gpu, group * pipes, traffic.mean_context)
        fits = (replicas >= 1) & ((room >= batch) | one) & (group <= where(pipes > 1, 8, gpu.domain))
        plan = evaluate(model, gpu, traffic, group, pipes, batch, c)
        plan = replace(plan, fits=fits & np.isfinite(plan.token_s), tokens_per_s=plan.tokens_per_s * replicas)
        best = plan if best is None else _better(best, plan, -best.token_s, -plan.token_s)
    assert best is not None
    return best


def densest(
    model: ModelFacts,
    gpu: GpuFacts,
    traffic: Traffic,
    c: GpuConstants,
    least_tokens_per_s: Num = 0.0,
    most_chips: float = 8,
    users_bound: bool = False,
    may_split: bool = False,
) -> Plan:
    """The layout and batch with most tokens a second and chip among those fast enough for a user.

    `tokens_per_s` of the result is of one replica. With `users_bound` no replica takes more than all users;
    with `may_split` prompts may have chips of their own.
    """
    best: Plan | None = None
    ways, shape = 1 + may_split, (-1, *([1] * np.ndim(traffic.tokens_in + model.layers + gpu.domain)))
    batches = np.tile(BATCHES, ways).reshape(shape)
    split = np.repeat(np.arange(ways), len(BATCHES)).reshape(shape)
    for group, pipes in layouts(most_chips):
        room = max_batch(model, gpu, group * pipes, traffic.mean_context)
        limit = np.minimum(room, traffic.users) if users_bound else room
        tried = np.minimum(batches, np.maximum(limit, 1.0))
        plan = evaluate(model, gpu, traffic, group, pipes, tried, c, split)
        fits = (room >= 1) & (1 / plan.token_s >= least_tokens_per_s) & np.isfinite(plan.token_s)
        plan = replace(plan, fits=fits & (group <= where(pipes > 1, 8, gpu.domain)))
        if users_bound:
            chips = whole_chips(plan, np.ceil(traffic.users / tried))[0]
            plan = replace(plan, per_chip=traffic.users / plan.token_s / chips)
        plan = _pick(plan, where(plan.fits, plan.per_chip, -1.0))
        best = plan if best is None else _better(best, plan, best.per_chip, plan.per_chip)
    assert best is not None
    return best


def whole_chips(plan: Plan, replicas: Num) -> tuple[Num, Num]:
    """Chips of so many replicas, and how many groups of chips among them only read prompts."""
    prompts = np.ceil(replicas * plan.pipes * plan.prompt_chips)
    return (replicas * plan.pipes + prompts) * plan.group, prompts


def evaluate(
    model: ModelFacts, gpu: GpuFacts, traffic: Traffic, group: Num, pipes: Num, batch: Num, c: GpuConstants,
    split: Num = 0.0,
) -> Plan:  # fmt: skip
    """A replica of `group` × `pipes` chips with `batch` sequences; a pipeline works on as many parts at
    once, and its stages wait for each other."""
    served = serve(
        model,
        gpu,
        group,
        np.maximum(batch / pipes, 1.0),
        traffic.tokens_in,
        traffic.tokens_out,
        c,
        traffic.closed,
        traffic.draft,
        split,
    )
    piped = np.asarray(pipes) > 1
    token_s = served.token_s * where(piped, 1 + c.bubble, 1.0) + (pipes - 1) * 2 * c.reduce_s
    return Plan(
        fits=np.True_,
        group=group + 0 * token_s,
        pipes=pipes + 0 * token_s,
        batch=batch + 0 * token_s,
        split=split + 0 * token_s,
        prompt_chips=served.prompt_chips,
        token_s=token_s,
        first_s=served.first_s,
        tokens_per_s=batch / token_s,
        per_chip=batch / token_s / (group * pipes * (1 + served.prompt_chips)),
        memory_use=served.memory_use,
        compute_use=served.compute_use,
        parts=_parts(served, split),
    )


def _parts(served: Served, split: Num) -> Num:
    """Seconds of a step by what they are spent on: arithmetic, memory, collectives, software (first axis)."""
    step, carried = served.step, where(split > 0, 0.0, np.maximum(served.token_s - served.step.total, 0.0))
    bound = step.arithmetic > step.matrices * 0.8
    arithmetic = where(bound, step.matrices, 0.0) + carried
    memory = where(bound, 0.0, step.matrices) + step.cache
    return np.stack(np.broadcast_arrays(arithmetic, memory, step.collectives, step.launches))


def _better(a: Plan, b: Plan, score_a: Num, score_b: Num) -> Plan:
    """Of two plans the one that fits and scores higher, point by point."""
    take_b = b.fits & (~np.asarray(a.fits) | (score_b > score_a))
    return Plan(**{name: where(take_b, getattr(b, name), getattr(a, name)) for name in Plan.__slots__})


def _pick(plan: Plan, score: Num) -> Plan:
    """Of the plans along the first axis, the one with the highest score."""
    at = np.argmax(score, axis=0)[None]

    def take(values: Num, axis: int = 0) -> Num:
        shape = score.shape if axis == 0 else (values.shape[0], *score.shape)
        full = np.broadcast_to(values, shape)
        where = at if axis == 0 else np.broadcast_to(at, (values.shape[0], *at.shape))
        return np.take_along_axis(full, where, axis=axis).squeeze(axis)

    fields = {name: take(getattr(plan, name)) for name in Plan.__slots__ if name != "parts"}
    return Plan(**fields, parts=take(plan.parts, 1))
