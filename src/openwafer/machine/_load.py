"""From a TOML file to a `Machine`. Everything wrong with a file is told at once, each with its place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from openwafer.diag import DiagnosticError, Source, error, suggest
from openwafer.files import MIB, parse_toml, read_text
from openwafer.machine._check import Checker
from openwafer.machine._fact import Fact, Value
from openwafer.machine._machine import Machine
from openwafer.machine._schema import BUILT_IN, TABLES, Arch, specs

MOST_BYTES = MIB // 4
"""Of a machine or system file."""


def load_machine(machine: str | Machine) -> Machine:
    """`wse2`, `wse3`, or the path of a machine file, which may build on one of them with `base = "wse3"`.
    A machine that is loaded already is returned as it is.

    Diagnostics: machine-not-found, machine-unreadable, machine-syntax, and those of `Checker`.
    """
    if isinstance(machine, Machine):
        return machine
    if machine in BUILT_IN:
        text = resources.files("openwafer.machine").joinpath(f"{machine}.toml").read_text("utf-8")
        return _read(Source(f"{machine}.toml", text), machine)
    return _read(_open(machine), machine)


def _open(path: str) -> Source:
    if not os.path.lexists(path):
        hint = suggest(path, BUILT_IN) or f"name one of {', '.join(BUILT_IN)}, or a file"
        raise error("machine-not-found", f"no machine and no file `{path}`", help=hint)
    return Source(path, read_text(path, "machine file", "machine-unreadable", MOST_BYTES))


def _read(source: Source, origin: str = "") -> Machine:
    checker = Checker(source, parse_toml(source, "machine-syntax"))
    base = load_machine(name) if (name := checker.base()) else None
    arch = checker.arch(base.arch if base else None)
    facts = checker.facts(base.by_name if base else None)
    if checker.diagnostics:
        raise DiagnosticError(checker.diagnostics)
    return make_machine(checker.name() or Path(source.path).stem, cast(Arch, arch), facts, origin)


def make_machine(name: str, arch: Arch, facts: dict[str, Fact], origin: str) -> Machine:
    """The machine of checked facts."""
    tables: dict[str, Any] = {}
    for table, cls in TABLES.items():
        values: dict[str, Any] = {
            key: facts[f"{table}.{key}"].value for key in specs(cls) if f"{table}.{key}" in facts
        }
        if table == "dsd":
            values["simd_width"] = _simd_width(facts)
        tables[table] = cls(**values)
    return Machine(name=name, arch=arch, by_name=MappingProxyType(facts), origin=origin, **tables)


def _simd_width(facts: Mapping[str, Fact]) -> Mapping[str, Value]:
    prefix = "dsd.simd_width."
    widths = {name.removeprefix(prefix): f.value for name, f in facts.items() if name.startswith(prefix)}
    return MappingProxyType(widths)
