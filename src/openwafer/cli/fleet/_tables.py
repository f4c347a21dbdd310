"""The tables of a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from openwafer.cli._output import say
from openwafer.cli._results import number
from openwafer.cli._table import print_table
from openwafer.cli.fleet._tables_risks import print_changes, print_draws, print_notes, print_tornado

if TYPE_CHECKING:
    from openwafer.fleet.answers import Account, Answer

OBJECTIVES = {"cost": "least cost", "carbon": "least carbon", "speed": "fastest"}
DAY_S = 86_400
Rows = list[list[str]]


def print_answer(found: Answer) -> None:
    """All tables, each with a heading and notes."""
    blocks: list[Callable[[Answer], None]] = [_cases, _quarters, _workloads, _sites, _orders]
    if found.outcomes is not None:
        blocks += [print_draws, print_tornado]
    if found.changes:
        blocks.append(print_changes)
    for block in blocks:
        block(found)
        say()
    print_notes(found)


def _quarter(found: Answer, q: int) -> str:
    return str(found.fleet.quarter(q))


def _cases(found: Answer) -> None:
    """The plan beside the others."""
    fleet = found.fleet
    span = f"{fleet.start} to {fleet.quarter(fleet.quarters - 1)}"
    aim = OBJECTIVES[fleet.policies.objective]
    title = f"{fleet.name}: {aim}, {span}, power counted as {fleet.policies.power}"
    columns: list[tuple[str, Account | None]] = [(_label(found), found.chosen)]
    columns += [(case.label, case.account) for case in found.cases]
    rows = [[name, *("–" if a is None else f(a) for _, a in columns)] for name, f in _CASE_ROWS]
    notes = [f"No plan for {case.label}: {case.why}." for case in found.cases if case.account is None]
    if found.robust:
        notes.append("Beside the plan stand cheapest plans, made without regard to risks.")
    for label, a in columns:
        if a is not None and a.plan.waived:
            notes.append(f"{label}: {', '.join(a.plan.waived)} cannot be served at the speed that is needed.")
    print_table(title, ["", *(label for label, _ in columns)], rows, notes)


def _label(found: Answer) -> str:
    confidence = found.fleet.policies.confidence
    return f"plan, {confidence.number:.0%} sure" if found.robust and confidence else "plan"


def _mtok(a: Account) -> float:
    return max(float(a.tokens.sum()) / 1e6, 1e-12)


def _served(a: Account) -> str:
    return f"{float(a.plan.served.sum() / a.plan.problem.demand.sum()):.1%}"


_CASE_ROWS: Sequence[tuple[str, Callable[[Account], str]]] = (
    ("MW set aside at the end", lambda a: f"{a.set_aside_mw[:, -1].sum():,.1f}"),
    ("MW at the peak, at the end", lambda a: f"{a.peak_mw[:, -1].sum():,.1f}"),
    ("tokens a day at the end", lambda a: number(float(a.plan.served[:, -1].sum()) * DAY_S)),
    ("of the demand, all quarters", _served),
    ("bought, M$", lambda a: number(float((a.plan.orders * a.plan.problem.usd[None]).sum()) / 1e6)),
    ("costs, M$", lambda a: number(float(a.usd.sum()) / 1e6)),
    ("$/M tokens", lambda a: number(float(a.usd.sum()) / _mtok(a))),
    ("GWh", lambda a: number(float(a.mwh.sum()) / 1e3)),
    ("g CO2/M tokens, operation", lambda a: number(float(a.operation.sum()) * 1e6 / _mtok(a))),
    ("g CO2/M tokens, embodied", lambda a: number(float(a.embodied.sum()) * 1e6 / _mtok(a))),
    ("rounding gap at most", lambda a: f"{a.plan.rounding.gap:.2%}"),
    *(
        (f"{kind} at the end", lambda a, kind=kind: _count(a, kind))
        for kind in ("wafer systems", "GPU systems")
    ),
)


def _count(a: Account, kind: str) -> str:
    p = a.plan.problem
    wanted = "wafer" if kind.startswith("wafer") else "gpu"
    of = [s for s, name in enumerate(p.systems) if p.fleet.systems[name].kind == wanted]
    return f"{int(a.plan.systems[:, of, -1].sum()):,}"


def _quarters(found: Answer) -> None:
    a, p = found.chosen, found.plan.problem
    stands = a.plan.systems.sum(0)
    some = [s for s in range(len(p.systems)) if stands[s].any()]
    rows = [
        [
            _quarter(found, q),
            *(f"{stands[s, q]:,}" for s in some),
            *(f"{a.busy[s, q]:.0%}" for s in some),
            f"{a.set_aside_mw[:, q].sum():,.1f}",
            f"{a.peak_mw[:, q].sum():,.1f}",
            f"{a.mwh[:, q].sum():,.0f}",
            number(float(a.plan.served[:, q].sum()) * DAY_S),
            number(float(a.usd[q]) / 1e6),
            number(float(a.usd[q]) / max(float(a.tokens[:, q].sum()) / 1e6, 1e-12)),
            number(float(a.operation[:, q].sum())),
            number(float(a.embodied[:, :, q].sum())),
        ]
        for q in range(p.quarters)
    ]
    names = [p.systems[s] for s in some]
    heads = [
        "quarter",
        *names,
        *(f"{name} busy" for name in names),
        "MW",
        "MW peak",
        "MWh",
        "tokens/day",
        "M$",
        "$/Mtok",
        "t CO2",
        "t embodied",
    ]
    print_table("By quarter", heads, rows, ["Embodied carbon is spread over the life of a system."])


def _workloads(found: Answer) -> None:
    """In the last quarter."""
    a, p, q = found.chosen, found.plan.problem, found.plan.problem.quarters - 1
    rows: Rows = []
    for w, name in enumerate(p.workloads):
        workload, millions = p.fleet.workloads[name], max(float(a.tokens[w, q]) / 1e6, 1e-12)
        per_user = workload.per_user
        is_kept = float(a.plan.served_part[w].min()) >= workload.served.number * (1 - 1e-6)
        is_served = a.tokens[w, q] > 0
        rows.append(
            [
                name,
                workload.model,
                number(float(p.demand[w, q]) * DAY_S),
                f"{a.plan.served_part[w, q]:.1%}",
                f"{workload.served.number:.0%} {'yes' if is_kept else 'NO'}",
                number(float(a.plan.served[w, q]) / per_user.number) if per_user else "–",
                f"{number(float(a.speed[w, q]))} ({workload.speed.number:g})" if is_served else "–",
                f"{number(float(a.first_token[w, q]))} ({workload.first_token.number:g})"
                if is_served
                else "–",
                number(float(a.usd_of[w, q]) / millions) if is_served else "–",
                number(float(a.operation_of[w, q] + a.embodied_of[w, q]) * 1e6 / millions)
                if is_served
                else "–",
            ]
        )
    heads = [
        "workload",
        "model",
        "demand/day",
        "served",
        "promise",
        "users",
        "tokens/s",
        "first s",
        "$/Mtok",
        "g/Mtok",
    ]
    notes = ["Demand in output tokens. In brackets: what is needed; first token at the 99th percentile."]
    print_table(f"Workloads in {_quarter(found, q)}", heads, rows, notes, left=2)


def _sites(found: Answer) -> None:
    a, p, q = found.chosen, found.plan.problem, found.plan.problem.quarters - 1
    rows: Rows = []
    for i, name in enumerate(p.sites):
        if not a.plan.systems[i].any():
            continue
        count = a.plan.systems[i, :, q]
        systems = ", ".join(f"{n:,} {s}" for s, n in zip(p.systems, count, strict=True) if n)
        fact = [fact for _, fact in p.fleet.sites[name].power][-1]
        rows.append(
            [
                name,
                f"{p.site_mw[i, q]:,.1f}",
                "undisclosed" if fact.value is None else fact.status,
                f"{a.set_aside_mw[i, q]:,.1f}",
                f"{a.peak_mw[i, q]:,.1f}",
                f"{a.mwh[i].sum():,.0f}",
                f"{p.fleet.sites[name].price.number:.3g}",
                f"{p.fleet.sites[name].carbon.number:.3g}",
                systems,
            ]
        )
    heads = ["site", "MW", "source", "set aside", "peak", "MWh, all", "$/MWh", "g/kWh", "systems at the end"]
    print_table("Sites", heads, rows, words=("systems at the end", "source"))


def _orders(found: Answer) -> None:
    """By system and quarter; where they go stands in the files."""
    totals: dict[tuple[str, str, str], int] = {}
    for order in found.orders:
        key = (order["by"], order["system"], order["quarter"])
        totals[key] = totals.get(key, 0) + order["count"]
    rows = [[by, system, f"{count:,}", quarter] for (by, system, quarter), count in totals.items()]
    print_table("Orders", ["order by", "system", "count", "for"], rows, left=2)
