"""Systems as the rest of the code sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from openwafer.machine._fact import Fact
from openwafer.machine._machine import Machine
from openwafer.machine.systems._schema import Chip, Format, Io, Link, Power, Price, Server, Wafers

TERA, PETA, GIGA = 1e12, 1e15, 1e9
Vendor: TypeAlias = Literal["nvidia", "amd"]


@dataclass(frozen=True, kw_only=True)
class GpuSystem:
    """A server of accelerators."""

    name: str
    chip: Chip
    link: Link
    server: Server
    price: Price
    by_name: Mapping[str, Fact] = field(repr=False)

    def peak_flop_per_s(self, form: Format) -> float | None:
        """Dense peak of one chip for a format; None when the chip has no such arithmetic."""
        by_format = {"fp8": self.chip.fp8_tflop_per_s, "fp4": self.chip.fp4_tflop_per_s}
        peak = by_format.get(form, self.chip.f16_tflop_per_s)
        return None if peak is None else peak * TERA

    @property
    def usd_per_hour(self) -> float | None:
        """Of a whole server."""
        return self.price.usd_per_hour

    @property
    def max_w(self) -> float:
        """IT power of the whole server at its highest."""
        return self.server.power_max_w

    @property
    def vendor(self) -> Vendor:
        """Who makes the chip: serving software differs between them."""
        is_amd = any(fact.source.startswith("AMD") for fact in self.by_name.values())
        return "amd" if is_amd else "nvidia"


@dataclass(frozen=True, kw_only=True)
class WaferSystem:
    """One or more wafers with their memory, links and power; `machine` says what a wafer is."""

    name: str
    machine: Machine
    wafers: Wafers
    io: Io
    power: Power
    price: Price
    by_name: Mapping[str, Fact] = field(repr=False)

    def peak_flop_per_s(self, form: Format) -> float | None:
        """Dense peak of one wafer; it computes in 16 bits, whatever weights are stored in."""
        if form in ("fp8", "fp4"):
            return None
        return (self.wafers.f16_pflop_per_s or self.machine.pe.peak_f16_dense_pflop_per_s) * PETA

    @property
    def clock_hz(self) -> float:
        return self.wafers.clock_hz or self.machine.clock_hz

    @property
    def usable_bytes(self) -> float:
        """Of one wafer, for weights and KV cache."""
        return (self.wafers.sram_gb or self.machine.wafer.sram_gb) * GIGA * self.wafers.usable_sram

    @property
    def io_bytes_per_s(self) -> float:
        """In and out of one wafer, each."""
        return (self.io.tb_per_s or self.machine.system.io_tb_per_s) * TERA / 8

    @property
    def wafer_to_wafer_s(self) -> float:
        given = self.io.wafer_to_wafer_us
        return (self.machine.system.wafer_to_wafer_us if given is None else given) * 1e-6

    @property
    def idle_w(self) -> float:
        return self.power.idle_w or self.machine.system.power_idle_w * self.wafers.per_system

    @property
    def busy_w(self) -> float:
        """Of a system that works, hosts not included."""
        return self.power.usual_w or self.machine.system.power_usual_w * self.wafers.per_system

    @property
    def usd_per_hour(self) -> float | None:
        return self.price.usd_per_hour or self.machine.system.price_usd_per_hour

    @property
    def max_w(self) -> float:
        """Of the system at its highest, hosts not included."""
        return self.power.max_w or self.machine.system.power_max_w * self.wafers.per_system


System: TypeAlias = GpuSystem | WaferSystem
