"""The linear programme of a plan: how many systems stand where, and what they serve, by quarter."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openwafer.fleet.sizing._highs import Program
from openwafer.fleet.sizing._problem import HOURS, Floats, Problem, quarter_hours

KW_PER_MW, G_PER_T, L_PER_M3 = 1e3, 1e6, 1e3
MONTHS_PER_QUARTER = 3
TOKENS_PER_M = 1e6
LEAST_MW = 1e-9
SCALE = 1e6
"""The objective is in millions of dollars, which HiGHS's tolerances suit."""


@dataclass(kw_only=True)
class Model:
    """A programme with what its columns are: `n`[i, s, q] systems that stand, `x`[i, m, q, b] systems that
    work
    in the mean of a block, `u`[w, q, b] tokens/s that are not served. `usd`, `grams`, `waiting`: what a
    column
    adds to the cost today (millions; `sunk` of them are of what is installed and paid for), to the carbon
    (t) and to the time that users wait (user · s)."""

    program: Program
    problem: Problem
    n: NDArray[np.intp]
    x: NDArray[np.intp]
    u: NDArray[np.intp]
    usd: Floats
    tonnes: Floats
    waiting: Floats
    sunk: float = 0.0
    without: frozenset[str] = field(default_factory=frozenset[str])


def build(problem: Problem, without: frozenset[str] = frozenset(), quarters: slice | None = None) -> Model:
    """The programme; groups of constraints in `without` are left out."""
    program = Program()
    usd, tonnes, waiting = _costs(problem)
    has_power = problem.site_mw[:, None, :] > LEAST_MW
    standing = np.repeat(problem.installed[..., None], problem.quarters, axis=2)
    n = program.columns(usd[0], low=standing, high=np.where(has_power, np.inf, standing), integer=True)
    x = program.columns(usd[1])
    u = program.columns(usd[2])
    model = Model(
        program=program,
        problem=problem,
        n=n,
        x=x,
        u=u,
        without=without,
        sunk=float((problem.installed @ (problem.charge * problem.usd)[:, 0]).sum()) / SCALE,
        usd=np.concatenate([np.ravel(part) for part in usd]),
        tonnes=np.concatenate([np.ravel(part) for part in tonnes]),
        waiting=np.concatenate([np.ravel(part) for part in waiting]),
    )
    _capacity(model)
    _power(model)
    _arrivals(model)
    _demand(model)
    _budgets(model)
    return model


def _costs(p: Problem) -> tuple[tuple[Floats, Floats, Floats], ...]:
    """Of `n`, `x` and `u`: millions of dollars of today, tonnes, and seconds that users wait."""
    hours, i, q = quarter_hours(p), len(p.sites), p.quarters
    mwh_usd = p.price * p.pue[:, None, None] + p.carbon * p.pue[:, None, None] * 1e-3 * _carbon_usd(p)
    idle = p.idle[None, :, None] / KW_PER_MW * np.einsum("iqb,b->iq", mwh_usd, hours)[:, None, :]
    lease = (p.lease * p.pue)[:, None, None] * p.provision[None, :, None] * MONTHS_PER_QUARTER
    later = np.concatenate([(p.charge * p.usd)[:, 1:], np.zeros((len(p.systems), 1))], axis=1)
    stands = (idle + lease) * p.discount + (p.charge * p.usd - later)[None] + np.zeros((i, 1, q))
    more_kw = (p.kw - p.idle[p.mode_system])[None, :, None, None]
    works = more_kw / KW_PER_MW * (mwh_usd * hours)[:, None] * p.discount[:, None]
    value = _values(p)[:, None, None] / TOKENS_PER_M * hours * 3600 * p.discount[:, None]
    per_kwh = p.carbon * p.pue[:, None, None] / G_PER_T
    life = np.array([p.fleet.systems[s].life.number * 4 for s in p.systems])
    idle_t = p.idle[None, :, None] * np.einsum("iqb,b->iq", per_kwh, hours)[:, None, :]
    stands_t = idle_t + (p.embodied / life)[None, :, None]
    works_t = more_kw * (per_kwh * hours)[:, None]
    waits = (p.tokens / p.speed)[None, :, None, None] * hours * 3600 / SCALE + np.zeros_like(works)
    none_n, none_u = np.zeros_like(stands), np.zeros_like(value)
    return (
        (stands / SCALE, works / SCALE, value / SCALE),
        (stands_t, works_t, none_u),
        (none_n, waits, none_u),
    )


def _carbon_usd(p: Problem) -> float:
    return p.fleet.policies.carbon_price.number


def _values(p: Problem) -> Floats:
    """Dollars of a million tokens that are not served."""
    facts = [p.fleet.workloads[w].value for w in p.workloads]
    return np.array([fact.number if fact else 0.0 for fact in facts])


def _capacity(m: Model) -> None:
    """What works at the peak of a block fits into what stands, without what is broken."""
    p = m.problem
    shape = (len(p.sites), len(p.systems), p.quarters, p.blocks)
    names = [
        f"capacity of {s} at {i}" for i in p.sites for s in p.systems for _ in range(p.quarters * p.blocks)
    ]
    when = np.broadcast_to(np.arange(p.quarters)[:, None], shape).ravel()
    rows = m.program.rows("capacity", -np.inf, 0.0, names, when).reshape(shape)
    m.program.put(rows, m.n[..., None], -p.availability[None, :, None, None])
    over = peak_over_mean(p)[None, :, None, :] / p.busy[None, :, None, None]
    m.program.put(rows[:, p.mode_system], m.x, over)


def peak_over_mean(p: Problem) -> Floats:
    """[m, b]: what a mode must have at the peak of a block over its mean."""
    ratio = p.peak / np.maximum(p.mean, 1e-12)
    return ratio[p.mode_workload]


def _power(m: Model) -> None:
    p = m.problem
    mw = p.provision[None, :] * p.site_factor[:, None] / KW_PER_MW
    names = [f"power of {i}" for i in p.sites for _ in range(p.quarters)]
    when = np.tile(np.arange(p.quarters), len(p.sites))
    if "power" not in m.without:
        keep = [name not in m.without for name in names]
        rows = m.program.rows("power", -np.inf, np.where(keep, p.site_mw.ravel(), np.inf), names, when)
        m.program.put(rows.reshape(len(p.sites), 1, p.quarters), m.n, mw[..., None])
    if np.isfinite(p.fleet_mw).any() and "power of the tranches" not in m.without:
        every = np.arange(p.quarters)
        rows = m.program.rows("tranche", -np.inf, p.fleet_mw, ["power of the tranches"] * p.quarters, every)
        m.program.put(rows[None, None], m.n, mw[..., None])


def _arrivals(m: Model) -> None:
    """Systems that stand stay; each quarter brings at most what is delivered."""
    p = m.problem
    later = np.arange(1, p.quarters)
    names = [f"systems at {i} stay" for i in p.sites for _ in p.systems for _ in later]
    when = np.tile(later, len(p.sites) * len(p.systems))
    rows = m.program.rows("stay", 0.0, np.inf, names, when).reshape(m.n[..., 1:].shape)
    m.program.put(rows, m.n[..., 1:], 1.0)
    m.program.put(rows, m.n[..., :-1], -1.0)
    names = [f"deliveries of {s}" for s in p.systems for _ in range(p.quarters)]
    keep = np.array([name not in m.without for name in names])
    limit = p.deliveries.copy()
    limit[:, 0] += p.installed.sum(0)
    most = np.where(keep & (limit.ravel() < 1e8), limit.ravel(), np.inf)
    when = np.tile(np.arange(p.quarters), len(p.systems))
    rows = m.program.rows("delivery", -np.inf, most, names, when).reshape(len(p.systems), p.quarters)
    m.program.put(rows[None], m.n, 1.0)
    m.program.put(rows[None, :, 1:], m.n[..., :-1], -1.0)


def _demand(m: Model) -> None:
    """All demand is served or counted as not served; of that, the promise bounds how much."""
    p, shifts = m.problem, m.problem.shifts
    part = p.hours / HOURS
    names = [f"demand of {w}" for w in p.workloads for _ in range(p.quarters * p.blocks)]
    wanted = p.demand[:, :, None] * p.mean[:, None, :]
    wanted = np.where(shifts[:, None, None], np.where(np.arange(p.blocks) == 0, wanted, 0.0), wanted)
    when = np.broadcast_to(np.arange(p.quarters)[:, None], wanted.shape).ravel()
    rows = m.program.rows("demand", wanted.ravel(), wanted.ravel(), names, when).reshape(wanted.shape)
    m.program.put(rows[~shifts], m.u[~shifts], 1.0)
    m.program.put(rows[shifts][..., :1], m.u[shifts], part)
    of = rows[p.mode_workload]
    of = np.where(shifts[p.mode_workload][:, None, None], of[..., :1], of)
    share = np.where(shifts[p.mode_workload][:, None], part[None, :], 1.0)
    m.program.put(of[None], m.x, (p.tokens[:, None] * share)[None, :, None, :])
    names = [f"promise to {w}" for w in p.workloads for _ in range(p.quarters)]
    served = np.array([p.fleet.workloads[w].served.number for w in p.workloads])
    keep = np.array([name not in m.without for name in names]).reshape(len(p.workloads), p.quarters)
    most = np.where(keep, (1 - served)[:, None] * p.demand, np.inf)
    when = np.tile(np.arange(p.quarters), len(p.workloads))
    rows = m.program.rows("promise", -np.inf, most.ravel(), names, when).reshape(most.shape)
    m.program.put(rows[..., None], m.u, part)


def _budgets(m: Model) -> None:
    p, budgets, program = m.problem, m.problem.fleet.budgets, m.program
    first = p.usd / SCALE
    paid = float(p.installed.sum(0) @ first[:, 0])
    every = np.arange(p.quarters)
    if budgets.capital and "capital" not in m.without:
        later = np.concatenate([first[:, 1:], np.zeros((len(p.systems), 1))], axis=1)
        most = budgets.capital.number / SCALE + paid
        row = program.rows("capital", -np.inf, most, ["capital"], p.quarters - 1)
        program.put(row, m.n, (first - later)[None])
    if budgets.capital_per_quarter and "capital a quarter" not in m.without:
        most = budgets.capital_per_quarter.number / SCALE + np.where(every == 0, paid, 0.0)
        rows = program.rows("capital", -np.inf, most, ["capital a quarter"] * p.quarters, every)
        program.put(rows[None, None], m.n, first[None])
        program.put(rows[None, None, 1:], m.n[..., :-1], -first[None, :, 1:])
    if budgets.carbon and "carbon" not in m.without:
        rows = program.rows("carbon", -np.inf, budgets.carbon.number, ["carbon"] * p.quarters, every)
        program.put(rows[None, None], m.n, m.tonnes[m.n])
        program.put(rows[None, None, :, None], m.x, m.tonnes[m.x])
    if budgets.water and "water" not in m.without:
        _water(m, budgets.water.number, every)


def _water(m: Model, most: float, every: NDArray[np.intp]) -> None:
    p, hours = m.problem, quarter_hours(m.problem)
    rows = m.program.rows("water", -np.inf, most, ["water"] * p.quarters, every)
    idle = p.water[:, None, None] * p.idle[None, :, None] * hours.sum() / L_PER_M3
    more = (p.kw - p.idle[p.mode_system])[None, :, None, None]
    m.program.put(rows[None, None], m.n, idle)
    m.program.put(rows[None, None, :, None], m.x, p.water[:, None, None, None] * more * hours / L_PER_M3)
