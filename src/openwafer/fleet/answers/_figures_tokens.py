"""Numbers about tokens: what they cost and emit, how fast they come; and sums over the whole plan."""

from __future__ import annotations

import numpy as np

from openwafer.fleet.answers._account import LEAST_WORK, Account
from openwafer.fleet.answers._figure import Figure, Figures
from openwafer.fleet.answers._names import there, when_of
from openwafer.fleet.document import HOURS_PER_QUARTER

DAYS_PER_QUARTER = HOURS_PER_QUARTER / 24
SECONDS_PER_DAY = 86_400


def add_tokens(found: Figures, a: Account, q: int) -> None:
    """The figures of all workloads in a quarter."""
    p, when, plan = a.plan.problem, when_of(a, q), a.plan
    for w, name in enumerate(p.workloads):
        demand, served = f"demand.{name}.{when}", float(plan.served_part[w, q])
        modes = [
            f"estimate.{p.modes[m].name}"
            for m in np.flatnonzero(p.mode_workload == w)
            if plan.works[:, m, q].max() > LEAST_WORK
        ]
        stands = there(found, *(f"systems.{i}.{s}.{when}" for i in p.sites for s in p.systems))
        promise = f"workloads.{name}.served"
        base = {"workload": name, "quarter": when}
        found.add(
            Figure(
                quantity="served",
                value=served,
                unit="1",
                of=(demand, promise, *modes, *stands),
                how="part of the demand that the programme serves",
                **base,
            )
        )
        found.add(
            Figure(
                quantity="tokens_per_day",
                value=float(plan.served[w, q]) * SECONDS_PER_DAY,
                unit="tokens/day",
                how="demand x part served x a day",
                of=(demand, f"served.{name}.{when}"),
                **base,
            )
        )
        if per := p.fleet.workloads[name].per_user:
            found.add(
                Figure(
                    quantity="users",
                    value=float(plan.served[w, q]) / per.number,
                    unit="users",
                    how="tokens served over tokens of a user",
                    of=(f"tokens_per_day.{name}.{when}", per.name),
                    **base,
                )
            )
        if a.tokens[w, q] > 0:
            _each(found, a, w, q, base, modes)


def _each(found: Figures, a: Account, w: int, q: int, base: dict[str, str], modes: list[str]) -> None:
    """What a million tokens of a workload cost and emit, and how fast they come."""
    when, name = base["quarter"], base["workload"]
    millions = float(a.tokens[w, q]) / 1e6
    share = "part of its systems’ time at their peaks"
    tokens = f"tokens_per_day.{name}.{when}"
    workload = f"workloads.{name}"
    rows = (
        ("usd_per_mtok", a.usd_of[w, q] / millions, "USD/Mtok", f"costs by its {share}", f"usd.{when}"),
        (
            "g_operation_per_mtok",
            a.operation_of[w, q] * 1e6 / millions,
            "g/Mtok",
            f"carbon by its {share}",
            f"t_operation.{when}",
        ),
        (
            "g_embodied_per_mtok",
            a.embodied_of[w, q] * 1e6 / millions,
            "g/Mtok",
            f"carbon by its {share}",
            f"t_embodied.{when}",
        ),
    )
    for quantity, value, unit, how, total in rows:
        found.add(
            Figure(
                quantity=quantity, value=float(value), unit=unit, how=how, of=(tokens, total, *modes), **base
            )
        )
    variation = (f"{workload}.gap_cv", f"{workload}.length_cv", f"{workload}.burst")
    found.add(
        Figure(
            quantity="first_token_p99",
            value=float(a.first_token[w, q]),
            unit="s",
            **base,
            how="first token of the estimate + 99th percentile of waiting (Erlang C, Allen-Cunneen)",
            of=(*modes, *variation, f"{workload}.first_token"),
        )
    )
    found.add(
        Figure(
            quantity="speed",
            value=float(a.speed[w, q]),
            unit="tokens/s",
            **base,
            how="of the slowest users",
            of=(*modes, f"{workload}.speed"),
        )
    )


def add_totals(found: Figures, a: Account) -> None:
    """Of the whole plan: sums, and means by token."""
    p = a.plan.problem
    quarters = [when_of(a, q) for q in range(p.quarters)]
    for name, unit in (("usd", "USD"), ("mwh", "MWh"), ("t_operation", "t"), ("t_embodied", "t")):
        of = tuple(f"{name}.{when}" for when in quarters)
        total = sum(found.value(part) for part in of)
        found.add(Figure(quantity=f"{name}_total", value=total, unit=unit, how="all quarters", of=of))
    tokens = float(a.tokens.sum())
    of = tuple(f"tokens_per_day.{w}.{when}" for w in p.workloads for when in quarters)
    found.add(
        Figure(
            quantity="tokens_total",
            value=tokens,
            unit="tokens",
            how=f"all workloads and quarters of {DAYS_PER_QUARTER:.4g} days",
            of=of,
        )
    )
    bought = float((a.plan.orders * p.usd[None]).sum())
    facts = tuple(f"systems.{s}.price" for s in p.systems if a.plan.systems[:, p.systems.index(s)].any())
    last = there(found, *(f"systems.{i}.{s}.{quarters[-1]}" for i in p.sites for s in p.systems))
    found.add(
        Figure(
            quantity="usd_bought",
            value=bought,
            unit="USD",
            how="prices of all that is bought",
            of=(*last, *facts),
        )
    )
    for name, unit, scale, total in (
        ("usd_per_mtok", "USD/Mtok", 1.0, "usd_total"),
        ("g_operation_per_mtok", "g/Mtok", 1e6, "t_operation_total"),
        ("g_embodied_per_mtok", "g/Mtok", 1e6, "t_embodied_total"),
    ):
        value = found.value(total) * scale / max(tokens / 1e6, 1e-12)
        found.add(
            Figure(
                quantity=name,
                value=value,
                unit=unit,
                how="the whole plan over all its tokens",
                of=(total, "tokens_total"),
            )
        )
