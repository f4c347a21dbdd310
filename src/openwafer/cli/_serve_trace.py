"""`openwafer serve --offline TRACE`: what would have been."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from openwafer.cli._output import say, say_json
from openwafer.cli._record import record
from openwafer.cli._table import print_table


def run_trace(
    path: Path | None,
    backends: Path,
    policy: Path | None,
    pace: float | None,
    results: Path | None,
    form: str,
) -> None:
    """Reads, runs, prints."""
    from openwafer import serve as api

    assert path is not None
    specs, rules = api.read_backends(backends), api.load_policy(policy)
    trace = api.read_trace(path)
    outcome = api.run_trace(trace, specs, rules, factor=pace, progress=_progress(len(trace)))
    if results is not None:
        api.write_results(outcome, results)
    found = api.summary(outcome)
    record().result(**found)
    if form == "json":
        return say_json(found)
    _print(path.name, found)


def _progress(count: int) -> Any:
    """On a terminal only."""
    if not sys.stderr.isatty():
        return None

    def told(at: int) -> None:
        say(f"{at:,} of {count:,} requests", err=True)

    return told


def _print(name: str, found: dict[str, Any]) -> None:
    rows = [
        [
            tier, f"{level['requests']:,}", f"{level['refused']:,}", *_pair(level["first_token_s"], 1e3),
            *_pair(level["token_s"], 1e3), _pair(level["waited_s"], 1.0)[1],
        ]
        for tier, level in found["tiers"].items()
    ]  # fmt: skip
    head = [
        "class",
        "requests",
        "refused",
        "first token p50, ms",
        "p99",
        "token p50, ms",
        "p99",
        "waited p99, s",
    ]
    title = (
        f"{name}: {found['requests']:,} request{'s' * (found['requests'] > 1)}, "
        f"{found['simulated_s']:,.0f} simulated seconds "
        f"in {found['wall_s']:.1f} s"
    )
    print_table(title, head, rows)
    say()
    pools = [
        [
            pool["name"], pool["system"], f"{pool['answers']:,}", _number(pool["joules"], 1 / 3.6e6),
            _share(pool["idle_joules"], pool["joules"]), _number(pool["usd"], 1.0),
        ]
        for pool in found["backends"]
    ]  # fmt: skip
    ends = ", ".join(f"{count:,} {name}" for name, count in found["ends"].items())
    cost = found["usd_per_million_tokens"]
    notes = [
        f"Estimated. {_number(found['joules_per_token'], 1.0)} J a token (IT, idle time counted)"
        + (f", ${_number(cost, 1.0)} a million tokens." if cost is not None else "."),
        f"Ends: {ends}. Dollars are those of the whole time, idle or not.",
    ]
    print_table("backends", ["name", "system", "answers", "kWh", "idle", "$"], pools, notes)


def _pair(quantiles: dict[str, float] | None, scale: float) -> list[str]:
    found = quantiles or {}
    return [_number(found.get("p50"), scale), _number(found.get("p99"), scale)]


def _number(value: float | None, scale: float) -> str:
    return "–" if value is None else f"{value * scale:,.4g}"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "–"
