"""Skipping the cycles in which nothing can happen changes nothing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from engine_cases import launch_for_a_while
from random_programs import random_streams

from openwafer.diag import DiagnosticError
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim.reference._engine import ReferenceEngine
from tir_kit import used_bytes

SLOT_FREED = 1573
"""A slot becomes free in the cycle in which another operation wants it."""


class EveryCycle(ReferenceEngine):
    """Steps every router and PE in every cycle."""

    _begin = 0

    def _run_cycle(self, cycle: int) -> None:
        for now in range(self._begin, cycle + 1):
            for item in (*self._routers.values(), *self._pes.values()):
                if item.step(now, self._schedule):
                    self.now = now + 1
            self._host.advance(now + 1)
        self._begin = cycle + 1
        self._heap = sorted(entry for entry in self._heap if entry[0] > cycle)
        self._scheduled = set(self._heap)


def end_of(engine: ReferenceEngine, image: Image) -> list[object]:
    """The last cycle, the counters and all memories after a launch of `go`."""
    with suppress(DiagnosticError):
        launch_for_a_while(engine)
    layout = image.layout
    places = [(x, y) for y in range(layout.height) for x in range(layout.width)]
    programs = [layout.programs[layout.program_of[y, x]] for x, y in places]
    memories = [engine.read(*place, 0, used_bytes(p)) for place, p in zip(places, programs, strict=True)]
    return [engine.now, engine.stats(), *memories]


@pytest.mark.parametrize("seed", [*range(40), SLOT_FREED])
def test_skipping_changes_nothing(seed: int) -> None:
    image = random_streams(seed, dsr_share=0 if seed == SLOT_FREED else 0.4)
    machine = load_machine(image.machine)
    assert end_of(ReferenceEngine(image, machine), image) == end_of(EveryCycle(image, machine), image)
