"""The best plan of a problem: cheapest, cleanest or fastest, in whole systems."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwafer.diag import Diagnostic, DiagnosticError
from openwafer.fleet.sizing._highs import Solved, solve
from openwafer.fleet.sizing._plan import Plan, Rounding
from openwafer.fleet.sizing._prepare import with_pools
from openwafer.fleet.sizing._problem import Floats, Problem
from openwafer.fleet.sizing._program import KW_PER_MW, SCALE, Model, build
from openwafer.fleet.sizing._round import rounded
from openwafer.fleet.sizing._service import emptier
from openwafer.fleet.sizing._shadow import shadows
from openwafer.fleet.sizing._stress import Stress, add_stress
from openwafer.fleet.sizing._why import impossible, unservable

ROUNDS = 3
"""Of sizing and finding how full its pools may be."""
FEW = 400
"""Whole numbers of which the integer optimum is sought."""
NODES, NODES_OF_MANY = 5000, 20
"""Of the search for whole numbers: where they are few, and where they are many and rounding has failed."""
MIP_GAP = 1e-4
LEAST_WORK = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """`cost`, `carbon` or `speed`. For the last two, `most_usd` is what the plan may cost and `unserved`
    what may
    be left unserved. `most_tonnes` bounds the carbon of a cheapest plan. `waived`: workloads whose promise
    does not count. `is_explained`: whether the cause of an impossible plan is sought."""

    what: str = "cost"
    most_usd: float = np.inf
    most_tonnes: float = np.inf
    unserved: Floats | None = None
    stress: Stress | None = None
    waived: tuple[str, ...] = ()
    is_explained: bool = True


def size(problem: Problem, goal: Goal | None = None, label: str = "") -> Plan:
    """The best plan.

    Diagnostics: fleet-impossible, fleet-no-highspy, fleet-unsolved."""
    aim = goal or Goal()
    plan = _sized(problem, aim, label)
    for _ in range(ROUNDS):
        busy = emptier(plan)
        if busy is None:
            break
        plan = _sized(dataclasses.replace(plan.problem, busy=busy), aim, label)
    return plan


def _sized(problem: Problem, aim: Goal, label: str) -> Plan:
    model, relaxed = _relaxed(problem, aim)
    for _ in range(ROUNDS - 1):
        busy = with_pools(model.problem, _smallest_pools(model, relaxed.x)).busy
        if np.all(busy >= model.problem.busy - 0.005):
            break
        busy = np.minimum(busy, model.problem.busy)
        model, relaxed = _relaxed(dataclasses.replace(model.problem, busy=busy), aim)
    return _whole(model, relaxed, aim, label)


def _relaxed(problem: Problem, aim: Goal) -> tuple[Model, Solved]:
    model = _model(problem, aim)
    solved = solve(model.program)
    if solved.status == "infeasible":
        raise DiagnosticError([_impossible(problem, aim)])
    return model, solved


def relax(problem: Problem, goal: Goal) -> tuple[float, float] | None:
    """USD of today and t of the best plan with parts of systems; None when there is none."""
    model = _model(problem, goal)
    solved = solve(model.program)
    if solved.status != "optimal":
        return None
    columns = slice(len(model.usd))
    return (float(model.usd @ solved.x[columns]) - model.sunk) * SCALE, float(
        model.tonnes @ solved.x[columns]
    )


def relaxed_plan(problem: Problem, goal: Goal) -> tuple[float, dict[str, float]]:
    """USD of today of the best plan with parts of systems, and the tokens by kind of system.

    Diagnostics: fleet-impossible."""
    model, solved = _relaxed(problem, goal)
    tokens = np.einsum("imqb,m,b->m", solved.x[model.x], problem.tokens, problem.hours)
    kinds = {mode.kind for mode in problem.modes}
    of = {
        kind: sum(t for t, m in zip(tokens, problem.modes, strict=True) if m.kind == kind) for kind in kinds
    }
    return (solved.objective - model.sunk) * SCALE, {kind: float(total) for kind, total in of.items()}


def _impossible(problem: Problem, aim: Goal) -> Diagnostic:
    if not aim.is_explained:
        return Diagnostic("fleet-impossible", "the constraints of the plan cannot hold together")
    if aim.stress is not None:
        try:
            size(problem, dataclasses.replace(aim, stress=None))
        except DiagnosticError as why:
            return why.diagnostics[0]
        confidence = problem.fleet.policies.confidence
        text = "the promises can be kept on average, but not in the bad cases that the confidence asks for"
        help = "promise less, ask for less confidence, or plan with more power and deliveries"
        return Diagnostic("fleet-impossible", text, confidence.span if confidence else None, help=help)
    return impossible(problem)


def of_kind(problem: Problem, kind: str, goal: Goal | None = None) -> Plan:
    """The best plan with systems of one kind. Workloads that this kind cannot serve at their speed are left
    unserved, and their promises do not count: `waived` of the plan."""
    some = problem.only(kind)
    aim = goal or Goal()
    return size(some, dataclasses.replace(aim, waived=tuple(unservable(some))), kind)


def _model(problem: Problem, aim: Goal) -> Model:
    model = build(problem, frozenset(f"promise to {name}" for name in aim.waived))
    program = model.program
    if aim.stress is not None:
        add_stress(model, aim.stress)
    columns = np.arange(len(model.usd))
    if aim.what != "cost":
        program.cost[:3] = [model.tonnes if aim.what == "carbon" else model.waiting]
    if np.isfinite(aim.most_usd):
        row = program.rows("cost", -np.inf, aim.most_usd / SCALE + model.sunk, ["cost"], problem.quarters - 1)
        program.put(row, columns, model.usd)
    if np.isfinite(aim.most_tonnes):
        row = program.rows("carbon", -np.inf, aim.most_tonnes, ["carbon of the plan"], problem.quarters - 1)
        program.put(row, columns, model.tonnes)
    if aim.unserved is not None:
        program.high[2] = np.minimum(program.high[2], aim.unserved.ravel() * (1 + 1e-6) + 1e-6)
    return model


def _smallest_pools(model: Model, x: Floats) -> Floats:
    """[m] systems of the smallest pool that serves something, at the peak of its block."""
    p = model.problem
    works = x[model.x]
    ratio = p.peak / np.maximum(p.mean, 1e-12)
    peak = (works * ratio[p.mode_workload][None, :, None, :] / p.busy[None, :, None, None]).max(axis=3)
    pods = np.array([mode.pod for mode in p.modes])
    peak = np.where(peak > 0.1 * pods[None, :, None], peak, np.inf)
    smallest = peak.min(axis=(0, 2))
    return np.where(np.isfinite(smallest), smallest, 1e9)


def _whole(model: Model, relaxed: Solved, aim: Goal, label: str) -> Plan:
    """Rounded to whole systems; the integer optimum where there are few of them."""
    count = rounded(model, relaxed.x[model.n])
    found = None if count is None else _fixed(model, count)
    if found is None:
        count = _with_room(model, relaxed.x[model.n], aim)
        found = None if count is None else _fixed(model, count)
    bound, is_optimum = relaxed.objective, False
    if found is None or model.n.size <= FEW:
        start = found.x if found is not None else None
        nodes = NODES if model.n.size <= FEW else NODES_OF_MANY
        best = solve(model.program, relaxed=False, nodes=nodes, gap=MIP_GAP, start=start)
        if len(best.x) and best.status != "infeasible":
            is_optimum, bound = best.status == "optimal", max(bound, best.bound)
            found = best if found is None or best.objective < found.objective - 1e-12 else found
    if found is None:
        raise DiagnosticError([_only_parts(model, relaxed)])
    sunk = model.sunk if aim.what == "cost" else 0.0
    rounding = Rounding(
        relaxed=relaxed.objective - sunk,
        whole=found.objective - sunk,
        bound=min(bound, found.objective) - sunk,
        is_optimum=is_optimum,
    )
    return Plan(
        label=label,
        problem=model.problem,
        systems=np.rint(found.x[model.n]).astype(np.int64),
        works=np.maximum(found.x[model.x], 0.0),
        unserved=np.maximum(found.x[model.u], 0.0),
        usd=(float(model.usd @ found.x[: len(model.usd)]) - model.sunk) * SCALE,
        tonnes=float(model.tonnes @ found.x[: len(model.tonnes)]),
        rounding=rounding,
        shadows=shadows(model, relaxed) if aim.what == "cost" else (),
        waived=aim.waived,
    )


def _only_parts(model: Model, relaxed: Solved) -> Diagnostic:
    """Diagnostic fleet-impossible: parts of systems would do."""
    total = float(relaxed.x[model.n][..., -1].sum())
    text = f"{total:,.1f} systems would keep all constraints, but no plan of whole systems was found"
    help = "allow a little more power, capital, carbon or water, or promise a little less"
    return Diagnostic("fleet-impossible", text, help=help)


def _with_room(model: Model, parts: Floats, aim: Goal) -> NDArray[np.int64] | None:
    """Whole systems of a plan that leaves room for one more of each kind at each site, rounded up."""
    p = model.problem
    kw = np.where(parts > LEAST_WORK, p.provision[None, :, None], 0.0) * p.site_factor[:, None, None]
    room = kw.max(2).sum(1) / KW_PER_MW
    less = dataclasses.replace(
        p,
        site_mw=np.maximum(p.site_mw - room[:, None], 0.0),
        fleet_mw=p.fleet_mw - room.sum(),
        deliveries=np.maximum(p.deliveries - (parts.max(2) > LEAST_WORK).sum(0)[:, None], 0.0),
    )
    tight = _model(less, aim)
    solved = solve(tight.program)
    return None if solved.status != "optimal" else rounded(model, solved.x[tight.n])


def _fixed(model: Model, count: NDArray[np.int64]) -> Solved | None:
    """The best use of so many systems; None when promises would break."""
    program = dataclasses.replace(model.program, low=list(model.program.low), high=list(model.program.high))
    program.low[0] = program.high[0] = np.ravel(count).astype(np.float64)
    pods = np.array([mode.pod for mode in model.problem.modes])
    has_pod = count[:, model.problem.mode_system] >= pods[None, :, None]
    room = np.broadcast_to(np.where(has_pod, np.inf, 0.0)[..., None], model.x.shape)
    for high in (np.ravel(room), model.program.high[1]):
        program.high[1] = high
        found = solve(program)
        if found.status == "optimal":
            return found
    return None
