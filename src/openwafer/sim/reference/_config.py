"""Configuration registers of a PE, by word address: what they are is in `docs/semantics.md`, “Registers”."""

from __future__ import annotations

from openwafer.machine import Machine
from openwafer.sim.reference._dsd import Fault
from openwafer.sim.reference._fabric import Router

PENDING_WORDS, TIMESTAMP_WORDS, PERF_WORDS, WORD_BITS, WORD = 2, 3, 1, 16, 0xFFFF


class Registers:
    """`pending` has a bit for each color that went into teardown mode since it was read; the counter of the
    time stamp was 0 in cycle `tsc_base`; `perf` is the performance counter control."""

    def __init__(self, router: Router, machine: Machine) -> None:
        self.router, self.fabric, self.pending = router, machine.fabric, 0
        self.tsc_base = self.perf = 0

    def read(self, address: int, now: int) -> int:
        fabric = self.fabric
        if (word := _word_of(address, fabric.timestamp_address, TIMESTAMP_WORDS)) >= 0:
            return now - self.tsc_base >> WORD_BITS * word & WORD
        if _word_of(address, fabric.perf_counter_control_address, PERF_WORDS) >= 0:
            return self.perf
        word = _word_of(address, fabric.teardown_pending_address, PENDING_WORDS)
        if word >= 0:
            found = self.pending >> WORD_BITS * word & WORD
            self.pending &= ~(WORD << WORD_BITS * word)
            return found
        name, color = self._of_color(address)
        return int(getattr(self.router.routes[color], name)())

    def write(self, address: int, value: int, now: int) -> None:
        fabric = self.fabric
        if (word := _word_of(address, fabric.timestamp_address, TIMESTAMP_WORDS)) >= 0:
            shift = WORD_BITS * word
            self.tsc_base = now - (now - self.tsc_base & ~(WORD << shift) | value << shift)
            return
        if _word_of(address, fabric.perf_counter_control_address, PERF_WORDS) >= 0:
            self.perf = value
            return
        name, color = self._of_color(address)
        getattr(self.router.routes[color], f"set_{name}")(value)

    def _of_color(self, address: int) -> tuple[str, int]:
        """Which register of which color lies at an address."""
        fabric = self.fabric
        blocks = (
            ("color_word", fabric.color_config_address),
            ("switch_word", fabric.switch_config_address),
            ("second_switch_word", fabric.second_switch_config_address),
        )
        for name, first in blocks:
            if first is not None and address - first in self.router.routes:
                return name, address - first
        raise Fault("no-such-register", f"no configuration register at word address {address:#x}")


def _word_of(address: int, first: int | None, words: int) -> int:
    """Which of so many words from `first` on lies at an address, -1 for none."""
    return address - first if first is not None and 0 <= address - first < words else -1
