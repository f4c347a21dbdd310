"""Random wafers on both engines: results, memories, cycles, counters, lines, profiles, what is told of hangs.

The fast engine runs with one thread, and with two that share every cycle.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.append(str(Path(__file__).parents[1] / "sim"))

from engine_cases import Case, Outcome, differences, outcome
from random_programs import random_scalars, random_streams, random_vectors
from random_wafers import random_wafer

from openwafer.codegen import _cache
from openwafer.image import Image
from openwafer.sim.fast import _engine, _load
from openwafer.sim.fast._engine import FastEngine
from openwafer.sim.fast._pace import Pace
from openwafer.sim.reference._engine import ReferenceEngine

LIMIT_S = 20
OLDER = (random_scalars, random_vectors, random_streams)
"""Every tenth seed draws from one of the narrower generators."""


class Always(Pace):
    """Calls helpers in every round."""

    def calls_helpers(self, items: int, wide_items: int) -> bool:
        return True


def check(seed: int) -> str | None:
    """None if both engines say the same of the program of a seed."""
    case, kept = case_of(seed), seed % 4 > 0
    with _kept_in_memory():
        expected = outcome(ReferenceEngine, case, profile=True)
        alone = outcome(FastEngine, case, profile=True)
        with _shared_cycles():
            together = outcome(partial(FastEngine, threads=2), case, profile=kept)
    for name, found in (("fast", alone), ("fast, 2 threads", together)):
        if wrong := differences(expected, found):
            return f"programs {seed}, {name}: {wrong}"
    return None


def case_of(seed: int) -> Case:
    if seed % 10:
        return random_wafer(seed)
    number, drawn = divmod(seed // 10, len(OLDER))
    return Case(f"program-{seed}", partial(_older, drawn, number))


def _older(drawn: int, number: int) -> Image:
    return OLDER[drawn](number)


@contextmanager
def _shared_cycles() -> Iterator[None]:
    """Parts of a single row, served together even when there is one item."""
    with (
        patch.object(_load, "PART_ROWS", 1),
        patch.object(_load, "WIDE_ITEMS", 1),
        patch.object(_engine, "Pace", Always),
    ):
        yield


@contextmanager
def _kept_in_memory() -> Iterator[None]:
    """Machine code of programs that are run once does not go to the user's cache."""
    objects: dict[str, Any] = {}
    with (
        patch.object(_cache, "read", lambda key, _: objects.get(key)),
        patch.object(_cache, "write", objects.__setitem__),
    ):
        yield


__all__ = ["LIMIT_S", "Outcome", "check"]
