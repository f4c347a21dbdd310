"""The profile of a run, written for tools that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openwafer.diag import environment, json_text, write_report
from openwafer.sim import Engine, LineProfile, Profile
from openwafer.tir import Counter

NAMES: dict[Counter, str] = {
    Counter.RUNS: "runs",
    Counter.SCALAR: "scalar_cycles",
    Counter.OPERATIONS: "operations",
    Counter.ELEMENTS: "elements",
    Counter.BUSY: "busy_cycles",
    Counter.BANKS: "bank_cycles",
    Counter.WAVELETS: "wavelet_cycles",
    Counter.SPACE: "space_cycles",
    Counter.OTHERS: "other_cycles",
}
"""How counters are called in JSON."""


def is_profiling() -> bool:
    return environment.PROFILE.get() is not None


def write_profile(engine: Engine, sources: Mapping[str, str]) -> None:
    """Appends the profile to the file that `OPENWAFER_PROFILE` names, if it does.

    Diagnostics: report-not-written."""
    path = environment.PROFILE.get()
    if path:
        write_report(path, json_text(profile_to_json(engine.profile(), sources)) + "\n", "a")


def profile_to_json(profile: Profile, sources: Mapping[str, str]) -> dict[str, Any]:
    """JSON values; lines and tasks are sums over the PEs, PEs have coordinates of the program's rectangle.
    `source` is the text of a line, "" if `sources`, texts by path, does not have it."""
    texts = {path: text.splitlines() for path, text in sources.items()}
    return {
        "cycles": profile.cycles,
        "lines": [
            {"file": v.file, "line": v.line, "source": _text(texts, v)} | _named(v.counts)
            for v in profile.lines
        ],
        "tasks": [
            {"name": v.name, "runs": v.runs, "cycles": v.cycles, "waiting_cycles": v.waiting_cycles}
            for v in profile.tasks
        ],
        "pes": [
            {"x": v.x, "y": v.y, "task_cycles": v.task_cycles, "waiting_cycles": v.waiting_cycles,
             "idle_cycles": profile.cycles - v.task_cycles} | _named(v.counts)
            for v in profile.pes
        ],
    }  # fmt: skip


def _text(texts: Mapping[str, list[str]], line: LineProfile) -> str:
    lines = texts.get(line.file, [])
    return lines[line.line - 1].strip() if 1 <= line.line <= len(lines) else ""


def _named(counts: tuple[int, ...]) -> dict[str, int]:
    return {name: counts[counter] for counter, name in NAMES.items()}
