"""What a plan costs, takes, emits and serves, as arrays; money is that of its quarter, not discounted.

Axes by letter: i site, s system, w workload, m mode, q quarter, b block of the day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openwafer.fleet.sizing import Floats, Plan, first_tokens, held_over_mean, quarter_charge, quarter_hours

KW_PER_MW, G_PER_T, L_PER_M3 = 1e3, 1e6, 1e3
MONTHS_PER_QUARTER = 3
SECONDS_PER_HOUR = 3600.0
LEAST_WORK = 1e-6
"""Systems at work that count as some."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Account:
    """By what they are of: `capital`[i, s, q] annuities and maintenance, `lease`[i, q], `energy_usd`[i, q],
    `carbon_usd`[i, q], all USD; `mwh_it`[i, q], `mwh`[i, q] with the building; `peak_mw`[i, q] at the busiest
    block and `set_aside_mw`[i, q], both as the plan's policy counts power; `operation`[i, q] and
    `embodied`[i, s, q] in t; `water`[i, q] m3; `tokens`[w, q] output tokens of the quarter; `part`[w, i, s,
    q]
    of a system's time that a workload has; `usd_of`, `operation_of`, `embodied_of`[w, q]; `busy`[s, q] of
    what
    stands and is not broken; `first_token`[w, q] s, 99th percentile at the busiest pool; `speed`[w, q] of the
    slowest users, tokens/s."""

    plan: Plan
    capital: Floats
    lease: Floats
    energy_usd: Floats
    carbon_usd: Floats
    mwh_it: Floats
    mwh: Floats
    peak_mw: Floats
    set_aside_mw: Floats
    operation: Floats
    embodied: Floats
    water: Floats
    tokens: Floats
    part: Floats
    usd_of: Floats
    operation_of: Floats
    embodied_of: Floats
    busy: Floats
    first_token: Floats
    speed: Floats

    @property
    def usd(self) -> Floats:
        """[q]"""
        return self.capital.sum((0, 1)) + self.lease.sum(0) + self.energy_usd.sum(0) + self.carbon_usd.sum(0)


def account(plan: Plan) -> Account:
    """The account of a plan."""
    p, n = plan.problem, plan.systems.astype(np.float64)
    hours = quarter_hours(p)
    kw = _kw(plan)
    mwh_it = kw @ hours / KW_PER_MW
    by_block = kw * hours / KW_PER_MW * p.pue[:, None, None]
    capital = _capital(plan)
    lease = np.einsum("isq,s,i->iq", n, p.provision, p.lease * p.pue) * MONTHS_PER_QUARTER
    operation = (by_block * p.carbon).sum(2) * KW_PER_MW / G_PER_T
    life = np.array([p.fleet.systems[s].life.number * 4 for s in p.systems])
    embodied = n * (p.embodied / life)[None, :, None]
    energy = (by_block * p.price).sum(2)
    carbon_usd = operation * p.fleet.policies.carbon_price.number
    part = _parts(plan)
    shared = (lease + energy + carbon_usd)[:, None] * _site_part(plan) + capital
    return Account(
        plan=plan,
        capital=capital,
        lease=lease,
        energy_usd=energy,
        carbon_usd=carbon_usd,
        mwh_it=mwh_it,
        mwh=mwh_it * p.pue[:, None],
        peak_mw=kw.max(2) * p.site_factor[:, None] / KW_PER_MW,
        set_aside_mw=np.einsum("isq,s,i->iq", n, p.provision, p.site_factor) / KW_PER_MW,
        operation=operation,
        embodied=embodied,
        water=mwh_it * p.water[:, None] * KW_PER_MW / L_PER_M3,
        tokens=plan.served * hours.sum() * SECONDS_PER_HOUR,
        part=part,
        usd_of=np.einsum("wisq,isq->wq", part, shared),
        operation_of=np.einsum("wisq,isq->wq", part, operation[:, None] * _site_part(plan)),
        embodied_of=np.einsum("wisq,isq->wq", part, embodied),
        busy=_busy(plan, hours),
        first_token=first_tokens(plan),
        speed=_speed(plan),
    )


def _kw(plan: Plan) -> Floats:
    """[i, q, b] IT power: what stands idle and what works."""
    p = plan.problem
    idle = np.einsum("isq,s->iq", plan.systems, p.idle)
    more = np.einsum("imqb,m->iqb", plan.works, p.kw - p.idle[p.mode_system])
    return idle[..., None] + more


def _capital(plan: Plan) -> Floats:
    """[i, s, q]: what was bought up to a quarter, each at the price of its own quarter, times the charge."""
    p = plan.problem
    charge = np.array([quarter_charge(p.fleet, p.fleet.systems[s]) for s in p.systems])
    return np.cumsum(plan.orders * p.usd[None], axis=2) * charge[None, :, None]


def _parts(plan: Plan) -> Floats:
    """[w, i, s, q]: by the systems that a workload holds at its peaks; where none works, as everywhere."""
    p = plan.problem
    held = np.einsum("imqb,mb,b->imq", plan.works, held_over_mean(p), p.hours)
    by = np.zeros((len(p.workloads), len(p.sites), len(p.systems), p.quarters))
    for m, (w, s) in enumerate(zip(p.mode_workload, p.mode_system, strict=True)):
        by[w, :, s] += held[:, m]
    everywhere = np.broadcast_to(by.sum((1, 2), keepdims=True), by.shape)
    by = np.where(by.sum(0) > LEAST_WORK, by, everywhere)
    total = by.sum(0)
    return np.divide(by, total, out=np.zeros_like(by), where=total > 0)


def _site_part(plan: Plan) -> Floats:
    """[i, s, q]: a system's part of what its site costs and emits, by the power set aside for it."""
    power = plan.systems * plan.problem.provision[None, :, None]
    total = power.sum(1, keepdims=True)
    return np.divide(power, total, out=np.zeros_like(power, dtype=np.float64), where=total > 0)


def _busy(plan: Plan, hours: Floats) -> Floats:
    p = plan.problem
    works = np.zeros((len(p.systems), p.quarters))
    np.add.at(works, p.mode_system, np.einsum("imqb,b->mq", plan.works, hours) / hours.sum())
    stands = plan.systems.sum(0) * p.availability[:, None]
    return np.divide(works, stands, out=np.zeros_like(works), where=stands > 0)


def _speed(plan: Plan) -> Floats:
    """[w, q]; infinite where nothing is served."""
    p = plan.problem
    found = np.full((len(p.workloads), p.quarters), np.inf)
    works = plan.works.max((0, 3)) > LEAST_WORK
    for m in range(len(p.modes)):
        w = p.mode_workload[m]
        found[w] = np.where(works[m], np.minimum(found[w], p.speed[m]), found[w])
    return found
