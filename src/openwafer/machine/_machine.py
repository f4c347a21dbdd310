"""The machine as the rest of the code sees it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from openwafer.machine._fact import Fact
from openwafer.machine._schema import (
    Arch,
    Dsd,
    Energy,
    Fabric,
    Host,
    Memory,
    Pe,
    Queues,
    Scalar,
    System,
    Task,
    Wafer,
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Typed values by table; `fact(name)` tells the unit, source and status of each.

    `origin` is what it was loaded from: the name of a built-in machine, or the path of a file as given."""

    name: str
    arch: Arch
    wafer: Wafer
    pe: Pe
    memory: Memory
    fabric: Fabric
    queues: Queues
    dsd: Dsd
    scalar: Scalar
    task: Task
    host: Host
    system: System
    energy: Energy
    by_name: Mapping[str, Fact] = field(repr=False)
    origin: str = field(default="", compare=False)

    @property
    def clock_hz(self) -> float:
        return self.wafer.clock_hz

    def facts(self) -> Iterator[Fact]:
        """Every fact, `published.*` included, in the order of the files."""
        return iter(self.by_name.values())

    def fact(self, name: str) -> Fact:
        """The fact of a dotted name; KeyError when there is none."""
        return self.by_name[name]

    def assumed(self) -> tuple[Fact, ...]:
        """The facts that are neither published nor derived from what is."""
        return tuple(fact for fact in self.facts() if fact.status == "assumed")

    def __hash__(self) -> int:
        return hash((self.name, self.arch))

    def hash(self) -> str:
        """A digest of the architecture and of all values; the same in every process and on every host."""
        values = {fact.name: fact.value for fact in self.facts()}
        text = json.dumps([self.arch, values], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
