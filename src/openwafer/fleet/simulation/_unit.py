"""One class on one day of a plan: its sample of replicas, its requests, what happens, what comes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from openwafer.estimate import ReplicaSteps, replica_steps
from openwafer.fleet.document import Workload
from openwafer.fleet.simulation._allot import HOURS, Slot
from openwafer.fleet.simulation._asked import Scene, rate_of, requests_of
from openwafer.fleet.simulation._batches import BatchRun, simulate_batches
from openwafer.fleet.simulation._inputs import Change, Fleet, Group, Pool, StepTable
from openwafer.fleet.simulation._measure import Outcome, outcome
from openwafer.fleet.simulation._outages import Stock, dark, limited, outages, site_outages
from openwafer.fleet.simulation._reliability import HOUR_S, Reliability, reliability
from openwafer.fleet.simulation._sample import Sample, Sampled, sample
from openwafer.fleet.simulation.loop import _state as st

DAY_S = 86_400.0
_LEVELS = {"priority": 0, "default": 1, "flex": 2}
_PATIENCE = 0.25
"""Of the time that a first token may take: what requests that wait at a replica may take before it."""
_AFTER_S = 4 * 3600.0
"""What is under way after the day may take so long."""


class Energy(msgspec.Struct, frozen=True):
    """Of all replicas of a slot: joules beyond idling, by hour."""

    site: str
    system: str
    joules: list[float]


class UnitResult(msgspec.Struct, frozen=True):
    """`lengths`: the trace whose shape of lengths is used; `hour_s`: seconds of each hour that were
    simulated; `part`: of the class's requests; `steps`: iterations of servers."""

    quarter: int
    workload: str
    seed: int
    lengths: str
    hour_s: float
    part: float
    steps: int
    outcome: Outcome
    energy: list[Energy]


def simulate_unit(scene: Scene) -> UnitResult:
    """Diagnostics: those of `replica_steps`."""
    workload = scene.plan.problem.fleet.workloads[scene.workload]
    rate = rate_of(scene, workload)
    rng = np.random.default_rng([scene.seed, scene.quarter, *scene.workload.encode()])
    drawn = sample(scene.slots, rate, scene.budget, scene.may_hold)
    requests, lengths = requests_of(scene, workload, drawn, rate, rng)
    fleet = _fleet(scene, workload, drawn, rng)
    end = scene.span.total * drawn.hour_s + _AFTER_S
    run = simulate_batches(
        fleet, requests, end_s=end, period_s=drawn.hour_s, periods=scene.span.total, seed=scene.seed
    )
    return UnitResult(
        quarter=scene.quarter, workload=scene.workload, seed=scene.seed, lengths=lengths,
        hour_s=drawn.hour_s, part=float(drawn.part.mean()), steps=run.steps,
        outcome=_outcome(scene, run, drawn), energy=_energy(scene, run, fleet, drawn),
    )  # fmt: skip


def _fleet(scene: Scene, workload: Workload, drawn: Sample, rng: np.random.Generator) -> Fleet:
    facts, pools, changes = reliability(), list[Pool](), list[Change]()
    steps = {one.slot.mode.name: _steps(scene, workload, one.slot) for one in drawn.slots}
    dark_spans = _dark(scene, drawn, facts, rng)
    for one in drawn.slots:
        made = _pools(one, steps[one.slot.mode.name], facts)
        pools += made
        for pool, counts in zip(made, (one.decode, one.prefill), strict=False):
            changes += _changes(scene, one, pool, counts, dark_spans[one.slot.site], drawn.hour_s, rng)
    return Fleet(pools=tuple(pools), groups=(_group(scene, workload, drawn, steps),), changes=changes)


def _name(one: Sampled) -> str:
    return f"{one.slot.site}/{one.slot.mode.name}"


def _steps(scene: Scene, workload: Workload, slot: Slot) -> ReplicaSteps:
    row, layout = slot.mode.estimate, slot.layout
    return replica_steps(
        workload.config, scene.plan.problem.fleet.systems[slot.mode.system].facts, layout,
        input=workload.input.number, output=workload.output.number, precision=row.precision,
        most=max(math.ceil(slot.mode.users / layout.replicas), 2), drafted=workload.drafted.number,
        accepted=workload.accepted.number,
    )  # fmt: skip


def _pools(one: Sampled, s: ReplicaSteps, facts: Reliability) -> list[Pool]:
    """The pool that decodes, and the one that reads prompts where it is apart."""
    table = StepTable(
        seconds=np.concatenate([s.seconds[:1], s.seconds]),
        context_s=np.concatenate([[0.0], s.context_s]),
        watts=np.concatenate([s.watts[:1], s.watts]),
    )
    room = min(s.room_tokens, 2**53)
    apart = one.prefill.any()
    decode = Pool(
        name=_name(one), site=one.slot.site, replicas=one.replicas, steps=table, room_tokens=room,
        prompt_token_s=s.prompt_token_s, prompt_pair_s=s.prompt_pair_s, prompt_watts=s.prompt_watts,
        idle_watts=s.idle_watts, delay_s=facts.network_s + (0.0 if apart else s.first_s),
        failover_s=facts.failover_s, role="decode" if apart else "both", rule="least",
    )  # fmt: skip
    if not apart:
        return [decode]
    group = one.slot.layout.group / s.units
    prefill = Pool(
        name=f"{_name(one)}/prompts", site=one.slot.site, replicas=int(one.prefill.max()), steps=table,
        room_tokens=room, prompt_token_s=s.prompt_token_s / group, prompt_pair_s=s.prompt_pair_s / group,
        prompt_watts=s.prompt_watts * group, idle_watts=s.idle_watts * group,
        delay_s=facts.network_s + s.first_s, failover_s=facts.failover_s, role="prefill",
        decode_pool=decode.name, transfer_token_s=s.token_bytes / s.link_bytes_per_s, rule="least",
    )  # fmt: skip
    return [decode, prefill]


def _group(scene: Scene, workload: Workload, drawn: Sample, steps: Mapping[str, ReplicaSteps]) -> Group:
    held = scene.may_hold
    shares = np.stack([one.slot.share * one.part for one in drawn.slots], axis=1)
    shares = np.where(shares.sum(axis=1, keepdims=True) > 0, shares, shares.mean(axis=0))
    entry = [f"{_name(one)}/prompts" if one.prefill.any() else _name(one) for one in drawn.slots]
    return Group(
        name=scene.workload,
        routes=tuple(zip(entry, shares.mean(axis=0).tolist(), strict=True)),
        level=_LEVELS[workload.tier],
        most_waiting=1 if held else _patience(workload, drawn, steps),
        most_held_s=HOURS * drawn.hour_s if held else None,
        shares=shares[scene.span.hours],
    )


def _patience(workload: Workload, drawn: Sample, steps: Mapping[str, ReplicaSteps]) -> int:
    """Waiters of a replica that it serves within a part of the time for a first token; further requests are
    refused."""
    found = list[float]()
    n = workload.input.number
    for one in drawn.slots:
        s, mode = steps[one.slot.mode.name], one.slot.mode
        prompt_s = s.prompt_token_s * n + s.prompt_pair_s * n * n / 2
        slot_s = 0.0 if one.prefill.any() else workload.output.number / mode.speed / len(s.seconds)
        found.append(_PATIENCE * workload.first_token.number / max(prompt_s, slot_s))
    return max(int(min(found)), 1)


def _dark(
    scene: Scene, drawn: Sample, facts: Reliability, rng: np.random.Generator
) -> dict[str, list[tuple[float, float]]]:
    """Spans without power or links by site: those that are drawn, and those that were asked for."""
    until, hour = scene.span.total * HOUR_S, drawn.hour_s / HOUR_S
    found: dict[str, list[tuple[float, float]]] = {}
    for site in dict.fromkeys(one.slot.site for one in drawn.slots):
        found[site] = [(a * hour, b * hour) for a, b in site_outages(until, facts, rng)]
        for case in scene.darkness:
            if case.site == site:
                start = (case.start + scene.span.before) * drawn.hour_s
                found[site].append((start, start + case.hours * drawn.hour_s))
    return found


def _pressed(changes: Sequence[Change], part: float) -> list[Change]:
    """A day of outages in a shorter time: as many, and as much of it. They interrupt more requests than a
    day’s would."""
    return [replace(change, at_s=change.at_s * part) for change in changes]


def _changes(
    scene: Scene, one: Sampled, pool: Pool, counts: NDArray[np.int64], spans: list[tuple[float, float]],
    hour_s: float, rng: np.random.Generator,
) -> list[Change]:  # fmt: skip
    """Of a sampled slot spares suffice where the whole one has some; a small slot has its own."""
    p = scene.plan.problem
    availability = float(p.availability[p.systems.index(one.slot.mode.system)])
    spares = int(one.slot.spares) if one.is_whole else 2**31 if one.slot.spares >= 1 else 0
    layout, is_prompts = one.slot.layout, pool.role == "prefill"
    systems = one.slot.systems / (layout.pipes if is_prompts else 1)
    stock = Stock(
        pool=pool.name, replicas=pool.replicas, spares=spares, availability=availability,
        systems=systems if one.is_whole else max(systems, 1.0),
    )  # fmt: skip
    found = _pressed(outages(stock, scene.span.total * HOUR_S, reliability(), rng), hour_s / HOUR_S)
    found += limited(pool.name, counts[scene.span.hours], pool.replicas, hour_s)
    return found + dark(pool.name, pool.replicas, spans)


def _outcome(scene: Scene, run: BatchRun, drawn: Sample) -> Outcome:
    """Of the requests that came in the day itself. What may be held is promised its first token from when it
    is sent to a replica."""
    arrived = run.requests["arrival_s"]
    period = np.floor(arrived / drawn.hour_s).astype(np.int64)
    counted = (period >= scene.span.before) & (period < scene.span.before + HOURS)
    hour = scene.span.hours[period[counted]]
    weights = 1 / np.maximum(drawn.part[hour], 1e-300)
    return outcome(
        run.requests[counted], weights, DAY_S / HOURS / drawn.hour_s,
        since="sent_s" if scene.may_hold else "arrival_s",
    )  # fmt: skip


def _energy(scene: Scene, run: BatchRun, fleet: Fleet, drawn: Sample) -> list[Energy]:
    """By slot and hour, scaled to all replicas and whole hours."""
    found: list[Energy] = []
    at = {pool.name: k for k, pool in enumerate(fleet.pools)}
    for one in drawn.slots:
        joules = np.zeros(HOURS)
        for name in (_name(one), f"{_name(one)}/prompts"):
            if name in at:
                day = run.meter[at[name], scene.span.before : scene.span.before + HOURS]
                idle = fleet.pools[at[name]].idle_watts
                joules += day[:, st.ENERGY_J] - idle * day[:, st.BUSY_S]
        scaled = np.maximum(joules, 0.0) / np.maximum(one.part, 1e-300) * (DAY_S / HOURS / drawn.hour_s)
        found.append(Energy(site=one.slot.site, system=one.slot.mode.system, joules=scaled.tolist()))
    return found
