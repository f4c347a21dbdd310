"""Checks a system file against the schema of its kind; all the rest is as for machine files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openwafer.diag import Source, suggest
from openwafer.machine._check import Checker
from openwafer.machine._fact import Fact
from openwafer.machine._schema import BUILT_IN
from openwafer.machine.systems._names import SYSTEMS
from openwafer.machine.systems._schema import KINDS, TABLES, Kind, all_specs

_TOP_KEYS = ("name", "kind", "base", "wafer")


class SystemChecker(Checker):
    """Diagnostics: those of `Checker`, system-bad-kind, system-unknown-base, system-bad-wafer."""

    def __init__(self, source: Source, document: Mapping[str, Any]) -> None:
        super().__init__(source, document)
        self.kind: Kind = "gpu"

    def base(self) -> str | None:
        name = self._text("base")
        if name is None or name in SYSTEMS:
            return name
        hint = suggest(name, SYSTEMS) or f"one of {', '.join(SYSTEMS)}"
        self._report("system-unknown-base", f"no system `{name}` to build on", ("base",), help=hint)
        return None

    def set_kind(self, inherited: Kind | None) -> None:
        """Takes `kind` from the file or its base; decides which facts there are."""
        given = self._text("kind") or inherited
        kind: Kind | None = next((k for k in KINDS if k == given), None)
        if kind is None:
            message = f"no kind of system `{given}`" if given else "no `kind`, and no `base` to take it from"
            self._report("system-bad-kind", message, ("kind",), help=f"one of {', '.join(KINDS)}")
        elif inherited and kind != inherited:
            message = f"a {kind} system cannot build on a {inherited} system"
            self._report("system-bad-kind", message, ("kind",))
        self.kind = kind if kind is not None else "gpu"
        self.specs = all_specs(self.kind)

    def wafer(self, inherited: str | None) -> str | None:
        """The machine file of the wafers."""
        name = self._text("wafer") or inherited
        if self.kind == "wafer" and name is None:
            text = "a wafer system names its wafer"
            self._report("system-bad-wafer", text, (), help='add `wafer = "wse3"`')
        if name in BUILT_IN or name is None or name.endswith(".toml"):
            return name
        hint = suggest(name, BUILT_IN) or f"one of {', '.join(BUILT_IN)}, or a machine file"
        self._report("system-bad-wafer", f"no wafer `{name}`", ("wafer",), help=hint)
        return None

    def _given(self) -> dict[str, Fact]:
        found: dict[str, Fact] = {}
        for key, value in self.document.items():
            if key in _TOP_KEYS:
                continue
            if key not in (tables := TABLES[self.kind]):
                known = [*tables, *_TOP_KEYS]
                text = f"unknown table `{key}` of a {self.kind} system"
                self._unknown("machine-unknown-table", text, (key,), key, known)
            elif self._is_table(value, (key,)):
                self._table((key,), value, found)
        return found

    def _check_together(self, facts: Mapping[str, Fact]) -> None:
        for low, high in (
            ("chip.power_idle_w", "chip.power_max_w"),
            ("server.power_idle_w", "server.power_max_w"),
            ("power.idle_w", "power.max_w"),
        ):
            if low in facts and high in facts:
                self._check_order(facts[low], facts[high])

    def _check_order(self, low: Fact, high: Fact) -> None:
        if isinstance(low.value, tuple) or isinstance(high.value, tuple) or low.value <= high.value:
            return
        self._clash(low, f"is more than `{high.name}` = {high.value}", high)
