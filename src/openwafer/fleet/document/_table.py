"""Checks the tables of a plan's file and gathers their facts; diagnostics point at what is wrong."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from typing import Any

from openwafer.diag import Diagnostic, DiagnosticError, Source, Span, brief, suggest
from openwafer.fleet.document._fact import FACT_STATUSES, UNDISCLOSED, FactValue, PlanFact
from openwafer.fleet.document._spec import CONVERSIONS, DatedFacts, FactSpec, WordSpec, fields_of
from openwafer.machine import places

_FACT_KEYS = ("value", "unit", "source", "status", "note", "plan_with")
_SHAPE = '`{ value = …, unit = "…", source = "…", status = "…" }`'
MOST_DIAGNOSTICS = 100
"""Then the check of a file ends."""
Path = tuple[str, ...]


class TableChecker:
    """Diagnostics: fleet-unknown-table, fleet-unknown-field, fleet-missing-fact, fleet-wrong-type,
    fleet-wrong-unit, fleet-out-of-range, fleet-bad-status, fleet-bad-date, fleet-bad-word,
    fleet-undisclosed."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.places = places(source.text)
        self.diagnostics: list[Diagnostic] = []

    def table(self, path: Path, entry: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
        """What a table states, by key: texts and facts that are right."""
        found: dict[str, Any] = {}
        known = fields_of(kind)
        for key, value in entry.items():
            spec, at = known.get(key), (*path, key)
            if spec is None:
                self.unknown("fleet-unknown-field", f"unknown entry `{key}` of `{'.'.join(path)}`", at, known)
            elif isinstance(spec, WordSpec):
                found[key] = self._word(at, value, spec)
            elif spec.by_name:
                found[key] = self._named(at, value, spec)
            elif spec.by_date:
                found[key] = self._dated(at, value, spec)
            else:
                found[key] = self.fact(at, value, spec)
        return {key: value for key, value in found.items() if value is not None}

    def report(
        self, id: str, message: str, path: Path, *, key: bool = False, help: str | None = None
    ) -> None:
        """Adds a diagnostic about the value at a path, or about its key."""
        self.diagnostics.append(Diagnostic(id, brief(message), self.span(path, key=key), help=help))
        if len(self.diagnostics) == MOST_DIAGNOSTICS:
            raise DiagnosticError(self.diagnostics)

    def unknown(self, id: str, message: str, path: Path, known: Iterable[str]) -> None:
        names = list(known)
        hint = suggest(path[-1], names) or f"one of {', '.join(names)}"
        self.report(id, message, path, key=True, help=hint)

    def span(self, path: Path, *, key: bool = False) -> Span:
        """Where a path stands, or the nearest table that is there."""
        for length in range(len(path), 0, -1):
            if place := self.places.get(path[:length]):
                return Span(self.source, *(place.key if key or length < len(path) else place.value))
        below = next((place for at, place in self.places.items() if at[: len(path)] == path), None)
        if below is not None and path:
            return Span(self.source, *below.key)
        return Span(self.source, 0, min(1, len(self.source.text)))

    def _word(self, path: Path, value: object, spec: WordSpec) -> str | None:
        if not isinstance(value, str):
            self.report("fleet-wrong-type", f"expected a text for `{'.'.join(path)}`", path)
        elif spec.known and value not in spec.known:
            hint = suggest(value, spec.known) or f"one of {', '.join(spec.known)}"
            self.report("fleet-bad-word", f"`{path[-1]}` cannot be `{value}`", path, help=hint)
        else:
            return value
        return None

    def _dated(self, path: Path, value: object, spec: FactSpec) -> DatedFacts | None:
        if not isinstance(value, dict) or "value" in value:
            text = f"expected a table of dates for `{'.'.join(path)}`"
            self.report("fleet-wrong-type", text, path, help=f'`"2027-01-01" = {_SHAPE[1:-1]}`')
            return None
        found: list[tuple[datetime.date, PlanFact]] = []
        entries: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        for key, entry in entries.items():
            try:
                day = datetime.date.fromisoformat(key)
            except ValueError:
                self.report(
                    "fleet-bad-date", f"`{key}` is no date such as 2027-01-01", (*path, key), key=True
                )
                continue
            fact = self.fact((*path, key), entry, spec)
            if fact is not None:
                found.append((day, fact))
        return tuple(sorted(found, key=lambda pair: pair[0])) or None

    def _named(self, path: Path, value: object, spec: FactSpec) -> dict[str, PlanFact] | None:
        if not isinstance(value, dict) or "value" in value:
            text = f"expected a table of names for `{'.'.join(path)}`"
            self.report("fleet-wrong-type", text, path, help=f"`NAME = {_SHAPE[1:-1]}`")
            return None
        entries: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        found = {name: self.fact((*path, name), entry, spec) for name, entry in entries.items()}
        return {name: fact for name, fact in found.items() if fact is not None}

    def fact(self, path: Path, entry: object, spec: FactSpec) -> PlanFact | None:
        """The fact of an inline table; None when something is wrong with it."""
        name, before = ".".join(path), len(self.diagnostics)
        if not isinstance(entry, dict):
            text = f"expected a fact for `{name}`, with its source"
            self.report("fleet-wrong-type", text, path, help=_SHAPE)
            return None
        given: dict[str, Any] = entry  # pyright: ignore[reportUnknownVariableType]
        for key in given:
            if key not in _FACT_KEYS:
                self.unknown(
                    "fleet-unknown-field", f"unknown field `{key}` of `{name}`", (*path, key), _FACT_KEYS
                )
        self._check_words(path, name, given, spec)
        factor = self._factor(path, name, given, spec)
        value = self._value((*path, "value"), name, given.get("value"), spec, factor)
        instead = self._value((*path, "plan_with"), name, given.get("plan_with"), spec, factor)
        if "value" in given and value is None and instead is None and len(self.diagnostics) == before:
            text = f"`{name}` is undisclosed, and nothing says what to plan with"
            self.report("fleet-undisclosed", text, path, help="add `plan_with = …` to the fact")
        if len(self.diagnostics) > before:
            return None
        return PlanFact(
            name,
            value,
            spec.unit,
            given["source"],
            given["status"],
            given.get("note", ""),
            instead,
            self.span(path),
        )

    def _check_words(self, path: Path, name: str, given: Mapping[str, Any], spec: FactSpec) -> None:
        for key in _FACT_KEYS[:-1]:
            value = given.get(key)
            if value is None:
                if key not in ("note", "unit") or (key == "unit" and spec.kind != "date"):
                    self.report("fleet-missing-fact", f"`{name}` has no `{key}`", path, key=True, help=_SHAPE)
            elif key != "value" and not isinstance(value, str):
                self.report("fleet-wrong-type", f"expected a text for `{key}` of `{name}`", (*path, key))
            elif key == "status" and value not in FACT_STATUSES:
                hint = suggest(value, FACT_STATUSES) or f"one of {', '.join(FACT_STATUSES)}"
                self.report("fleet-bad-status", f"no status `{value}`", (*path, key), help=hint)
            elif key == "source" and not value.strip():
                self.report("fleet-missing-fact", f"`{name}` has an empty source", (*path, key))
        if (given.get("value") == UNDISCLOSED) != (given.get("status") == "missing") and "value" in given:
            text = f'`{name}` is "undisclosed" where its status is "missing", and only there'
            self.report("fleet-bad-status", text, (*path, "status"))

    def _factor(self, path: Path, name: str, given: Mapping[str, Any], spec: FactSpec) -> float:
        unit = given.get("unit", spec.unit)
        if unit == spec.unit or not isinstance(unit, str):
            return 1.0
        factor = CONVERSIONS.get((unit, spec.unit))
        if factor is None:
            others = [f"`{a}`" for a, b in CONVERSIONS if b == spec.unit]
            text = f"`{name}` must be in `{spec.unit}`, found `{unit}`"
            hint = f"or in {', '.join(others)}" if others else None
            self.report("fleet-wrong-unit", text, (*path, "unit"), help=hint)
        return factor or 1.0

    def _value(self, path: Path, name: str, value: object, spec: FactSpec, factor: float) -> FactValue | None:
        if value is None or (value == UNDISCLOSED and path[-1] == "value"):
            return None
        if spec.kind == "date":
            return self._date(path, name, value)
        items: list[object] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
        numbers = [
            float(v) * factor for v in items if isinstance(v, (int, float)) and not isinstance(v, bool)
        ]
        if len(numbers) < len(items) or isinstance(value, list) != (spec.kind == "numbers"):
            wanted = "a number" if spec.kind == "number" else f"a list of {spec.length} numbers"
            self.report("fleet-wrong-type", f"expected {wanted} for `{name}`", path)
            return None
        return self._ranged(path, name, numbers, spec)

    def _ranged(self, path: Path, name: str, numbers: list[float], spec: FactSpec) -> FactValue | None:
        if len(numbers) != spec.length:
            text = f"`{name}` must have {spec.length} numbers, found {len(numbers)}"
            self.report("fleet-out-of-range", text, path)
            return None
        for value in numbers:
            if not spec.low <= value <= spec.high or not math.isfinite(value):
                text = f"`{name}` must be {spec.low:,g} to {spec.high:,g} {spec.unit}, found {value:,g}"
                self.report("fleet-out-of-range", text, path)
                return None
        return tuple(numbers) if spec.kind == "numbers" else numbers[0]

    def _date(self, path: Path, name: str, value: object) -> datetime.date | None:
        if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return value
        self.report("fleet-bad-date", f"`{name}` must be a date such as 2027-01-01, without quotes", path)
        return None
