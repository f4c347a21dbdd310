"""What of a plan's systems serves which class at a site, hour by hour, in whole replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.estimate import Layout, layout_of
from openwafer.fleet.document import Fleet
from openwafer.fleet.sizing import Mode, Plan, Problem, lagged
from openwafer.machine.systems import GpuSystem, System

HOURS = 24
LEAST_WORK = 1e-6
"""Systems at work that count as some."""
_TIERS = ("flex", "default", "priority")
"""In which order classes lose their systems where a site lacks power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtailment:
    """From hour `start` to hour `end` of the day a site has only `part` of its power."""

    site: str
    start: int
    end: int
    part: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slot:
    """Replicas of one mode at one site: `decode[hour]`, and `prefill[hour]` where other chips read prompts.
    `tokens[hour]`: what the plan serves here, tokens/s; `share[hour]`: of all that it serves; `spares`:
    systems beside those in use; `systems`: of one replica."""

    site: str
    mode: Mode
    layout: Layout
    decode: NDArray[np.int64]
    prefill: NDArray[np.int64]
    share: NDArray[np.float64]
    tokens: NDArray[np.float64]
    spares: float
    systems: float

    @property
    def most(self) -> int:
        return int(self.decode.max())


def units_per_system(system: System) -> float:
    """Chips of a server, or wafers of a system."""
    return float(system.server.chips if isinstance(system, GpuSystem) else system.wafers.per_system)


def hours_of_blocks(fleet: Fleet, hours: Sequence[float]) -> NDArray[np.int64]:
    """The block of each hour of the day: the busiest hours are in the first, as the plan has them."""
    total = np.zeros(HOURS)
    for workload in fleet.workloads.values():
        if workload.shift == "no":
            total += by_hour(workload.by_hour.numbers if workload.by_hour else None) * workload.demand.number
    block = np.empty(HOURS, np.int64)
    block[np.argsort(-total, kind="stable")] = np.repeat(np.arange(len(hours)), np.array(hours, np.int64))
    return block


def by_hour(factors: Sequence[float] | None) -> NDArray[np.float64]:
    """24 factors, 1 in the mean."""
    values = np.ones(HOURS) if factors is None else np.array(factors, np.float64)
    return values / float(values.mean())


def standing(plan: Plan, quarter: int, late_quarters: float) -> NDArray[np.int64]:
    """[i, s] systems that stand when deliveries are late."""
    parts = lagged(quarter, late_quarters)
    return np.floor(sum(part * plan.systems[:, :, q] for q, part in parts) + 1e-9).astype(np.int64)


def allot(
    plan: Plan, quarter: int, *, late_quarters: float = 0.0, curtailed: Sequence[Curtailment] = ()
) -> dict[str, list[Slot]]:
    """The slots of each class in a quarter.

    Systems of a site are divided among its modes as the plan needs them at the peak of a block; what is left
    over is divided alike. The part that the plan takes as broken stays as spares.
    """
    p, found = plan.problem, dict[str, list[Slot]]()
    block = hours_of_blocks(p.fleet, p.hours.tolist())
    stand = standing(plan, quarter, late_quarters)
    served = _served_by(plan, quarter)
    for i, site in enumerate(p.sites):
        parts = _parts(plan, quarter, i, [c for c in curtailed if c.site == site], stand[i], block)
        for s in range(len(p.systems)):
            _add_slots(found, plan, (i, s, quarter), int(stand[i, s]), parts, block, served)
    return found


def _served_by(plan: Plan, quarter: int) -> NDArray[np.float64]:
    """[i, m, b] share of what its class gets in a block."""
    p = plan.problem
    tokens = plan.works[:, :, quarter, :] * p.tokens[None, :, None]
    total = np.zeros((len(p.workloads), p.blocks))
    np.add.at(total, p.mode_workload, tokens.sum(axis=0))
    return tokens / np.maximum(total[p.mode_workload][None], 1e-300)


def needed(plan: Plan, quarter: int, site: int) -> NDArray[np.float64]:
    """[m, b] systems that the plan needs at the peak of each block."""
    p = plan.problem
    over = (p.peak / np.maximum(p.mean, 1e-12))[p.mode_workload] / p.busy[:, None]
    works = plan.works[site, :, quarter, :]
    return np.where(works > LEAST_WORK, works * over, 0.0)


def _parts(
    plan: Plan, quarter: int, site: int, curtailed: Sequence[Curtailment], stand: NDArray[np.int64],
    block: NDArray[np.int64],
) -> Mapping[int, NDArray[np.float64]]:  # fmt: skip
    """Of each mode, the part of its replicas that have power, by hour. Flex loses its systems first."""
    p, need = plan.problem, needed(plan, quarter, site)
    found = {m: np.ones(HOURS) for m in range(len(p.modes))}
    for cut in curtailed:
        for hour in _hours(cut):
            lost = (1 - cut.part) * float((stand * p.provision).sum())
            for tier in _TIERS:
                modes = [m for m, mode in enumerate(p.modes) if p.fleet.workloads[mode.workload].tier == tier]
                power = np.array([need[m, block[hour]] * p.provision[p.mode_system[m]] for m in modes])
                part = min(lost / max(float(power.sum()), 1e-300), 1.0)
                lost -= part * float(power.sum())
                for m in modes:
                    found[m][hour] *= 1 - part
    return found


def _hours(cut: Curtailment) -> list[int]:
    length = (cut.end - cut.start) % HOURS or HOURS
    return [(cut.start + k) % HOURS for k in range(length)]


def _add_slots(
    found: dict[str, list[Slot]], plan: Plan, where: tuple[int, int, int], count: int,
    parts: Mapping[int, NDArray[np.float64]], block: NDArray[np.int64], served: NDArray[np.float64],
) -> None:  # fmt: skip
    """The slots of the systems of one kind at one site."""
    (i, s, quarter), p = where, plan.problem
    need = needed(plan, quarter, i)
    modes = [m for m in range(len(p.modes)) if p.mode_system[m] == s and need[m].any()]
    spares = round((1 - float(p.availability[s])) * count)
    if not modes or count - spares < 1:
        return
    per_system = units_per_system(p.fleet.systems[p.systems[s]].facts)
    layouts = {m: layout_of(p.modes[m].estimate) for m in modes}
    order, rest = [layouts[m] for m in modes], count - spares
    works = plan.works[i, :, quarter, :] * p.tokens[:, None]
    counts = np.stack([_whole(need[modes, b], rest, order, per_system) for b in range(p.blocks)])
    whole = float(need[modes].max(axis=1).sum())
    for k, m in enumerate(modes):
        layout, part = layouts[m], parts[m]
        decode, prefill = (np.floor(counts[block, k, a] * part + 1e-9).astype(np.int64) for a in (0, 1))
        if decode.max() == 0:
            continue
        found.setdefault(p.modes[m].workload, []).append(
            Slot(
                site=p.sites[i], mode=p.modes[m], layout=layout, decode=decode, prefill=prefill,
                share=served[i, m][block], tokens=works[m][block],
                spares=spares * float(need[m].max()) / whole,
                systems=layout.group * layout.pipes / per_system,
            )
        )  # fmt: skip


def _whole(
    need: NDArray[np.float64], count: int, layouts: Sequence[Layout], per_system: float
) -> NDArray[np.int64]:
    """(modes, 2) whole replicas, and groups for prompts, of `count` systems that are divided by need."""
    found = np.zeros((len(layouts), 2), np.int64)
    if not need.any():
        return found
    units = need / need.sum() * count * per_system
    size = np.array([x.group * x.pipes for x in layouts], np.float64)
    ideal = np.array([u / x.units * x.replicas for u, x in zip(units, layouts, strict=True)])
    found[:, 0] = np.floor(ideal + 1e-9)
    prompts = np.array([u / x.units * x.prompts for u, x in zip(units, layouts, strict=True)])
    found[:, 1] = np.floor(prompts + 1e-9)
    group = np.array([float(x.group) for x in layouts])
    left = count * per_system - float((found[:, 0] * size + found[:, 1] * group).sum())
    wants = [(ideal[k] - found[k, 0], k, 0, size[k]) for k in range(len(layouts))]
    wants += [(prompts[k] - found[k, 1], k, 1, group[k]) for k in range(len(layouts)) if layouts[k].prompts]
    for want, k, kind, cost in sorted(wants, key=lambda w: (-w[0] / max(found[w[1], w[2]], 0.5), w[1], w[2])):
        if want > 1e-9 and cost <= left + 1e-9:
            found[k, kind] += 1
            left -= cost
    return found


def needs_prompts(slot: Slot) -> bool:
    """Whether other chips read the prompts."""
    return slot.layout.prompts > 0


def mean_demand(problem: Problem, workload: str, quarter: int) -> float:
    """Output tokens/s in the mean of the day."""
    return float(problem.demand[problem.workloads.index(workload), quarter])
