"""Output queues of WSE-2 that send several colors: the head decides which."""

from __future__ import annotations

import random

import numpy as np
import pytest
from engine_cases import Case, agree

from openwafer import tir
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim._engine import Launch
from openwafer.sim.reference._engine import ReferenceEngine
from tir_kit import RAMP, E, Kit, S, W, const, delay, dsd_op, fabin, fabout, image, mem1d

EAST, SOUTH, QUEUE, FROM_NORTH = 3, 5, 2, 4


def shared(seed: int) -> Image:
    """PE (0, 0) sends words east and south in random turns through one queue."""
    rng = random.Random(seed)
    turns = [rng.choice((EAST, SOUTH)) for _ in range(rng.randint(6, 20))]
    sender = Kit()
    sender.arch = "wse2"
    sender.queue("out", QUEUE, EAST)
    sender.queue("out", QUEUE, SOUTH)
    words = [
        dsd_op("mov32", fabout(QUEUE, 1, color=color), tir.Scalar(const("u32", i + 1)))
        for i, color in enumerate(turns)
    ]
    sender.function(words, export="go")
    takers: list[Kit] = []
    for color in (EAST, SOUTH):
        taker = Kit()
        taker.arch = "wse2"
        taker.queue("in", QUEUE, color)
        sink, n = taker.symbol("sink", 80), turns.count(color)
        take = dsd_op("mov32", mem1d(sink, n, 4), fabin(QUEUE, n), is_async=True)
        taker.function([delay(rng.randint(1, 200)), *([take] if n else [])], export="go")
        takers.append(taker)
    routes = {
        (0, 0): {EAST: (RAMP, E), SOUTH: (RAMP, S)},
        (1, 0): {EAST: (W, RAMP)},
        (0, 1): {SOUTH: (FROM_NORTH, RAMP)},
    }
    empty = Kit()
    empty.arch = "wse2"
    kits = [[sender, takers[0]], [takers[1], empty]]
    return image([[kit.build() for kit in row] for row in kits], routes)


def test_each_color_has_its_words_in_order() -> None:
    engine = ReferenceEngine(shared(1), load_machine("wse2"))
    engine.submit(Launch("go"))
    engine.run()
    east, south = (
        [int(w) for w in np.frombuffer(engine.read(x, y, 0, 80), np.uint32) if w] for x, y in ((1, 0), (0, 1))
    )
    assert east and south and sorted(east + south) == list(range(1, len(east) + len(south) + 1))
    assert east == sorted(east) and south == sorted(south)


@pytest.mark.parametrize("seed", range(12))
def test_engines_agree_on_shared_queues(seed: int) -> None:
    agree(Case(f"shared-{seed}", lambda: shared(seed)))
