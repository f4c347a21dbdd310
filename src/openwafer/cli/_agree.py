"""One example on every engine: results and cycles must be the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from openwafer.cli._examples import Example
from openwafer.cli._run_example import Outcome, Setting, run_example
from openwafer.cli._running import Running

SETTINGS = (Setting("fast", 1), Setting("fast", 2), Setting("reference", 1))


def run_on_all(example: Example, commands: Path, timeout_s: float, running: Running) -> Outcome:
    """The outcome on the fast engine, with the time of all runs; a failure if another setting gives another
    result, other cycles or other contents of the PEs' memories."""
    outcomes: list[Outcome] = []
    for setting in SETTINGS:
        outcomes.append(run_example(example, commands, setting, timeout_s, running))
        if outcomes[-1].result != "pass":
            break
    last, wall_s = outcomes[-1], sum(o.wall_s for o in outcomes)
    if last.result != "pass":
        return dataclasses.replace(
            last, reason=f"{SETTINGS[len(outcomes) - 1]}: {last.reason}", wall_s=wall_s
        )
    for setting, outcome in zip(SETTINGS, outcomes, strict=True):
        if outcome.runs != outcomes[0].runs:
            reason = f"{SETTINGS[0]} and {setting} differ: {_difference(outcomes[0], outcome)}"
            return dataclasses.replace(outcome, result="fail", reason=reason, wall_s=wall_s)
    return dataclasses.replace(outcomes[0], wall_s=wall_s)


def _difference(a: Outcome, b: Outcome) -> str:
    if a.cycles != b.cycles:
        return f"{a.cycles or 0:,} and {b.cycles or 0:,} cycles"
    return "the memories of the PEs"
