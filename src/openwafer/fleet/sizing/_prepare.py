"""From a plan's file to its arrays: ways to serve each workload, and how full their pools may be."""

from __future__ import annotations

import dataclasses

import numpy as np

from openwafer.diag import Diagnostic, DiagnosticError
from openwafer.fleet.document import Fleet
from openwafer.fleet.sizing._modes import Mode, fastest, modes_of
from openwafer.fleet.sizing._problem import Floats, Problem, problem_of
from openwafer.fleet.sizing._queue import most_busy
from openwafer.fleet.sizing._why import unservable

LEAST_BUSY = 1e-6


def prepare(fleet: Fleet) -> Problem:
    """The arrays of a plan, with the ways to serve each workload.

    Diagnostics: fleet-nobody-serves, with what the fastest system reaches."""
    modes: list[Mode] = [mode for w in fleet.workloads.values() for mode in modes_of(fleet, w)]
    problem = problem_of(fleet, tuple(modes))
    if missing := unservable(problem):
        raise DiagnosticError([_nobody(fleet, name) for name in missing])
    return pools_at_first(problem)


def _nobody(fleet: Fleet, name: str) -> Diagnostic:
    workload = fleet.workloads[name]
    notes = tuple(
        f"`{mode.system}` reaches {mode.speed:.4g} tokens/s a user and a first token in {mode.first_s:.3g} s"
        for mode in fastest(fleet, workload)
    ) or ("the model fits on none of the systems",)
    text = (
        f"no system serves `{name}` with {workload.speed.number:g} tokens/s a user and a first token within "
        f"{workload.first_token.number:g} s"
    )
    spans = [
        f.span for f in (workload.speed, workload.first_token) if f.span and f.span.source is fleet.source
    ]
    return Diagnostic("fleet-nobody-serves", text, spans[0] if spans else workload.span, notes=notes)


def pools_at_first(problem: Problem) -> Problem:
    """How full pools may be, each with the whole demand of the first quarter at one site of all."""
    sites = max(int((problem.site_mw[:, 0] > 0).sum()), 1)
    peak = (problem.demand[:, :1] * problem.peak).max(axis=1)
    systems = peak[problem.mode_workload] / problem.tokens / sites
    return with_pools(problem, systems)


def with_pools(problem: Problem, systems: Floats) -> Problem:
    """`busy` of each mode where its smallest pool has so many systems, a pod at least."""
    busy = [
        _busy(problem, mode, max(float(n), mode.pod)) for mode, n in zip(problem.modes, systems, strict=True)
    ]
    return dataclasses.replace(problem, busy=np.array(busy))


def _busy(problem: Problem, mode: Mode, systems: float) -> float:
    workload = problem.fleet.workloads[mode.workload]
    room = workload.first_token.number - mode.first_s
    return max(most_busy(mode.pool(workload, systems), room), LEAST_BUSY)
