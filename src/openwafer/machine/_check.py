"""Checks a parsed machine file against the schema; diagnostics point at the key or value that is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, cast

from openwafer.diag import Diagnostic, DiagnosticError, Source, Span, brief, suggest
from openwafer.machine._fact import STATUSES, Fact, Value
from openwafer.machine._schema import BUILT_IN, TABLES, Spec, all_specs
from openwafer.machine._toml_places import Place, places

_TOP_KEYS = ("name", "arch", "base")
_FACT_KEYS = ("value", "unit", "source", "status", "note")
MOST_DIAGNOSTICS = 100
"""Then the check of a file ends."""
_ANY_VALUE = Spec("number", "", -math.inf, math.inf)
_WANTED = {"integer": "an integer", "number": "a number", "integers": "a list of integers"}
_KINDS = {
    "bool": "a boolean",
    "int": "an integer",
    "float": "a float",
    "str": "a string",
    "list": "a list",
    "dict": "a table",
}


class Checker:
    """Checks one parsed file against the schema and gathers diagnostics.

    Diagnostics: machine-unknown-table, machine-unknown-fact, machine-unknown-field, machine-missing-field,
    machine-missing-fact, machine-wrong-type, machine-wrong-unit, machine-out-of-range, machine-bad-status,
    machine-unknown-base, machine-bad-arch, machine-inconsistent.
    """

    def __init__(self, source: Source, document: Mapping[str, Any]) -> None:
        self.source = source
        self.document = document
        self.places = places(source.text)
        self.specs = all_specs()
        self.diagnostics: list[Diagnostic] = []

    def name(self) -> str | None:
        return self._text("name")

    # --- the head of the file ---

    def _text(self, key: str) -> str | None:
        value = self.document.get(key)
        if value is None or isinstance(value, str):
            return value
        self._report("machine-wrong-type", f"expected a string for `{key}`, found {_kind(value)}", (key,))
        return None

    def base(self) -> str | None:
        """The name of the machine that the file builds on."""
        name = self._text("base")
        if name is None or name in BUILT_IN:
            return name
        hint = suggest(name, BUILT_IN) or f"one of {_listed(BUILT_IN)}"
        self._report("machine-unknown-base", f"no machine `{name}` to build on", ("base",), help=hint)
        return None

    def arch(self, inherited: str | None) -> str | None:
        """The architecture whose language and registers the machine has."""
        arch = self._text("arch") or inherited
        if arch is None and "arch" not in self.document and "base" not in self.document:
            self._report("machine-missing-fact", "no `arch`, and no `base` to take it from", ())
        if arch is not None and arch not in BUILT_IN:
            hint = suggest(arch, BUILT_IN) or f"one of {_listed(BUILT_IN)}"
            self._report("machine-bad-arch", f"no architecture `{arch}`", ("arch",), help=hint)
        return arch

    # --- facts ---

    def facts(self, inherited: Mapping[str, Fact] | None) -> dict[str, Fact]:
        """The inherited facts with those of the file over them; checked together when each is right."""
        facts = dict(inherited or {}) | self._given()
        if inherited is None and not self.diagnostics:
            self._require_all(facts)
        if not self.diagnostics:
            self._check_together(facts)
        return facts

    def _given(self) -> dict[str, Fact]:
        found: dict[str, Fact] = {}
        for key, value in self.document.items():
            if key in _TOP_KEYS:
                continue
            if key not in TABLES and key != "published":
                known = [*TABLES, "published", *_TOP_KEYS]
                self._unknown("machine-unknown-table", f"unknown table `{key}`", (key,), key, known)
            elif self._is_table(value, (key,)):
                self._table((key,), value, found)
        return found

    def _table(self, path: tuple[str, ...], table: Mapping[str, Any], found: dict[str, Fact]) -> None:
        for key, entry in table.items():
            at = (*path, key)
            if at == ("dsd", "simd_width"):
                if self._is_table(entry, at):
                    self._table(at, entry, found)
                continue
            name = ".".join(at)
            spec = _ANY_VALUE if path == ("published",) else self.specs.get(name)
            if spec is None:
                known = [n.rsplit(".", 1)[1] for n in self.specs if n.rsplit(".", 1)[0] == ".".join(path)]
                self._unknown("machine-unknown-fact", f"unknown fact `{name}`", at, key, known)
            elif self._is_table(entry, at):
                fact = self._fact(at, name, entry, spec)
                if fact is not None:
                    found[name] = fact

    def _is_table(self, value: object, path: tuple[str, ...]) -> bool:
        if isinstance(value, dict):
            return True
        message = f"expected a table for `{'.'.join(path)}`, found {_kind(value)}"
        fact = path[0] != "published" and ".".join(path) in self.specs
        hint = '`{ value = …, unit = "…", source = "…", status = "…" }`' if fact or len(path) > 1 else None
        self._report("machine-wrong-type", message, path, help=hint)
        return False

    def _fact(self, path: tuple[str, ...], name: str, entry: Mapping[str, Any], spec: Spec) -> Fact | None:
        before = len(self.diagnostics)
        for key in entry:
            if key not in _FACT_KEYS:
                text = f"unknown field `{key}` of fact `{name}`"
                self._unknown("machine-unknown-field", text, (*path, key), key, _FACT_KEYS)
        self._check_words(path, name, entry, spec)
        value = self._value(path, name, entry["value"], spec) if "value" in entry else None
        if value is None or len(self.diagnostics) > before:
            return None
        return Fact(name, value, entry["unit"], entry["source"], entry["status"], entry.get("note", ""))

    def _check_words(self, path: tuple[str, ...], name: str, entry: Mapping[str, Any], spec: Spec) -> None:
        for key in _FACT_KEYS:
            value = entry.get(key)
            if value is None:
                if key != "note":
                    self._report("machine-missing-field", f"fact `{name}` has no `{key}`", path, on_key=True)
            elif key != "value" and not isinstance(value, str):
                text = f"expected a string for `{key}` of `{name}`, found {_kind(value)}"
                self._report("machine-wrong-type", text, (*path, key))
            elif key == "unit" and spec.unit and value != spec.unit:
                text = f"expected the unit `{spec.unit}` for `{name}`, found `{value}`"
                self._report("machine-wrong-unit", text, (*path, key))
            elif key == "status" and value not in STATUSES:
                hint = suggest(value, STATUSES) or f"one of {_listed(STATUSES)}"
                self._report("machine-bad-status", f"no status `{value}`", (*path, key), help=hint)
            elif key in ("unit", "source") and not value.strip():
                self._report("machine-missing-field", f"fact `{name}` has an empty `{key}`", (*path, key))

    def _value(self, path: tuple[str, ...], name: str, value: object, spec: Spec) -> Value | None:
        at = (*path, "value")
        wanted = _convert(value, spec)
        if wanted is None:
            text = f"expected {_WANTED[spec.kind]} for `{name}`, found {_kind(value)}"
            self._report("machine-wrong-type", text, at)
            return None
        elements = wanted if isinstance(wanted, tuple) else (wanted,)
        least, most = spec.lengths
        if isinstance(wanted, tuple) and not least <= len(wanted) <= most:
            text = f"`{name}` must have {least} to {most} elements, found {len(wanted)}"
            self._report("machine-out-of-range", text, at)
        for element in elements:
            if not spec.low <= element <= spec.high or not math.isfinite(element):
                text = f"`{name}` must be {spec.low:,} to {spec.high:,}, found {element:,}"
                self._report("machine-out-of-range", text, at)
                break
        return wanted

    # --- facts together ---

    def _require_all(self, facts: Mapping[str, Fact]) -> None:
        missing: dict[str, list[str]] = {}
        for full, spec in self.specs.items():
            table, name = full.rsplit(".", 1)
            if full not in facts and not spec.optional:
                missing.setdefault(table, []).append(name)
        for table, names in missing.items():
            message = f"table `[{table}]` has no {_listed(names)}"
            hint = 'state what is missing, or build on a machine with `base = "wse3"`'
            self._report("machine-missing-fact", message, tuple(table.split(".")), on_key=True, help=hint)

    def _check_together(self, facts: Mapping[str, Fact]) -> None:
        for side in ("width", "height"):
            inner, outer = facts[f"wafer.max_{side}"], facts[f"wafer.fabric_{side}"]
            if _number(inner) > _number(outer):
                self._clash(inner, f"is more than `{outer.name}` = {outer.value}", outer)
        for name in ("memory.banks", "memory.bank_conflict_modulus"):
            if int(_number(facts[name])).bit_count() != 1:
                self._clash(facts[name], "is not a power of two")
        colors = facts["fabric.colors"]
        for name in ("fabric.switch_colors", "host.memcpy_colors"):
            value = facts[name].value
            if isinstance(value, tuple) and any(color >= _number(colors) for color in value):
                why = f"has a color that is not below `fabric.colors` = {colors.value}"
                self._clash(facts[name], why, colors)

    def _clash(self, fact: Fact, why: str, other: Fact | None = None) -> None:
        paths = [(*f.name.split("."), "value") for f in (fact, other) if f is not None]
        path = next((path for path in paths if path in self.places), paths[0])
        self._report("machine-inconsistent", f"`{fact.name}` = {fact.value} {why}", path)

    # --- reporting ---

    def _unknown(
        self, id: str, message: str, path: tuple[str, ...], key: str, known: list[str] | tuple[str, ...]
    ) -> None:
        self._report(id, message, path, on_key=True, help=suggest(key, known))

    def _report(
        self, id: str, message: str, path: tuple[str, ...], *, on_key: bool = False, help: str | None = None
    ) -> None:
        self.diagnostics.append(Diagnostic(id, brief(message), self._span(path, on_key), help=help))
        if len(self.diagnostics) == MOST_DIAGNOSTICS:
            raise DiagnosticError(self.diagnostics)

    def _span(self, path: tuple[str, ...], on_key: bool) -> Span:
        """The value of `path`, or its key; where the file does not have it, of what encloses it."""
        while path and path not in self.places:
            path, on_key = path[:-1], True
        if not path:
            return Span(self.source, len(self.source.text), len(self.source.text))
        place: Place = self.places[path]
        return Span(self.source, *(place.key if on_key else place.value))


def _convert(value: object, spec: Spec) -> Value | None:
    """The value as the type that the schema asks for, or None when it is of another."""
    match spec.kind:
        case "integer":
            return value if _is_integer(value) else None
        case "number":
            if isinstance(value, float):
                return value
            return _to_float(value) if _is_integer(value) else None
        case "integers":
            items = cast(list[object], value) if isinstance(value, list) else [None]
            return tuple(cast(list[int], items)) if all(map(_is_integer, items)) else None


def _to_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: object) -> str:
    return _KINDS.get(type(value).__name__, "a date or time")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _number(fact: Fact) -> float:
    assert not isinstance(fact.value, tuple)
    return fact.value
