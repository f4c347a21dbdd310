"""Facts of a plan that the file of a system states: price, power."""

from __future__ import annotations

from openwafer.fleet.document._fact import FactStatus, PlanFact
from openwafer.machine import Fact
from openwafer.machine.systems import GpuSystem, System, WaferSystem


def system_facts(system: System) -> dict[str, PlanFact]:
    """`price`, `provision` and `idle` of a system, hosts included, with the sources of its file."""
    found = {
        "provision": _power(system, system.max_w, "max"),
        "idle": _power(system, _idle_w(system), "idle"),
    }
    price = _price(system)
    return found | ({"price": price} if price else {})


def _idle_w(system: System) -> float:
    return system.server.power_idle_w if isinstance(system, GpuSystem) else system.idle_w


def _power(system: System, watts: float, which: str) -> PlanFact:
    if isinstance(system, WaferSystem):
        names = (f"power.{which}_w", f"system.power_{which}_w")
        hosts = system.by_name["power.with_hosts"]
        fact = _fact(system, *names)
        source = f"{system.name}: {_source(fact)}; hosts: {hosts.source}"
        return _made(which, watts * system.power.with_hosts / 1e3, "kW", source, fact)
    fact = _fact(system, f"server.power_{which}_w")
    return _made(which, watts / 1e3, "kW", f"{system.name}: {_source(fact)}", fact)


def _price(system: System) -> PlanFact | None:
    fact = _fact(system, "price.system_usd", "system.price_usd")
    if fact is None or isinstance(fact.value, tuple):
        return None
    return _made("price", float(fact.value), "USD", f"{system.name}: {_source(fact)}", fact)


def _fact(system: System, *names: str) -> Fact | None:
    """The first of the names that the system's file states, else its wafer's."""
    facts = dict(system.by_name)
    if isinstance(system, WaferSystem):
        facts = dict(system.machine.by_name) | facts
    return next((facts[name] for name in names if name in facts), None)


def _source(fact: Fact | None) -> str:
    return fact.source if fact else "no source"


def _made(name: str, value: float, unit: str, source: str, fact: Fact | None) -> PlanFact:
    status: FactStatus = fact.status if fact else "assumed"
    return PlanFact(name, value, unit, source, status, fact.note if fact else "")
