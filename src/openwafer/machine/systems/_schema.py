"""What a system file says: one dataclass a table, one field a fact, with its unit and its range."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from openwafer.machine._schema import Spec, specs

Kind: TypeAlias = Literal["gpu", "wafer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Format: TypeAlias = Literal["f16", "fp8", "fp4", "w8a16", "w4a16"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""What weights are stored in and computed with; `w8a16` and `w4a16` store small and compute in 16 bits."""


def _number(unit: str, low: float, high: float, *, optional: bool = False) -> Any:
    spec = Spec("number", unit, low, high, optional=optional)
    if optional:
        return dataclasses.field(default=None, metadata={"spec": spec})
    return dataclasses.field(metadata={"spec": spec})


def _count(unit: str, high: int) -> Any:
    return dataclasses.field(metadata={"spec": Spec("integer", unit, 1, high)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One accelerator; peaks are dense."""

    memory_gb: float = _number("GB", 1e-3, 1e6)
    memory_tb_per_s: float = _number("TB/s", 1e-6, 1e6)
    f16_tflop_per_s: float = _number("TFLOP/s", 1e-3, 1e9)
    fp8_tflop_per_s: float | None = _number("TFLOP/s", 1e-3, 1e9, optional=True)
    fp4_tflop_per_s: float | None = _number("TFLOP/s", 1e-3, 1e9, optional=True)
    power_idle_w: float = _number("W", 0, 1e6)
    power_max_w: float = _number("W", 1e-3, 1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Between chips, a chip and direction: inside a domain of `chips` chips, and out of it."""

    chips: int = _count("chips", 1 << 20)
    gb_per_s: float = _number("GB/s", 1e-3, 1e6)
    scale_out_gb_per_s: float = _number("GB/s", 1e-3, 1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The unit that is bought; power is IT power at the wall, without the building."""

    chips: int = _count("chips", 1 << 20)
    power_idle_w: float = _number("W", 0, 1e8)
    power_max_w: float = _number("W", 1e-3, 1e8)
    facility_w_per_chip: float | None = _number("W", 1e-3, 1e6, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of a system."""

    system_usd: float | None = _number("USD", 0, 1e12, optional=True)
    usd_per_hour: float | None = _number("USD/h", 0, 1e9, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wafers:
    """Wafers of a system; what is not stated is as the wafer's machine file says."""

    per_system: int = _count("wafers", 1 << 16)
    usable_sram: float = _number("1", 0.01, 1)
    clock_hz: float | None = _number("Hz", 1e3, 1e12, optional=True)
    fma_per_cycle: float = _number("1/cycle", 1e-3, 1024)
    sram_gb: float | None = _number("GB", 1e-6, 1e6, optional=True)
    f16_pflop_per_s: float | None = _number("PFLOP/s", 1e-6, 1e6, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Io:
    """In and out of one wafer."""

    tb_per_s: float | None = _number("Tb/s", 1e-6, 1e6, optional=True)
    wafer_to_wafer_us: float | None = _number("us", 0, 1e6, optional=True)
    user_us: float = _number("us", 0, 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Of a wafer system; `with_hosts` is what the hosts and the network add, as a factor."""

    idle_w: float | None = _number("W", 0, 1e8, optional=True)
    usual_w: float | None = _number("W", 1e-3, 1e8, optional=True)
    max_w: float | None = _number("W", 1e-3, 1e8, optional=True)
    with_hosts: float = _number("1", 1, 10)


TABLES: dict[Kind, dict[str, type[Any]]] = {
    "gpu": {"chip": Chip, "link": Link, "server": Server, "price": Price},
    "wafer": {"wafers": Wafers, "io": Io, "power": Power, "price": Price},
}


def all_specs(kind: Kind) -> dict[str, Spec]:
    """Every fact of a kind of system by dotted name."""
    return {f"{t}.{name}": spec for t, cls in TABLES[kind].items() for name, spec in specs(cls).items()}
