"""The tables of what may turn out otherwise, and the notes below a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwafer.cli._results import number
from openwafer.cli._table import print_table, say_wrapped

if TYPE_CHECKING:
    from openwafer.fleet.answers import Answer

MOST_SHADOWS = 5


def print_draws(found: Answer) -> None:
    """Tenths by quarter."""
    f = found.figures
    quantities = (
        ("tokens/day", "tokens_per_day"),
        ("M$", "usd"),
        ("$/Mtok", "usd_per_mtok"),
        ("g/Mtok", "g_per_mtok"),
    )
    rows: list[list[str]] = []
    for q in range(found.fleet.quarters):
        when = str(found.fleet.quarter(q))
        row = [when]
        for head, quantity in quantities:
            scale = 1e-6 if head == "M$" else 1.0
            row.append(
                " ".join(number(f.value(f"{quantity}_{t}.{when}") * scale) for t in ("p10", "p50", "p90"))
            )
        rows.append(row)
    count = found.draws.count if found.draws else 0
    title = f"{count:,} draws: P10 P50 P90, the systems as planned"
    print_table(title, ["quarter", *(head for head, _ in quantities)], rows, _survival(found))


def _survival(found: Answer) -> list[str]:
    f = found.figures
    notes = [f"All promises hold in {f.value('survival'):.1%} of fresh draws."]
    if found.robust:
        r = found.robust
        notes.append(
            f"The cheapest plan holds them in {r.plain:.1%}; what makes it {r.survival:.1%} costs "
            f"{found.plan.usd / r.plain_usd - 1:.1%} more today, what is not served included."
        )
    if found.fleet.options and not found.worth:
        notes.append("What options are worth needs a `value` for every workload.")
    for thing in found.worth:
        if not thing.scenarios:
            continue
        what = (
            "To order after the first year, knowing the draw"
            if thing.name == "waiting"
            else f"Option {thing.name}"
        )
        notes.append(
            f"{what}, is worth ${number(thing.mean)} today ({number(thing.low)}–{number(thing.high)}), "
            f"in {thing.scenarios} draws."
        )
    return notes


def print_tornado(found: Answer) -> None:
    """Each risk alone."""
    rows = [
        [
            bar.risk,
            number(bar.usd_low),
            number(bar.usd_high),
            f"{bar.served_low:.1%}",
            f"{bar.served_high:.1%}",
            f"{bar.variance:.0%}",
            f"{bar.variance_full:.0%}",
        ]
        for bar in found.bars
    ]
    heads = ["risk", "$/Mtok low", "high", "served low", "high", "of variance", "if always full"]
    wafer = sum(bar.variance_full for bar in found.bars if bar.what == "wafer-throughput")
    notes = [
        "Each risk at its low and high tenth, the others in the middle; shares of the variance of "
        "$/Mtok, each alone: those of risks with one cause overlap."
    ]
    if any(bar.what == "wafer-throughput" for bar in found.bars):
        notes.append(
            f"The throughput of wafers, which nobody has published, is {wafer:.0%} of the variance of what "
            "a token costs on full systems."
        )
    print_table("What matters most", heads, rows, notes)


def print_changes(found: Answer) -> None:
    """One change at a time."""
    rows = [
        [
            change.label,
            "–" if change.usd is None else f"{change.usd - 1:+.1%}",
            "–" if change.wafers is None else f"{change.wafers:.0%}",
            change.why,
        ]
        for change in found.changes
    ]
    heads = ["change", "cost", "tokens on wafers", ""]
    notes = ["The cheapest plan, with parts of systems; what is not served counts at its value."]
    print_table("Sensitivity", heads, rows, notes, words=("",))


def print_notes(found: Answer) -> None:
    """Shadow prices, the gap of rounding, how much is guessed."""
    plan, fleet = found.plan, found.fleet
    for shadow in plan.shadows[:MOST_SHADOWS]:
        say_wrapped(f"{shadow.words[:1].upper()}{shadow.words[1:]}.")
    kind = "the integer optimum" if plan.rounding.is_optimum else "what no plan of whole systems can beat"
    say_wrapped(f"Whole systems cost at most {plan.rounding.gap:.2%} more than {kind}.")
    assumed = sum(fact.is_assumed for fact in fleet.facts.values())
    missing = sum(fact.value is None for fact in fleet.facts.values())
    unknown = f", {missing} of them because nobody has published the number" if missing else ""
    say_wrapped(
        f"{assumed} of {len(fleet.facts)} facts are guesses{unknown}. --explain NAME traces a number; "
        "--format json has their names."
    )
