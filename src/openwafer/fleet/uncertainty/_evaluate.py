"""What a plan does in many draws at once: the systems are as planned, what they serve is not.

Systems and sites come late, are slower or faster, and meet other demand. In every block of the day promises
are
kept first, then the rest is served: workloads with the fewest kinds of systems first, then the most
valuable; on
the systems of the plan first, then on any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.sizing import Floats, Plan, Problem, quarter_charge, quarter_hours
from openwafer.fleet.uncertainty._draws import Draws

KW_PER_MW, G_PER_T = 1e3, 1e6
MONTHS_PER_QUARTER = 3
SECONDS_PER_HOUR = 3600.0
KEPT = 1e-6
"""By which a promise may be missed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """`served`[n, w, q] tokens/s, `demand` likewise; `usd`, `tonnes`[n, q] with embodied; `mwh`[n, q];
    `full`[n, q]
    tokens/s that the systems would serve, in the plan’s mix, if they were always full."""

    plan: Plan
    served: Floats
    demand: Floats
    usd: Floats
    tonnes: Floats
    mwh: Floats
    full: Floats

    @property
    def usd_per_full_mtok(self) -> Floats:
        """[n] of the whole plan, were its systems always full."""
        seconds = quarter_hours(self.plan.problem).sum() * SECONDS_PER_HOUR
        return self.usd.sum(1) / np.maximum(self.full.sum(1) * seconds / 1e6, 1e-12)

    @property
    def served_part(self) -> Floats:
        return self.served / np.maximum(self.demand, 1e-12)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """[n, w]: whether all promises to a workload are kept in all quarters."""
        p = self.plan.problem
        promise = np.array([p.fleet.workloads[w].served.number for w in p.workloads])
        waived = np.array([w in self.plan.waived for w in p.workloads])
        holds = self.served_part >= promise[:, None] * (1 - KEPT)
        return holds.all(axis=2) | waived

    @property
    def survives(self) -> NDArray[np.bool_]:
        """[n]"""
        return np.atleast_1d(self.kept.all(axis=1))

    @property
    def tokens(self) -> Floats:
        """[n, q] of a quarter."""
        return self.served.sum(1) * quarter_hours(self.plan.problem).sum() * SECONDS_PER_HOUR

    @property
    def usd_per_mtok(self) -> Floats:
        """[n] of the whole plan."""
        return self.usd.sum(1) / np.maximum(self.tokens.sum(1) / 1e6, 1e-12)


def evaluate(plan: Plan, draws: Draws) -> Outcomes:
    """The outcomes of a plan, all draws in one run on arrays."""
    p = plan.problem
    stands, runs = _there(plan, draws)
    can = np.einsum("nisq,s->nsq", runs, p.availability) * draws.availability[..., None]
    served, works = _serve(plan, draws, can)
    kw = _power(p, runs, works)
    hours = quarter_hours(p)
    mwh = np.einsum("niqb,b,i->niq", kw, hours, p.pue) / KW_PER_MW
    price = np.einsum("niqb,b,iqb,i->niq", kw, hours, p.price, p.pue) / KW_PER_MW * draws.price[:, :, None]
    tonnes = np.einsum("niqb,b,iqb,i->niq", kw, hours, p.carbon, p.pue) / G_PER_T * draws.carbon[:, :, None]
    lease = np.einsum("nisq,s,i->nq", stands, p.provision, p.lease * p.pue) * MONTHS_PER_QUARTER
    life = np.array([p.fleet.systems[s].life.number * 4 for s in p.systems])
    embodied = np.einsum("nisq,s->nq", stands, p.embodied / life)
    carbon_usd = tonnes.sum(1) * p.fleet.policies.carbon_price.number
    return Outcomes(
        plan=plan,
        served=served,
        demand=draws.demand,
        mwh=mwh.sum(1),
        tonnes=tonnes.sum(1) + embodied,
        full=np.einsum("nsq,ns,sq->nq", can, _gains(p, draws), _mean_rate(plan)),
        usd=_capital(p, stands, draws) + lease + price.sum(1) + carbon_usd,
    )


def lag(values: Floats, late: Floats) -> Floats:
    """`values`[…, q] as they were `late`[n, …] quarters before, between quarters in proportion; before the
    first
    quarter they are as in it. The result is [n, …, q]."""
    quarters = values.shape[-1]
    at: Floats = np.arange(quarters, dtype=np.float64) - late[..., None]
    low = np.clip(np.floor(at), 0, quarters - 1).astype(np.intp)
    high = np.clip(low + 1, 0, quarters - 1)
    part: Floats = np.clip(at - low, 0.0, 1.0)
    full = np.broadcast_to(values, (*late.shape, quarters))
    before, after = np.take_along_axis(full, low, -1), np.take_along_axis(full, high, -1)
    return before + part * (after - before)


def _there(plan: Plan, draws: Draws) -> tuple[Floats, Floats]:
    """[n, i, s, q] systems that stand, and those of them that a late site has power for."""
    p = plan.problem
    shape = (draws.count, len(p.sites), len(p.systems))
    late = np.broadcast_to(draws.system_late[:, None, :], shape)
    stands = lag(plan.systems.astype(np.float64), late)
    power = lag(p.site_mw, draws.site_late)
    wanted = np.einsum("nisq,s,i->niq", stands, p.provision, p.site_factor) / KW_PER_MW
    part = np.minimum(power / np.maximum(wanted, 1e-12), 1.0)
    return stands, stands * part[:, :, None, :]


def _capital(p: Problem, stands: Floats, draws: Draws) -> Floats:
    """[n, q]: what came is paid from then on, at the price of its quarter."""
    charge = np.array([quarter_charge(p.fleet, p.fleet.systems[s]) for s in p.systems])
    standing = np.broadcast_to(p.installed.sum(0)[None, :, None], (len(stands), len(p.systems), 1))
    came = np.diff(stands.sum(1), axis=2, prepend=standing) * p.usd[None] * draws.usd[..., None]
    return np.einsum("nsq,s->nq", np.cumsum(came, axis=2), charge)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Use:
    """[w, s, q, b]: `rate` tokens/s (mean of the block) of a system that is held for the block’s peak, in
    the way
    that serves most; `work`: part of it that works in the mean; `more_kw` when it works; `share` of a
    workload’s tokens in the plan; `gain`[n, s] of throughput in a draw."""

    rate: Floats
    work: Floats
    more_kw: Floats
    share: Floats
    gain: Floats


def _use(plan: Plan, draws: Draws) -> _Use:
    p = plan.problem
    shape = (len(p.workloads), len(p.systems), p.quarters, p.blocks)
    over = (p.peak / np.maximum(p.mean, 1e-12))[p.mode_workload] / p.busy[:, None]
    tokens = np.zeros(shape)
    np.add.at(tokens, (p.mode_workload, p.mode_system), plan.works.sum(0) * p.tokens[:, None, None])
    rate, work, more = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for m in np.argsort(p.tokens * p.busy, kind="stable"):  # the densest mode comes last
        w, s = p.mode_workload[m], p.mode_system[m]
        rate[w, s], work[w, s], more[w, s] = p.tokens[m] / over[m], 1 / over[m], p.kw[m] - p.idle[s]
    total = tokens.sum(1, keepdims=True)
    share = np.divide(tokens, total, out=np.zeros(shape), where=total > 0)
    return _Use(rate=rate, work=work, more_kw=more, share=share, gain=_gains(p, draws))


def _mean_rate(plan: Plan) -> Floats:
    """[s, q] tokens/s of a system at work, in the mix that the plan has it serve in that quarter, or in
    all."""
    p = plan.problem
    tokens, works = np.zeros((len(p.systems), p.quarters)), np.zeros((len(p.systems), p.quarters))
    worked = np.einsum("imqb,b->mq", plan.works, p.hours)
    np.add.at(works, p.mode_system, worked)
    np.add.at(tokens, p.mode_system, worked * p.tokens[:, None])
    all_of = tokens.sum(1, keepdims=True) / np.maximum(works.sum(1, keepdims=True), 1e-12)
    return np.where(works > 1e-6, tokens / np.maximum(works, 1e-12), all_of)


def _gains(p: Problem, draws: Draws) -> Floats:
    """[n, s]: throughput of a system’s kind."""
    gains = np.ones((draws.count, len(p.systems)))
    for m, s in enumerate(p.mode_system):
        gains[:, s] = draws.throughput[:, m]
    return gains


def _serve(plan: Plan, draws: Draws, left: Floats) -> tuple[Floats, Floats]:
    """[n, w, q] tokens/s served, and [n, s, q, b] kW that this takes over idling; `left`[n, s, q] can
    serve."""
    p, use = plan.problem, _use(plan, draws)
    free = np.repeat(left[..., None], p.blocks, axis=3)
    tokens = np.zeros((draws.count, len(p.workloads), p.quarters, p.blocks))
    extra = np.zeros(free.shape)
    promise = np.array([p.fleet.workloads[w].served.number for w in p.workloads])
    values = np.array([f.number if (f := p.fleet.workloads[w].value) else 0.0 for w in p.workloads])
    choices = (use.rate.max((2, 3)) > 0).sum(1)
    worth = np.lexsort((-values * use.rate.max((1, 2, 3)), choices))
    for part in (promise, 1 - promise):
        for is_day in (False, True):
            for w in worth:
                if bool(p.shifts[w]) == is_day:
                    wanted = draws.demand[:, w, :, None] * part[w]
                    _take(p, use, int(w), wanted, is_day, free, tokens, extra)
    return np.einsum("nwqb,b->nwq", tokens, p.hours / p.hours.sum()), extra


def _take(
    p: Problem, use: _Use, w: int, wanted: Floats, is_day: bool, free: Floats, tokens: Floats, extra: Floats
) -> None:
    """Serves `wanted`[n, q, 1] tokens/s (mean of the day) of a workload from what is free; changes the last
    three."""
    part = p.hours / p.hours.sum()
    rest = np.broadcast_to(wanted * p.mean[w], tokens[:, w].shape).copy()
    order = np.argsort(-use.rate[w].mean((1, 2)), kind="stable")
    planned = [(int(s), use.share[w, s]) for s in order]
    for s, share in [*planned, *((s, np.ones_like(use.share[w, s])) for s, _ in planned)]:
        rate = use.rate[w, s] * use.gain[:, s, None, None]
        if not (rate > 0).any():
            continue
        most = np.minimum(wanted * p.mean[w] * share, rest) if not is_day else rest
        got = np.minimum(most, free[:, s] * rate)
        if is_day:
            got = _first_hours(got, rest[..., :1], part)
            rest = np.maximum(rest - np.einsum("nqb,b->nq", got, part)[..., None], 0.0)
        else:
            rest = np.maximum(rest - got, 0.0)
        held = np.divide(got, rate, out=np.zeros_like(got), where=rate > 0)
        free[:, s] = np.maximum(free[:, s] - held, 0.0)
        tokens[:, w] += got
        extra[:, s] += held * use.work[w, s] * use.more_kw[w, s]


def _first_hours(could: Floats, wanted: Floats, part: Floats) -> Floats:
    """Of what each block could serve, as much as the day wants; quiet blocks first."""
    could = np.maximum(could, 0.0)
    got, rest = np.zeros_like(could), wanted[..., 0].copy()
    for b in range(could.shape[-1] - 1, -1, -1):
        taken = np.minimum(could[..., b] * part[b], rest)
        got[..., b] = taken / part[b]
        rest = rest - taken
    return got


def _power(p: Problem, runs: Floats, extra: Floats) -> Floats:
    """[n, i, q, b] kW: idling where it stands, and working in proportion."""
    idle = np.einsum("nisq,s->niq", runs, p.idle)
    total = runs.sum(1, keepdims=True)
    part = np.divide(runs, total, out=np.zeros_like(runs), where=total > 0)
    return idle[..., None] + np.einsum("nisq,nsqb->niqb", part, extra)
