"""Smaller and longer problems: all sites as one, a later end."""

from __future__ import annotations

import dataclasses

import numpy as np

from openwafer.fleet.document import Option, Quarter, part_done
from openwafer.fleet.sizing._problem import Floats, Problem, middle, problem_of


def as_one_site(p: Problem) -> Problem:
    """All sites as one, by the power that they have at the end."""
    weight = p.site_mw.sum(1) + 1e-12
    weight = weight / weight.sum()
    fleet = dataclasses.replace(p.fleet, sites={name: p.fleet.sites[name] for name in p.sites[:1]})
    return dataclasses.replace(
        p,
        fleet=fleet,
        sites=p.sites[:1],
        site_mw=p.site_mw.sum(0, keepdims=True),
        installed=p.installed.sum(0, keepdims=True),
        price=np.einsum("i,iqb->qb", weight, p.price)[None],
        carbon=np.einsum("i,iqb->qb", weight, p.carbon)[None],
        pue=np.array([weight @ p.pue]),
        water=np.array([weight @ p.water]),
        lease=np.array([weight @ p.lease]),
        site_factor=np.array([weight @ p.site_factor]),
    )


def prepare_longer(p: Problem, option: Option) -> Problem:
    """The same plan to the end of the quarter in which an option ends."""
    last = Quarter.of(option.until_date.date)
    quarters = max(last - p.fleet.start + 1, p.quarters)
    longer = problem_of(dataclasses.replace(p.fleet, quarters=quarters), p.modes)
    return dataclasses.replace(longer, busy=p.busy)


def part_of_option(p: Problem, option: Option) -> Floats:
    """[q] megawatts that an option has brought by the middle of a quarter."""
    first, last = option.from_date.date, option.until_date.date
    days = [middle(p.fleet, q) for q in range(p.quarters)]
    return np.array([option.power.number * part_done(first, last, day) for day in days])


def without_promises(p: Problem) -> frozenset[str]:
    """The groups of constraints that promises are."""
    return frozenset(f"promise to {name}" for name in p.workloads)
