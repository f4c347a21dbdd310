"""From a TOML file to a `Fleet`. Everything wrong with a file is told at once, each with its place."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

from openwafer.diag import DiagnosticError, Source
from openwafer.estimate import load_model
from openwafer.files import MIB, parse_toml, read_text
from openwafer.fleet.document._fact import PlanFact
from openwafer.fleet.document._from_system import system_facts
from openwafer.fleet.document._quarter import Quarter
from openwafer.fleet.document._schema import SINGLE, TABLES, Fleet, Product
from openwafer.fleet.document._spec import DatedFacts, FactSpec, WordSpec, fields_of, key_of
from openwafer.fleet.document._table import TableChecker
from openwafer.fleet.document._together import contradictions
from openwafer.machine.systems import load_system

MOST_BYTES = MIB
MOST_QUARTERS = 80
_NEEDED = ("sites", "systems", "workloads")
_HEAD = ("name", "start", "quarters")
_T = TypeVar("_T")


def load_fleet(path: str) -> Fleet:
    """Reads a plan's file.

    Diagnostics: fleet-unreadable, fleet-syntax, fleet-missing-table, those of `TableChecker`, of
    `contradictions`, and of the models and systems that the file names."""
    return read_fleet(Source(path, read_text(path, "fleet file", "fleet-unreadable", MOST_BYTES)))


def read_fleet(source: Source) -> Fleet:
    """As `load_fleet`, from a text."""
    reader = _Reader(source, parse_toml(source, "fleet-syntax"))
    fleet = reader.fleet()
    if not reader.diagnostics and fleet is not None:
        reader.diagnostics += contradictions(fleet)
    if reader.diagnostics or fleet is None:
        raise DiagnosticError(reader.diagnostics)
    return fleet


@cache
def _defaults() -> Mapping[str, Mapping[str, PlanFact]]:
    """Facts that a file need not state, by table (`site`, `system`, `cs3`, …)."""
    text = resources.files("openwafer.fleet.document").joinpath("data/defaults.toml").read_text("utf-8")
    source = Source("defaults.toml", text)
    document, checker = parse_toml(source, "fleet-syntax"), TableChecker(source)
    found: dict[str, dict[str, PlanFact]] = {}
    for table, entries in document.items():
        specs = fields_of((TABLES | SINGLE).get(table, Product))
        facts: dict[str, PlanFact | None] = {}
        for key, entry in entries.items():
            spec = specs[key]
            assert isinstance(spec, FactSpec), key
            facts[key] = checker.fact((table, key), entry, dataclasses.replace(spec, by_date=False))
        found[table] = {key: fact for key, fact in facts.items() if fact is not None}
    if checker.diagnostics:
        raise DiagnosticError(checker.diagnostics)
    return found


class _Reader(TableChecker):
    def __init__(self, source: Source, document: Mapping[str, Any]) -> None:
        super().__init__(source)
        self.document = document
        self.used: dict[str, PlanFact] = {}

    def fleet(self) -> Fleet | None:
        for key in self.document:
            if key not in (*TABLES, *SINGLE, *_HEAD):
                self.unknown(
                    "fleet-unknown-table", f"unknown table `{key}`", (key,), [*TABLES, *SINGLE, *_HEAD]
                )
        start, quarters = self._start(), self._quarters()
        tables = {name: self._entries(name, kind) for name, kind in TABLES.items()}
        single = {name: self._single(name, kind) for name, kind in SINGLE.items()}
        if self.diagnostics or start is None or None in single.values():
            return None
        name = self.document.get("name")
        return Fleet(
            name=name if isinstance(name, str) else Path(self.source.path).stem,
            start=start,
            quarters=quarters,
            facts=MappingProxyType(self.used),
            source=self.source,
            **tables,
            **single,
        )

    def _start(self) -> Quarter | None:
        text = self.document.get("start")
        found = Quarter.parse(text) if isinstance(text, str) else None
        if found is None:
            self.report("fleet-bad-date", "`start` must be a quarter such as `2026-Q1`", ("start",))
        return found

    def _quarters(self) -> int:
        count = self.document.get("quarters")
        if isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= MOST_QUARTERS:
            return count
        text = f"`quarters` must be a whole number from 1 to {MOST_QUARTERS}"
        self.report("fleet-out-of-range", text, ("quarters",))
        return 1

    def _entries(self, table: str, kind: type[Any]) -> Mapping[str, Any]:
        entries = self.document.get(table, {})
        if not isinstance(entries, dict):
            self.report("fleet-wrong-type", f"expected tables `[{table}.NAME]`", (table,))
            return {}
        if not entries and table in _NEEDED:
            self.report("fleet-missing-table", f"no `[{table}.NAME]`: a plan needs one at least", ())
        known: dict[str, Any] = entries  # pyright: ignore[reportUnknownVariableType]
        found = {name: self._entry((table, name), entry, kind) for name, entry in known.items()}
        return MappingProxyType({name: entry for name, entry in found.items() if entry is not None})

    def _single(self, table: str, kind: type[Any]) -> Any:
        return self._entry((table,), self.document.get(table, {}), kind)

    def _entry(self, path: tuple[str, ...], entry: object, kind: type[Any]) -> Any:
        """The typed entry; None when something is wrong with it."""
        if not isinstance(entry, dict):
            self.report("fleet-wrong-type", f"expected a table for `{'.'.join(path)}`", path)
            return None
        before = len(self.diagnostics)
        given: dict[str, Any] = self.table(path, entry, kind)  # pyright: ignore[reportUnknownArgumentType]
        extra = self._loaded(path, given)
        if extra is None:
            return None
        stated = [key for key in fields_of(kind) if key in entry]
        found = self._filled(path, given, kind, stated, extra)
        if len(self.diagnostics) > before:
            return None
        self._use(found)
        return kind(name=path[-1], span=self.span(path, key=True), **found, **extra)

    def _use(self, found: Mapping[str, Any]) -> None:
        for value in found.values():
            if isinstance(value, PlanFact):
                self.used[value.name] = value
            elif isinstance(value, dict):
                self.used |= {fact.name: fact for fact in cast(dict[str, PlanFact], value).values()}
            elif isinstance(value, tuple):
                self.used |= {fact.name: fact for _, fact in cast(DatedFacts, value)}

    def _loaded(self, path: tuple[str, ...], given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The system or the model that an entry names; None when there is none."""
        if path[0] == "systems":
            stated: str | None = given.get("system")
            name = path[1] if stated is None else stated
            return self._load("facts", load_system, name, (*path, "system"))
        if path[0] == "workloads" and "model" in given:
            return self._load("config", load_model, given["model"], (*path, "model"))
        return {}

    def _load(
        self, key: str, load: Callable[[str], _T], name: str, path: tuple[str, ...]
    ) -> dict[str, _T] | None:
        beside = Path(self.source.path).parent / name
        try:
            return {key: load(str(beside) if beside.suffix in (".toml", ".json") else name)}
        except DiagnosticError as wrong:
            for diagnostic in wrong.diagnostics:
                span = diagnostic.span or self.span(path)
                self.diagnostics.append(dataclasses.replace(diagnostic, span=span))
            return None

    def _filled(
        self,
        path: tuple[str, ...],
        given: Mapping[str, Any],
        kind: type[Any],
        stated: list[str],
        extra: Mapping[str, Any],
    ) -> dict[str, Any]:
        """What was given with the defaults under it, by attribute; what is missing is reported."""
        known, found, missing = self._known(path, extra), dict[str, Any](), list[str]()
        specs = fields_of(kind)
        for field in dataclasses.fields(kind):
            key = key_of(field.name)
            spec = specs.get(key)
            if spec is None:
                continue
            value = given.get(key)
            if value is None and isinstance(spec, WordSpec):
                value = spec.default
                if spec.is_needed and key not in stated:
                    missing.append(key)
            elif value is None and key in known:
                fact = dataclasses.replace(known[key], name=".".join((*path, key)))
                value = ((self._first_day(), fact),) if isinstance(spec, FactSpec) and spec.by_date else fact
            elif value is None and isinstance(spec, FactSpec) and not spec.optional and key not in stated:
                missing.append(key)
            found[field.name] = value
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            self.report("fleet-missing-fact", f"`{'.'.join(path)}` has no {names}", path, key=True)
        return found

    def _first_day(self) -> datetime.date:
        return (Quarter.parse(str(self.document.get("start"))) or Quarter.of(datetime.date.min)).first_day

    def _known(self, path: tuple[str, ...], extra: Mapping[str, Any]) -> dict[str, PlanFact]:
        """Defaults for an entry: of all of its table, of its kind of system, of the system itself."""
        found = dict(_defaults().get(path[0], {}))
        if (system := extra.get("facts")) is not None:
            kind = "wafer" if hasattr(system, "machine") else "gpu"
            for table in (kind, system.name):
                found |= _defaults().get(table, {})
            found = system_facts(system) | found
        return found
