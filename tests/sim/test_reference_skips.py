"""Skipping the cycles in which nothing can happen changes nothing."""

from __future__ import annotations

import pytest
from random_programs import random_streams

from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim._engine import Launch
from openwafer.sim._reference import ReferenceEngine
from tir_kit import used_bytes


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
    engine.submit(Launch("go"))
    engine.run()
    layout = image.layout
    places = [(x, y) for y in range(layout.height) for x in range(layout.width)]
    programs = [layout.programs[layout.program_of[y, x]] for x, y in places]
    memories = [engine.read(*place, 0, used_bytes(p)) for place, p in zip(places, programs, strict=True)]
    return [engine.now, engine.stats(), *memories]


@pytest.mark.parametrize("seed", [*range(40), 1573])
def test_skipping_changes_nothing(seed: int) -> None:
    image = random_streams(seed)
    machine = load_machine(image.machine)
    assert end_of(ReferenceEngine(image, machine), image) == end_of(EveryCycle(image, machine), image)
