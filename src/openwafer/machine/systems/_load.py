"""From a TOML file to a `System`."""

from __future__ import annotations

import csv
import io
import os
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from openwafer.diag import DiagnosticError, Source, error, suggest
from openwafer.files import parse_toml, read_text
from openwafer.machine._fact import Fact
from openwafer.machine._load import MOST_BYTES, load_machine
from openwafer.machine._schema import BUILT_IN, specs
from openwafer.machine.systems._check import SystemChecker
from openwafer.machine.systems._names import ALIASES, SYSTEMS
from openwafer.machine.systems._schema import TABLES, Kind
from openwafer.machine.systems._system import GpuSystem, System, WaferSystem


def load_system(name_or_path: str) -> System:
    """A built-in system (`SYSTEMS`), or a system file, which may build on one with `base = "cs3"`.

    Diagnostics: system-not-found, system-unreadable, machine-syntax, and those of `SystemChecker`.
    """
    name = ALIASES.get(name_or_path.lower(), name_or_path.lower())
    return _built_in(name) if name in SYSTEMS else _read(_open(name_or_path))


@cache
def _built_in(name: str) -> System:
    text = resources.files("openwafer.machine.systems").joinpath(f"{name}.toml").read_text("utf-8")
    return _read(Source(f"{name}.toml", text))


def _open(path: str) -> Source:
    if not os.path.lexists(path):
        hint = (
            suggest(path.lower(), SYSTEMS)
            or suggest(path.lower(), ALIASES)
            or f"name one of {', '.join(SYSTEMS)}, or a file"
        )
        raise error("system-not-found", f"no system and no file `{path}`", help=hint)
    return Source(path, read_text(path, "system file", "system-unreadable", MOST_BYTES))


def _read(source: Source) -> System:
    checker = SystemChecker(source, parse_toml(source, "machine-syntax"))
    base = _built_in(name) if (name := checker.base()) else None
    checker.set_kind(_kind(base) if base else None)
    wafer = checker.wafer(base.machine.name if isinstance(base, WaferSystem) else None)
    facts = checker.facts(base.by_name if base else None)
    if checker.diagnostics:
        raise DiagnosticError(checker.diagnostics)
    return _build(checker.name() or Path(source.path).stem, checker.kind, _beside(source, wafer), facts)


def _beside(source: Source, wafer: str | None) -> str | None:
    """A machine file is found next to the system file that names it."""
    return wafer if wafer is None or wafer in BUILT_IN else str(Path(source.path).parent / wafer)


def _kind(system: System) -> Kind:
    return "gpu" if isinstance(system, GpuSystem) else "wafer"


def _build(name: str, kind: Kind, wafer: str | None, facts: dict[str, Fact]) -> System:
    tables: dict[str, Any] = {
        table: cls(**{k: facts[f"{table}.{k}"].value for k in specs(cls) if f"{table}.{k}" in facts})
        for table, cls in TABLES[kind].items()
    }
    by_name = MappingProxyType(facts)
    if kind == "gpu":
        return GpuSystem(name=name, by_name=by_name, **tables)
    assert wafer is not None
    return WaferSystem(name=name, machine=load_machine(wafer), by_name=by_name, **tables)


def published_rows() -> list[dict[str, str]]:
    """The published numbers that come with OpenWafer; `A010` in a source names the row of that id."""
    return rows_of(resources.files("openwafer.machine.systems").joinpath("published.csv").read_text("utf-8"))


def rows_of(text: str) -> list[dict[str, str]]:
    """The rows of a table of published numbers, what is missing as an empty text."""
    return [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(io.StringIO(text))]
