"""Streams between the host and PEs: order, back-pressure, the bandwidth of the link, errors."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import numpy as np
import pytest
from engine_cases import Case, Script, agree, outcome

from openwafer import tir
from openwafer.diag import DiagnosticError
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim._engine import CopyOut, Engine, Launch, StreamIn, StreamOut
from openwafer.sim.reference._engine import ReferenceEngine
from tir_kit import RAMP, Kit, W, delay, dsd_op, fabin, fabout, image, local, mem1d, record, u16

IN, OUT = 4, 5
MACHINE = load_machine("wse3")
DEPTH = MACHINE.fabric.router_queue_depth
QUEUES = MACHINE.queues.input_depth[2], MACHINE.queues.output_depth[2]


def host_kit(arch: str = "wse3") -> Kit:
    """A PE with a stream from the host (queue 2) and one to it (queue 2)."""
    kit = Kit(arch)
    kit.queue("in", 2, IN)
    kit.queue("out", 2, OUT)
    kit.host_in, kit.host_out = [IN], [OUT]
    return kit


def words(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 1 << 32, shape, np.uint32)


def echo_image(width: int, height: int, wait: int) -> Image:
    """`go(n)`: n wavelets in, to memory; after some time, each plus 1 out."""
    kit = host_kit()
    data, count = kit.symbol("data", 256), kit.symbol("count", 2)
    take = tir.Dsd(tir.DsdWith(fabin(2, 0), tir.DsdWord.EXTENT0, local("u16", 0)))
    give = tir.Dsd(tir.DsdWith(fabout(2, 0), tir.DsdWord.EXTENT0, tir.Load("u16", count)))
    source = tir.Dsd(tir.DsdWith(mem1d(data, 0, 4), tir.DsdWord.EXTENT0, tir.Load("u16", count)))
    kit.function(
        [
            tir.Store(count, local("u16", 0)),
            delay(wait),
            dsd_op("mov32", mem1d(data, 0, 4), take, is_async=True, activate=9),
        ],
        ["u16"],
        params=1,
        export="go",
    )
    step = record(tir.DsdKind.MEM1D, base=data, stride0=4)
    low = tir.Dsd(tir.DsdWith(step, tir.DsdWord.EXTENT0, tir.Load("u16", count)))
    kit.task(
        9,
        [
            dsd_op("xor16", low, low, tir.Scalar(u16(1))),
            dsd_op("mov32", give, source, is_async=True, activate=10),
        ],
    )
    kit.task(10, [delay(7), tir.UnblockCommands(0)])
    return image([[kit.build()] * width for _ in range(height)])


def rounds(seed: int, n: int, is_queued: bool) -> Script:
    """n streams of random length in, and back out; either all submitted first, or one by one."""

    def script(engine: Engine) -> list[Any]:
        rng = random.Random(seed)
        seen: list[Any] = []
        ticket = -1
        pairs: list[tuple[Any, Any]] = []
        for i in range(n):
            length, channels = rng.randint(1, 30), rng.randint(1, 4)
            sent = words(2, 3, length, seed=1000 * seed + i)
            shared = rng.choice(["", "row", "column"])
            sent = {"": sent, "row": sent[:, :1], "column": sent[:1]}[shared]
            sent = np.ascontiguousarray(np.broadcast_to(sent, (2, 3, length)))
            got = np.zeros((2, 3, length), np.uint32)
            engine.submit(Launch("go", (length,)))
            engine.submit(StreamIn(IN, 0, 0, sent, channels, shared))  # pyright: ignore[reportArgumentType]
            ticket = engine.submit(StreamOut(OUT, 0, 0, got, channels))
            pairs.append((sent, got))
            if not is_queued:
                engine.run(ticket)
                seen.append(engine.now)
        engine.run(ticket)
        assert all((got == sent ^ 1).all() for sent, got in pairs), "lost, doubled or out of order"
        engine.run()
        return [*seen, engine.now, [got.tolist() for _, got in pairs]]

    return script


ROUNDS = [
    Case(f"rounds-{seed}-{is_queued}", partial(echo_image, 3, 2, wait), rounds(seed, 10, is_queued))
    for seed, wait in enumerate((1, 200, 35))
    for is_queued in (False, True)
]


@pytest.mark.parametrize("case", ROUNDS, ids=lambda case: case.name)
def test_nothing_is_lost_doubled_or_reordered(case: Case) -> None:
    assert not outcome(ReferenceEngine, case).error


@pytest.mark.parametrize("case", ROUNDS, ids=lambda case: case.name)
def test_engines_agree_on_streams(case: Case) -> None:
    agree(case)


def engine_of(*kits: Kit, routes: Any = None) -> ReferenceEngine:
    return ReferenceEngine(image([[kit.build() for kit in kits]], routes), MACHINE)


def cycles_of(kits: list[Kit], channels: int, shared: Any, n: int) -> int:
    """Cycles of a stream of n wavelets to every PE, all of which wait for it, from its first wavelet on."""
    engine = engine_of(*kits)
    engine.run()
    start = engine.now
    engine.run(engine.submit(StreamIn(IN, 0, 0, words(1, len(kits), n), channels, shared)))
    return engine.now - start - MACHINE.host.stream_start_cycles


def test_a_stream_begins_some_time_after_its_turn() -> None:
    """The first wavelet is due `stream_start_cycles` after the stream's turn; it moves in that cycle."""
    engine = engine_of(host_kit())
    engine.run(engine.submit(StreamIn(IN, 0, 0, words(1, 1, 1))))
    assert engine.now == MACHINE.host.stream_start_cycles + 1


def eater() -> Kit:
    """A PE that takes everything, one wavelet a cycle."""
    kit = host_kit()
    sink = kit.symbol("sink", 4)
    kit.task(9, [dsd_op("mov32", tir.Pointer(sink), fabin(2, 0x7FFF), is_async=True)])
    kit.activated = [9]
    return kit


@pytest.mark.parametrize(("channels", "pes"), [(1, 1), (1, 3), (2, 3), (3, 3)])
def test_a_stream_takes_the_time_of_the_link(channels: int, pes: int) -> None:
    """n wavelets for each of p PEs take ceil(n · p / (channels · words_per_channel)) cycles."""
    rate = channels * MACHINE.host.stream_words_per_cycle
    assert cycles_of([eater() for _ in range(pes)], channels, "", 40) == -(-40 * pes // rate)


def test_a_pe_takes_one_wavelet_a_cycle() -> None:
    """A link of twice that bandwidth helps no further."""
    assert cycles_of([eater()], 2, "", 40) == 40


@pytest.mark.parametrize(("shared", "rows"), [("row", 1), ("column", 3)])
def test_shared_data_pass_the_link_once(shared: str, rows: int) -> None:
    """Three PEs in a row: data of the row pass once, data of their columns thrice."""
    assert cycles_of([eater() for _ in range(3)], 1, shared, 40) == 40 * rows


def test_a_pe_that_takes_nothing_holds_the_stream_up() -> None:
    """The queue of the PE and the host queue fill; the wavelet after them does not move."""
    capacity = QUEUES[0] + DEPTH
    engine = engine_of(host_kit())
    engine.run(engine.submit(StreamIn(IN, 0, 0, words(1, 1, capacity))))
    engine = engine_of(host_kit())
    with pytest.raises(DiagnosticError) as failure:
        engine.run(engine.submit(StreamIn(IN, 0, 0, words(1, 1, capacity + 1))))
    assert failure.value.diagnostics[0].id == "deadlock"


def stamp_behind_a_stream(wait: bool) -> int:
    """When a function begins that is launched behind a stream of 50 wavelets, waited for or not."""
    kit = eater()
    stamp = kit.symbol("stamp", 8, export="u32")
    kit.function([tir.ReadTsc(stamp, 0), tir.UnblockCommands(0)], export="go")
    engine = engine_of(kit)
    ticket = engine.submit(StreamIn(IN, 0, 0, words(1, 1, 50)))
    if wait:
        engine.run(ticket)
    engine.submit(Launch("go"))
    out = np.zeros((1, 1, 1), np.uint32)
    engine.run(engine.submit(CopyOut("stamp", 0, 0, out, 4)))
    return int(out[0, 0, 0])


def test_commands_wait_for_the_stream_before_them() -> None:
    """A launch behind a stream begins in the same cycle whether or not the host waits for the stream."""
    assert stamp_behind_a_stream(wait=True) == stamp_behind_a_stream(wait=False) > 50


def test_a_host_color_needs_no_route_and_may_have_one() -> None:
    """Wavelets on the color come from the host and from a neighbour."""
    left, right = Kit(), eater()
    left.queue("out", 2, IN)
    left.function([dsd_op("mov32", fabout(2, 3), tir.Scalar(tir.Const("u32", 7)))], export="go")
    engine = engine_of(left, right, routes={(0, 0): {IN: (RAMP, 2)}, (1, 0): {IN: (W, RAMP)}})
    engine.submit(Launch("go"))
    engine.run(engine.submit(StreamIn(IN, 1, 0, words(1, 1, 5))))
    engine.run()
    assert engine.stats().dsd_elements == 3 + 8


@pytest.mark.parametrize("place", [(0, 0), (1, 0), (2, 0)])
def test_a_stream_to_a_pe_without_a_queue_is_refused(place: tuple[int, int]) -> None:
    bare = Kit()
    bare.host_in = [IN]
    engine = engine_of(bare, Kit())
    for command in (StreamIn(IN, *place, words(1, 1, 1)), StreamOut(OUT, *place, words(1, 1, 1))):
        with pytest.raises(DiagnosticError) as failure:
            engine.submit(command)
        assert failure.value.diagnostics[0].id == "stream-without-queue"


@pytest.mark.parametrize("cycles", [1, 40, 5000])
def test_a_stream_that_can_never_begin_is_a_deadlock_whatever_the_limit(cycles: int) -> None:
    """The cycle in which the stream could begin counts for nothing if nothing is there to be moved."""

    def script(engine: Engine) -> list[Any]:
        engine.run()
        engine.run(engine.submit(StreamOut(OUT, 0, 0, words(1, 1, 1))), max_cycles=cycles)
        return []

    case = Case("silent", lambda: image([[host_kit().build()]]), script)
    assert outcome(ReferenceEngine, case).error == "deadlock"
    agree(case)
