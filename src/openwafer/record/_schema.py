"""The form of a record."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FORMAT = "openwafer-record"
VERSION = 1
"""Goes up with every change that an older reader would get wrong."""

HEADER, EVENTS = "record.json", "events.jsonl"

Kind = Literal[
    "run", "compile", "conform", "training", "generation", "estimate", "validation", "sweep", "machine",
    "serving", "plan", "simulation",
]  # fmt: skip


class MachineMark(msgspec.Struct, frozen=True):
    """Which machine a record is about: its name, architecture, and the hash of all its facts."""

    name: str
    arch: str
    hash: str


class Record(msgspec.Struct, frozen=True):
    """The header of a record.

    `created` is UTC (ISO 8601). `versions` are those of OpenWafer and of what decides cycles and rounding.
    `result` is None while the command runs, and stays so when it was killed. `seconds` is wall time of the
    host. `outcome` is `done`, `running`, or the ids of the diagnostics with which the command ended."""

    kind: Kind
    command: tuple[str, ...]
    created: str
    versions: dict[str, str]
    options: dict[str, Any] = {}
    machine: MachineMark | None = None
    outcome: str = "running"
    seconds: float | None = None
    result: dict[str, Any] | None = None
    format: str = FORMAT
    version: int = VERSION


class Mark(msgspec.Struct, frozen=True):
    """The part that every version of every header has."""

    format: str = ""
    version: int = 0
