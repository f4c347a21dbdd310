"""Many points at once: model, system, format and traffic of each in; speeds, systems and power of each out.

A point is served by the cheapest layout that is fast enough: on GPUs the most tokens a second and chip, on
wafers
the fewest wafers. Points of a kind are arrays, so that a sweep is arithmetic on arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from openwafer.estimate._config import ModelConfig
from openwafer.estimate._constants import Constants
from openwafer.estimate._facts import ModelFacts, model_facts, stack
from openwafer.estimate._gpu import GpuFacts, gpu_facts, max_batch, stack_gpus
from openwafer.estimate._num import Num, where
from openwafer.estimate._plan import Traffic, densest, evaluate, fastest, whole_chips
from openwafer.estimate._power import gpu_watts, server_watts
from openwafer.estimate._serve import Draft
from openwafer.estimate._wafer import (
    WaferFacts,
    WaferServed,
    replica_wafers,
    serve_on_wafers,
    stack_wafers,
    wafer_facts,
    wafers_needed,
)
from openwafer.machine.systems import Format, GpuSystem, System, WaferSystem

MOST_CHIPS = 64
"""Of one replica."""
REPLICAS = 2.0 ** np.arange(0, 13, 1)
BINDS = ("compute", "memory", "fabric", "I/O", "software")
CROWDED = 0.7
"""Part of the room for sequences above which capacity sets the number of chips."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """One question. `least_tokens_per_s`: what a user must get, 0 when it does not matter."""

    model: ModelConfig
    system: System
    form: Format
    engine: str
    tokens_in: float
    tokens_out: float
    users: float
    least_tokens_per_s: float = 0.0
    drafted: float = 0.0
    accepted: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Of as many points, arrays.

    `fits`: some layout holds the model; `meets`: and is fast enough (else the numbers are those of the
    fastest). `group`, `pipes`: chips of a layout (wafers of a replica and 1); `prompts`: groups that only
    read prompts. `parts`: seconds of a token by `BINDS`, first axis; `full`: KV caches set the number of
    systems; `share`: systems, parts of them counted; `watts`: IT power of what serves.
    """

    fits: Num
    meets: Num
    full: Num
    systems: Num
    share: Num
    group: Num
    pipes: Num
    replicas: Num
    prompts: Num
    token_s: Num
    first_s: Num
    tokens_per_s: Num
    watts: Num
    parts: Num


def answer(points: Sequence[Point], c: Constants) -> list[tuple[Point, Answers, int]]:
    """Each point with the arrays that hold its answer, and where in them."""
    out: list[tuple[Point, Answers, int] | None] = [None] * len(points)
    for kind, solve in ((GpuSystem, _on_gpus), (WaferSystem, _on_wafers)):
        index = [i for i, point in enumerate(points) if _kind(point.system) is kind]
        if index:
            answers = solve([points[i] for i in index], c)
            for at, i in enumerate(index):
                out[i] = (points[i], answers, at)
    return [entry for entry in out if entry is not None]


def _kind(system: System) -> type[GpuSystem] | type[WaferSystem]:
    return GpuSystem if isinstance(system, GpuSystem) else WaferSystem


def _traffic(points: Sequence[Point], c: Constants) -> tuple[Traffic, NDArray[np.float64]]:
    names = ("tokens_in", "tokens_out", "users", "least_tokens_per_s", "drafted", "accepted")
    columns = {n: np.array([getattr(p, n) for p in points], dtype=np.float64) for n in names}
    draft = Draft(drafted=columns["drafted"], accepted=columns["accepted"], cost=c.site.draft_cost)
    traffic = Traffic(
        tokens_in=columns["tokens_in"], tokens_out=columns["tokens_out"], users=columns["users"], draft=draft
    )
    return traffic, columns["least_tokens_per_s"]


def _models(points: Sequence[Point]) -> ModelFacts:
    """Facts of the points' models; computed once a model and format."""
    seen: dict[tuple[int, Format], int] = {}
    facts: list[ModelFacts] = []
    index = np.empty(len(points), dtype=np.intp)
    for i, point in enumerate(points):
        key = (id(point.model), point.form)
        if key not in seen:
            seen[key] = len(facts)
            facts.append(_model_facts(point.model, point.form))
        index[i] = seen[key]
    return stack(facts, index)


@lru_cache(maxsize=256)
def _model_facts(model: ModelConfig, form: Format) -> ModelFacts:
    return model_facts(model, form)


def _gpus(points: Sequence[Point], c: Constants) -> GpuFacts:
    seen: dict[tuple[int, Format, str], int] = {}
    facts: list[GpuFacts] = []
    index = np.empty(len(points), dtype=np.intp)
    for i, point in enumerate(points):
        assert isinstance(point.system, GpuSystem)
        key = (id(point.system), point.form, point.engine)
        if key not in seen:
            seen[key] = len(facts)
            facts.append(gpu_facts(point.system, point.form, point.engine, c.gpu))
        index[i] = seen[key]
    return stack_gpus(facts, index)


def _on_gpus(points: Sequence[Point], c: Constants) -> Answers:
    model, gpu = _models(points), _gpus(points, c)
    traffic, least = _traffic(points, c)
    chosen = densest(model, gpu, traffic, c.gpu, least, MOST_CHIPS, users_bound=True, may_split=True)
    one = dataclasses.replace(traffic, users=np.ones_like(least))
    quick = fastest(model, gpu, one, np.full_like(least, MOST_CHIPS), c.gpu)
    fits, meets = np.asarray(quick.fits), np.asarray(chosen.fits)
    group, pipes = where(meets, chosen.group, quick.group), where(meets, chosen.pipes, quick.pipes)
    split = where(meets, chosen.split, 0.0)
    replicas = np.maximum(np.ceil(traffic.users / where(meets, chosen.batch, 1.0)), 1.0)
    plan = evaluate(model, gpu, traffic, group, pipes, traffic.users / replicas, c.gpu, split)
    per_server = np.array([p.system.server.chips for p in points if isinstance(p.system, GpuSystem)])
    chips, prompts = whole_chips(plan, replicas)
    room = max_batch(model, gpu, group * pipes, traffic.mean_context)
    zero = np.zeros_like(least)
    return Answers(
        fits=fits,
        meets=meets,
        full=(replicas > 1) & (traffic.users / replicas > CROWDED * room),
        systems=np.ceil(chips / per_server),
        share=chips / per_server,
        group=group,
        pipes=pipes,
        replicas=replicas,
        prompts=prompts,
        token_s=plan.token_s,
        first_s=plan.first_s,
        tokens_per_s=traffic.users / plan.token_s,
        watts=_gpu_power(points, plan.memory_use, plan.compute_use, chips, c),
        parts=np.stack([plan.parts[0], plan.parts[1], plan.parts[2], zero, plan.parts[3]]),
    )


def _gpu_power(points: Sequence[Point], memory: Num, compute: Num, chips: Num, c: Constants) -> Num:
    """Of the chips that serve, each with its share of a server."""
    watts = np.empty(len(points))
    for i, point in enumerate(points):
        assert isinstance(point.system, GpuSystem)
        chip = gpu_watts(point.system, memory[i], compute[i], c.power)
        watts[i] = server_watts(chip, point.system, c.power) / point.system.server.chips * chips[i]
    return watts


def _on_wafers(points: Sequence[Point], c: Constants) -> Answers:
    systems = [p.system for p in points if isinstance(p.system, WaferSystem)]
    model, wafer = _models(points), _wafer_facts(systems)
    traffic, least = _traffic(points, c)
    served, replicas, meets = _enough_replicas(model, wafer, traffic, least, c)
    wafers = served.wafers * replicas
    count = np.ceil(wafers / wafer.per_system)
    power = wafer.idle_w + (wafer.busy_w - wafer.idle_w) * served.busy
    part = traffic.draft.time_part
    zero = np.zeros_like(least)
    parts = [served.arithmetic * part + served.prompts, zero, served.fabric * part, served.io * part, zero]
    token_s = served.token_s
    return Answers(
        fits=np.ones_like(meets),
        meets=meets,
        full=served.wafers > wafers_needed(model, wafer, 0.0, 1.0),
        systems=count,
        share=count,
        group=served.wafers,
        pipes=np.ones_like(least),
        replicas=replicas,
        prompts=zero,
        token_s=token_s,
        first_s=served.first_s,
        tokens_per_s=traffic.users / token_s,
        watts=power * wafers / wafer.per_system,
        parts=np.stack(parts),
    )


def _wafer_facts(systems: Sequence[WaferSystem]) -> WaferFacts:
    names = {id(system): system for system in systems}
    order = {key: i for i, key in enumerate(names)}
    index = np.array([order[id(system)] for system in systems], dtype=np.intp)
    return stack_wafers([wafer_facts(system) for system in names.values()], index)


def _enough_replicas(
    model: ModelFacts, wafer: WaferFacts, traffic: Traffic, least: Num, c: Constants
) -> tuple[WaferServed, Num, Num]:
    """Of the replicas that are fast enough for their share of the users, those on the fewest wafers; else the
    fastest."""
    draft, context = traffic.draft, traffic.tokens_in + traffic.tokens_out
    counts = REPLICAS.reshape(-1, *([1] * np.ndim(least)))
    total = replica_wafers(model, wafer, counts, traffic.users, context)
    order = np.argsort(total, axis=0, kind="stable")
    best: WaferServed | None = None
    replicas, meets = np.ones_like(least), np.zeros(least.shape, dtype=bool)
    for place in order:
        count, wafers = REPLICAS[place], np.take_along_axis(total, place[None], axis=0)[0]
        there = np.isfinite(wafers)
        if not there.any():
            break
        share = np.maximum(traffic.users / count, 1.0)
        served = serve_on_wafers(
            model, wafer, where(there, wafers / count, 1.0), share, traffic.tokens_in, traffic.tokens_out,
            c.wafer, draft.positions,
        )  # fmt: skip
        served = dataclasses.replace(served, token_s=_drafted(served, draft))
        enough = there & (1 / served.token_s >= least)
        better = (
            ~meets & there if best is None else ~meets & there & (enough | (served.token_s < best.token_s))
        )
        best = served if best is None else _take(best, served, better)
        replicas = where(better, count, replicas)
        meets = meets | enough
        if meets.all():
            break
    assert best is not None
    return best, replicas, meets


def _drafted(served: WaferServed, draft: Draft) -> Num:
    return (served.token_s - served.prompts) * draft.time_part + served.prompts


def _take(a: WaferServed, b: WaferServed, second: Num) -> WaferServed:
    return WaferServed(**{n: where(second, getattr(b, n), getattr(a, n)) for n in WaferServed.__slots__})
