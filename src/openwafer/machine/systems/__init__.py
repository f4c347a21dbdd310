"""Systems as data: servers of GPUs and of wafers, every number with unit, source and status."""

from openwafer.machine.systems._load import load_system, published_rows, rows_of
from openwafer.machine.systems._names import ALIASES, SYSTEMS
from openwafer.machine.systems._schema import FORMATS, Chip, Format, Io, Link, Power, Price, Server, Wafers
from openwafer.machine.systems._system import GpuSystem, System, Vendor, WaferSystem
from openwafer.machine.systems._vary import vary_system

__all__ = [
    "ALIASES",
    "FORMATS",
    "SYSTEMS",
    "Chip",
    "Format",
    "GpuSystem",
    "Io",
    "Link",
    "Power",
    "Price",
    "Server",
    "System",
    "Vendor",
    "WaferSystem",
    "Wafers",
    "load_system",
    "published_rows",
    "rows_of",
    "vary_system",
]
