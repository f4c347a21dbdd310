"""Ten streams at once, of random length, way and timing: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from engine_cases import Case, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from test_threads import Always

from openwafer import tir
from openwafer.image import Image
from openwafer.sim._engine import Engine
from openwafer.sim.fast import _engine, _load
from openwafer.sim.fast._engine import FastEngine
from openwafer.sim.reference._engine import ReferenceEngine
from tir_kit import RAMP, E, Kit, N, S, W, delay, dsd_op, fabin, fabout, image, mem1d

WIDTH, HEIGHT, STREAMS = 3, 4, 10
PLACES = [(x, y) for y in range(HEIGHT) for x in range(WIDTH)]
OUT_QUEUES, IN_QUEUES = (2, 3, 4), (5, 6, 7)
THREADS = (1, 2, 3)
Place = tuple[int, int]


@dataclass(frozen=True)
class Stream:
    """`length` wavelets from one PE to another (or itself), the second part of each side after a pause."""

    source: Place
    target: Place
    is_column_first: bool
    length: int
    sent_first: int
    received_first: int
    pauses: tuple[int, int, int, int]

    def way(self) -> Iterator[Place]:
        """The PEs from source to target, both included."""
        (x, y), (to_x, to_y) = self.source, self.target
        yield x, y
        while (x, y) != self.target:
            if x != to_x and not (self.is_column_first and y != to_y):
                x += 1 if to_x > x else -1
            else:
                y += 1 if to_y > y else -1
            yield x, y


@st.composite
def streams(draw: st.DrawFn) -> tuple[Stream, ...]:
    """At most three come to, and three leave, a PE: it has so many queues."""
    sources, targets = (draw(st.permutations(PLACES * 3))[:STREAMS] for _ in range(2))
    made: list[Stream] = []
    for source, target in zip(sources, targets, strict=True):
        length = draw(st.integers(1, 40))
        cuts = draw(st.integers(1, length)), draw(st.integers(1, length))
        pauses = tuple(draw(st.integers(1, 90)) for _ in range(4))
        made.append(Stream(source, target, draw(st.booleans()), length, *cuts, pauses))  # pyright: ignore[reportArgumentType]
    return tuple(made)


def port(place: Place, other: Place) -> int:
    """The port of a PE at which its neighbour lies."""
    steps = {(-1, 0): W, (1, 0): E, (0, -1): N, (0, 1): S}
    return steps[other[0] - place[0], other[1] - place[1]]


def routes(plan: tuple[Stream, ...]) -> dict[Place, dict[int, tuple[int, int]]]:
    """Stream k has color k."""
    found: dict[Place, dict[int, tuple[int, int]]] = {place: {} for place in PLACES}
    for color, stream in enumerate(plan):
        way = list(stream.way())
        for i, place in enumerate(way):
            rx = port(place, way[i - 1]) if i else RAMP
            found[place][color] = rx, port(place, way[i + 1]) if i + 1 < len(way) else RAMP
    return found


def words(color: int, length: int) -> np.ndarray[Any, Any]:
    return (np.arange(length, dtype=np.uint32) + 1) << 8 | color


def side(kit: Kit, color: int, stream: Stream, queue: int, is_source: bool) -> None:
    """One end of a stream: two operations, each after a pause."""
    data = words(color, stream.length)
    held = kit.array("sent", data) if is_source else kit.symbol(f"got{color}", 4 * stream.length)
    first = stream.sent_first if is_source else stream.received_first
    pauses = stream.pauses[:2] if is_source else stream.pauses[2:]
    fabric = fabout if is_source else fabin
    kit.queue("out" if is_source else "in", queue, color)
    task = 8 + 2 * queue
    for i, (start, count) in enumerate(((0, first), (first, stream.length - first))):
        if count:
            memory = mem1d(tir.Addr(held.symbol, 4 * start), count, 4)
            operands = (fabric(queue, count), memory) if is_source else (memory, fabric(queue, count))
            then = task + 1 if i == 0 and first < stream.length else None
            operation = dsd_op("mov32", *operands, is_async=True, ut=queue, activate=then)
            kit.task(task + i, [delay(pauses[i]), operation])
    kit.activated.append(task)


def programs(arch: str, plan: tuple[Stream, ...]) -> Image:
    kits = {place: Kit(arch) for place in PLACES}
    used: Counter[tuple[Place, bool]] = Counter()
    for color, stream in enumerate(plan):
        for place, is_source in ((stream.source, True), (stream.target, False)):
            queues = OUT_QUEUES if is_source else IN_QUEUES
            side(kits[place], color, stream, queues[used[place, is_source]], is_source)
            used[place, is_source] += 1
    rows = [[kits[x, y].build() for x in range(WIDTH)] for y in range(HEIGHT)]
    return image(rows, routes(plan))


def to_the_end(engine: Engine) -> list[Any]:
    """Runs until nothing happens any more; then no queue holds anything."""
    engine.run()
    state = engine.snapshot()  # type: ignore[attr-defined]
    assert not state.occupied
    for pe in state.pes.values():
        assert not pe.operations
        assert not any(queue.count for queues in (pe.inputs, pe.outputs) for queue in queues.values())
    return [engine.now, engine.stats().dsd_elements, engine.stats().wavelet_hops]


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
@settings(max_examples=12)
@given(plan=streams())
def test_nothing_is_lost_or_doubled_and_order_is_kept(arch: str, plan: tuple[Stream, ...]) -> None:
    made = programs(arch, plan)
    case = Case("streams", lambda: made, to_the_end)
    expected = outcome(ReferenceEngine, case)
    assert not expected.error
    for color, stream in enumerate(plan):
        program = made.layout.programs[int(made.layout.program_of[stream.target[::-1]])]
        (sink,) = (s for s in program.symbols if s.name == f"got{color}")
        got = expected.memory[stream.target][sink.address : sink.address + sink.size]
        assert got == words(color, stream.length).tobytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_load, "PART_ROWS", 1)
        patch.setattr(_load, "WIDE_ITEMS", 1)
        patch.setattr(_engine, "Pace", Always)
        for threads in THREADS:
            assert outcome(partial(FastEngine, threads=threads), case) == expected
