"""Cycles in closed form: the formula stands in each test, the numbers come from the machine files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cycle_programs import ALONG, CHAIN, NEIGHBORS, ON_MEMORY, RELAY, SCALAR_LOOP, STREAM, program

from csl_kit import Sources, engines, stamps
from openwafer.machine import load_machine

ARCHS = ("wse2", "wse3")


def measured(
    tmp_path: Path, sources: Sources, arch: str, count: int, width: int = 1, **params: int
) -> np.ndarray:
    """Time stamps `[x, stamp]`, the same from both engines."""
    image = sources.compile(tmp_path, arch, **{"width": width, "n": 1, "far": 0, **params})
    found = [stamps(engine, width, 1, count)[0] for engine in engines(image)]
    assert np.array_equal(found[0], found[1])
    return found[0]


@pytest.mark.parametrize("arch", ARCHS)
def test_hop(tmp_path: Path, arch: str) -> None:
    """Every hop costs hop_cycles: T(d) − T(1) = (d − 1) · hop."""
    sources = program(STREAM, ALONG, ("line", "line"))
    spans: dict[int, int] = {}
    for far in (1, 2, 5, 9):
        times = measured(tmp_path, sources, arch, 2, width=10, n=1, far=far)
        spans[far] = times[far, 1] - times[0, 0]
    hop = load_machine(arch).fabric.hop_cycles
    assert hop == {"wse2": 1, "wse3": 2}[arch]
    assert {d: t - spans[1] for d, t in spans.items()} == {d: (d - 1) * hop for d in spans}


@pytest.mark.parametrize("arch", ARCHS)
def test_stream_rate(tmp_path: Path, arch: str) -> None:
    """A stream moves one wavelet a cycle: T(n) − T(1) = n − 1."""
    sources = program(STREAM, ALONG, ("line", "line"))
    spans: dict[int, int] = {}
    for n in (1, 8, 40):
        times = measured(tmp_path, sources, arch, 2, width=3, n=n, far=2)
        spans[n] = times[2, 1] - times[0, 0]
    assert {n: t - spans[1] for n, t in spans.items()} == {n: n - 1 for n in spans}


FMULS = {
    # second source (address, stride) → beats for n elements on wse2 (SIMD width 2)
    "no conflict": ("&b[1]", "", lambda n: n // 2),
    "conflict": ("&b", "", lambda n: n),
    "one element a cycle, conflict": ("&b", ", .stride = 8", lambda n: 2 * n),
    "one element a cycle": ("&b[1]", ", .stride = 8", lambda n: n),
}


@pytest.mark.parametrize("case", FMULS)
def test_fmuls_on_wse2(tmp_path: Path, case: str) -> None:
    """`@fmuls` of n f32: n/2 + 6, n + 6 or 2n + 6 by alignment and stride (published for n = 5124: 5130,
    10254)."""
    b, stride, beats = FMULS[case]
    body = ON_MEMORY.replace("%B%", b).replace("%STRIDE%", stride)
    if stride:
        body = body.replace("var b: [n + 4]f32", "var b: [8 * n + 4]f32")
    for n in (16, 512):
        times = measured(tmp_path, program(body), "wse2", 3, n=n)[0]
        assert (times[2] - times[1]) - (times[1] - times[0]) == beats(n) + 6


@pytest.mark.parametrize("arch", ARCHS)
def test_scalar_loop(tmp_path: Path, arch: str) -> None:
    """`y[i] += a * x[i]` in f32 takes 22 cycles an element, and 12 where the loop is unrolled."""
    sources = program(SCALAR_LOOP)
    most = load_machine(arch).scalar.unrolled_trips
    spans = {n: np.diff(measured(tmp_path, sources, arch, 2, n=n)[0])[0] for n in (1, most, most + 1, 50)}
    wanted = {n: (12 if n <= most else 22) * n - 12 for n in spans}
    assert {n: t - spans[1] for n, t in spans.items()} == wanted


def test_eight_words_over_one_hop_on_wse3() -> None:
    """Dispatch to first wavelet 7, then 7 more wavelets, 2 for the hop, 3 to the completion task: 19
    (FAB)."""
    m = load_machine("wse3")
    first = m.dsd.fabric_setup_cycles + 1 + m.fabric.ramp_up_cycles
    last_to_task = m.fabric.ramp_down_cycles + 1 + m.dsd.completion_cycles + m.task.dispatch_cycles
    assert (first, m.fabric.hop_cycles, last_to_task) == (7, 2, 3)
    assert first + 7 + m.fabric.hop_cycles + last_to_task == 19


def test_eight_words_measured(tmp_path: Path) -> None:
    """The same by time stamps: 19, plus issuing the operation and reading the two time stamps."""
    m = load_machine("wse3")
    times = measured(tmp_path, program(STREAM, ALONG, ("line", "line")), "wse3", 2, width=2, n=8, far=1)
    stamp = np.diff(
        measured(tmp_path, program(ON_MEMORY.replace("%B%", "&b").replace("%STRIDE%", "")), "wse3", 3)[0]
    )
    assert times[1, 1] - times[0, 0] == 19 + m.dsd.issue_cycles + stamp[0]


def test_chain_reduction_on_wse2(tmp_path: Path) -> None:
    """A chain of P PEs adding B elements: B + 6 (P − 1) + c, with c the same for all P and B."""
    sources = program(CHAIN, NEIGHBORS)
    constants: set[int] = set()
    for width in (2, 3, 8, 16):
        for n in (1, 7, 64):
            times = measured(tmp_path, sources, "wse2", 2, width=width, n=n)
            constants.add(int(times[width - 1, 1] - times[0, 0]) - n - 6 * (width - 1))
    assert len(constants) == 1


def test_relay_on_wse3(tmp_path: Path) -> None:
    """N store-and-forward relays of B wavelets: B + 16.1 each (FAB); ours within half a cycle."""
    sources = program(RELAY, NEIGHBORS)
    for n in (8, 32):
        spans = [
            measured(tmp_path, sources, "wse3", 2, width=width, n=n)[width - 1, 1] for width in (3, 4, 7)
        ]
        per_relay = {(spans[1] - spans[0]), (spans[2] - spans[1]) / 3}
        assert len(per_relay) == 1
        assert per_relay.pop() == pytest.approx(1.001 * n + 16.1, abs=0.5)
