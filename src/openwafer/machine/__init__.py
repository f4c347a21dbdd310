"""The machine as data: a TOML file in which every number has a unit, a source and a status."""

from openwafer.machine._document import from_document, to_document
from openwafer.machine._fact import STATUSES, Fact, Status, Value
from openwafer.machine._load import load_machine
from openwafer.machine._machine import Machine
from openwafer.machine._schema import (
    BUILT_IN,
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
from openwafer.machine._toml_places import Place, places

__all__ = [
    "BUILT_IN",
    "STATUSES",
    "Arch",
    "Dsd",
    "Energy",
    "Fabric",
    "Fact",
    "Host",
    "Machine",
    "Memory",
    "Pe",
    "Place",
    "Queues",
    "Scalar",
    "Status",
    "System",
    "Task",
    "Value",
    "Wafer",
    "from_document",
    "load_machine",
    "places",
    "to_document",
]
