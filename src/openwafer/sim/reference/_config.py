"""Configuration registers of a PE, by word address: what they are is in `docs/semantics.md`, “Registers”."""

from __future__ import annotations

from openwafer.machine import Machine
from openwafer.sim.reference._dsd import Fault
from openwafer.sim.reference._fabric import Router

PENDING_WORDS, WORD_BITS, WORD = 2, 16, 0xFFFF


class Registers:
    """`pending` has a bit for each color that went into teardown mode since it was read."""

    def __init__(self, router: Router, machine: Machine) -> None:
        self.router, self.fabric, self.pending = router, machine.fabric, 0

    def read(self, address: int) -> int:
        word = self._pending_word(address)
        if word >= 0:
            found = self.pending >> WORD_BITS * word & WORD
            self.pending &= ~(WORD << WORD_BITS * word)
            return found
        name, color = self._of_color(address)
        return int(getattr(self.router.routes[color], name)())

    def write(self, address: int, value: int) -> None:
        name, color = self._of_color(address)
        getattr(self.router.routes[color], f"set_{name}")(value)

    def _pending_word(self, address: int) -> int:
        """Which of the words of `pending` lies at an address, -1 for none."""
        first = self.fabric.teardown_pending_address
        return address - first if first is not None and 0 <= address - first < PENDING_WORDS else -1

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
