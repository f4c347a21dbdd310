"""Filters: what of a stream of wavelets reaches the PE, and what goes on to its neighbour."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from engine_cases import Case, agree

from openwafer import tir
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim._engine import Launch
from openwafer.sim.reference._engine import ReferenceEngine
from openwafer.tir import ColorConfig, Filter, FilterKind
from tir_kit import RAMP, E, Kit, W, const, dsd_op, fabin, fabout, image, mem1d

COLOR, QUEUE, COUNT = 3, 2, 20
FILTERS = [
    Filter(FilterKind.RANGE, limit1=3, maximum=5),
    Filter(FilterKind.COUNTER, True, limit1=5, maximum=3),
    Filter(FilterKind.COUNTER, True, counter=4, limit1=5, maximum=1),
    Filter(FilterKind.COUNTER, False, counter=2, limit1=5, maximum=1),
    Filter(FilterKind.SPARSE_COUNTER, True, limit1=4, maximum=1),
    Filter(FilterKind.SPARSE_COUNTER, True, limit1=4, limit2=6, maximum=2),
    Filter(FilterKind.SPARSE_COUNTER, True, maximum=2, counter=3),
]


def kept(f: Filter) -> Iterator[int]:
    """The wavelets that pass, by the documented words: all are data, number i has index i."""
    counter, limits = f.counter, [limit for limit in (f.limit1, f.limit2) if limit is not None]
    is_on = f.kind != FilterKind.SPARSE_COUNTER or bool(limits)
    for i in range(COUNT):
        if f.kind == FilterKind.RANGE:
            passes = (f.limit1 or 0) <= i <= f.maximum
        else:
            passes = not is_on or counter <= f.maximum
        if passes:
            yield i
        if f.kind == FilterKind.RANGE or not f.count_data or not is_on:
            continue
        if counter != limits[0]:
            counter += 1
            continue
        counter = 0
        if f.kind == FilterKind.SPARSE_COUNTER:
            limits.pop(0)
            is_on = bool(limits)


def filtered(f: Filter) -> Image:
    """PE 0 sends words with index i; PE 1 takes what its filter lets pass, PE 2 everything."""
    sender = Kit()
    sender.queue("out", QUEUE, COLOR)
    words = [
        dsd_op("mov32", fabout(QUEUE, 1), tir.Scalar(const("u32", i << 16 | i + 1))) for i in range(COUNT)
    ]
    sender.function(words, export="go")
    takers: list[Kit] = []
    for _ in range(2):
        taker = Kit()
        taker.queue("in", QUEUE, COLOR)
        sink = taker.symbol("sink", 4 * COUNT)
        take = dsd_op("mov32", mem1d(sink, COUNT, 4), fabin(QUEUE, COUNT), is_async=True)
        taker.function([take], export="go")
        takers.append(taker)
    routes = {
        (0, 0): {COLOR: (RAMP, E)},
        (1, 0): {COLOR: ColorConfig(COLOR, ((W, RAMP | E),), filter=f)},
        (2, 0): {COLOR: (W, RAMP)},
    }
    return image([[kit.build() for kit in (sender, *takers)]], routes)


def received(engine: ReferenceEngine, x: int) -> list[int]:
    words = np.frombuffer(engine.read(x, 0, 0, 4 * COUNT), np.uint32)
    return [int(word >> 16) for word in words if word]


@pytest.mark.parametrize("f", FILTERS, ids=repr)
def test_a_filter_keeps_wavelets_from_its_pe_only(f: Filter) -> None:
    engine = ReferenceEngine(filtered(f), load_machine("wse3"))
    engine.submit(Launch("go"))
    engine.run()
    assert received(engine, 1) == list(kept(f))
    assert received(engine, 2) == list(range(COUNT))
    route = engine.snapshot().routers[1, 0].routes[COLOR]
    assert route.rejected == COUNT - len(list(kept(f)))


@pytest.mark.parametrize("f", FILTERS, ids=repr)
def test_engines_agree_on_filters(f: Filter) -> None:
    agree(Case(repr(f), lambda: filtered(f)))
