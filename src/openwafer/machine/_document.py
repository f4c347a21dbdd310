"""A machine as one document: what an image carries. The same facts always give the same document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from openwafer.diag import DiagnosticError, Source
from openwafer.machine._check import Checker
from openwafer.machine._fact import Fact
from openwafer.machine._load import make_machine
from openwafer.machine._machine import Machine
from openwafer.machine._schema import Arch


def to_document(machine: Machine) -> dict[str, Any]:
    """`name`, `arch` and the tables of a machine file that builds on no other; ready for JSON."""
    document: dict[str, Any] = {"name": machine.name, "arch": machine.arch}
    for fact in machine.facts():
        *tables, name = fact.name.split(".")
        table = document
        for part in tables:
            table = table.setdefault(part, {})
        table[name] = _entry(fact)
    return document


def from_document(document: Mapping[str, Any], path: str, origin: str) -> Machine:
    """The machine of a document, checked as a machine file is; `path` is what diagnostics name.

    Diagnostics: those of `Checker`."""
    checker = Checker(Source(path, ""), document)
    name, arch = checker.name(), checker.arch(None)
    facts = checker.facts(None)
    if checker.diagnostics:
        raise DiagnosticError(checker.diagnostics)
    return make_machine(name or origin, cast(Arch, arch), facts, origin)


def _entry(fact: Fact) -> dict[str, Any]:
    value = list(fact.value) if isinstance(fact.value, tuple) else fact.value
    entry = {"value": value, "unit": fact.unit, "source": fact.source, "status": fact.status}
    return entry | ({"note": fact.note} if fact.note else {})
