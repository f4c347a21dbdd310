"""A system with some of its facts changed: what sweeps vary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from openwafer.diag import error, suggest
from openwafer.machine._fact import Fact
from openwafer.machine._schema import TABLES as MACHINE_TABLES
from openwafer.machine._schema import Spec, specs
from openwafer.machine.systems._schema import TABLES, all_specs
from openwafer.machine.systems._system import GpuSystem, System, WaferSystem


def vary_system(system: System, values: Mapping[str, float]) -> System:
    """`system` with the facts of those dotted names; a wafer system also takes its wafer's facts.

    Diagnostics: machine-unknown-fact, machine-out-of-range, machine-wrong-type.
    """
    kind = "gpu" if isinstance(system, GpuSystem) else "wafer"
    own, machine = all_specs(kind), _machine_specs() if isinstance(system, WaferSystem) else {}
    facts: dict[str, Fact] = {}
    for name, value in values.items():
        spec = own.get(name) or machine.get(name)
        if spec is None:
            hint = suggest(name, [*own, *machine]) or f"it has {', '.join(own)}"
            raise error("machine-unknown-fact", f"`{system.name}` has no fact `{name}`", help=hint)
        facts[name] = Fact(name, _checked(name, value, spec), spec.unit or "1", "varied", "assumed")
    changed = {name: fact for name, fact in facts.items() if name in own}
    varied = dataclasses.replace(system, **_rebuilt(system, TABLES[kind], changed))
    if isinstance(varied, WaferSystem) and len(changed) < len(facts):
        rest = {name: fact for name, fact in facts.items() if name not in own}
        built = dataclasses.replace(varied.machine, **_rebuilt(varied.machine, MACHINE_TABLES, rest))
        varied = dataclasses.replace(varied, machine=built)
    return varied


def _machine_specs() -> dict[str, Spec]:
    """Those with one number."""
    found = {f"{t}.{name}": spec for t, cls in MACHINE_TABLES.items() for name, spec in specs(cls).items()}
    return {name: spec for name, spec in found.items() if spec.kind != "integers"}


def _rebuilt(old: Any, tables: Mapping[str, type[Any]], facts: Mapping[str, Fact]) -> dict[str, Any]:
    """The fields of `old` that the facts change."""
    fields: dict[str, Any] = {"by_name": MappingProxyType({**old.by_name, **facts})}
    for table in tables:
        own = {n.split(".", 1)[1]: f.value for n, f in facts.items() if n.split(".", 1)[0] == table}
        if own:
            fields[table] = dataclasses.replace(getattr(old, table), **own)
    return fields


def _checked(name: str, value: float, spec: Spec) -> float | int:
    if spec.kind == "integer" and value != int(value):
        raise error("machine-wrong-type", f"expected an integer for `{name}`, found {value:g}")
    if not spec.low <= value <= spec.high:
        text = f"`{name}` must be {spec.low:,} to {spec.high:,}, found {value:,}"
        raise error("machine-out-of-range", text)
    return int(value) if spec.kind == "integer" else float(value)
