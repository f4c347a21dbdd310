"""Colors that swap in both directions, switches that a DSD advances, and what leaves the rectangle."""

from __future__ import annotations

import numpy as np
import pytest

from csl_kit import ENGINES, start
from openwafer import tir
from openwafer.image import Image
from openwafer.sim import Engine, Launch
from openwafer.tir import LANES, SWAP_X, SWAP_Y, ColorConfig, DsdFlag
from tir_kit import RAMP, E, Kit, S, W, const, dsd_op, fabin, fabout, image, mem1d

RED, BLUE = 2, 3
BOTH = SWAP_X | SWAP_Y


def run(made: Image) -> list[Engine]:
    """Both engines after `go`."""
    done: list[Engine] = []
    for name in ENGINES:
        engine = start(made, name)
        engine.submit(Launch("go"))
        engine.run()
        done.append(engine)
    assert done[0].now == done[1].now
    return done


def sender(color: int, words: list[int], flags: int = 0, arch: str = "wse2") -> Kit:
    kit = Kit(arch)
    kit.queue("out", 2, color)
    data = kit.symbol("data", np.array(words, np.uint32).tobytes())
    out = fabout(2, len(words), color=color, flags=flags)
    kit.function([dsd_op("mov32", out, mem1d(data, len(words), 4))], export="go")
    return kit


def taker(queues: dict[int, int], count: int, arch: str = "wse2") -> Kit:
    """Takes `count` words of each color of `queues`, by queue id."""
    kit = Kit(arch)
    sinks = [kit.symbol(f"sink{color}", 4 * count) for color in queues.values()]
    takes: list[tir.Stmt] = []
    for (queue, color), sink in zip(queues.items(), sinks, strict=True):
        kit.queue("in", queue, color)
        takes.append(dsd_op("mov32", mem1d(sink, count, 4), fabin(queue, count), is_async=queue < LANES))
    kit.function(takes, export="go")
    return kit


def words(engine: Engine, made: Image, x: int, y: int, name: str) -> list[int]:
    program = made.layout.programs[made.layout.program_of[y, x]]
    symbol = next(s for s in program.symbols if s.name == name)
    return np.frombuffer(engine.read(x, y, symbol.address, symbol.size), np.uint32).tolist()


@pytest.mark.parametrize(("swap", "arrives_on"), [(0, RED), (SWAP_X, RED), (SWAP_Y, RED), (BOTH, BLUE)])
def test_what_a_pe_sends_swaps_only_where_both_directions_do(swap: int, arrives_on: int) -> None:
    here = {c: ColorConfig(c, ((RAMP, E),), swap=swap) for c in (RED, BLUE)}
    there = {c: (W, RAMP) for c in (RED, BLUE)}
    kits = [sender(RED, [5, 6, 7]), taker({3: arrives_on}, 3)]
    made = image([[kit.build() for kit in kits]], {(0, 0): here, (1, 0): there})
    for engine in run(made):
        assert words(engine, made, 1, 0, f"sink{arrives_on}") == [5, 6, 7]


def test_the_switch_advances_behind_the_last_wavelet() -> None:
    """The first three words go east; then the switch stands on south."""
    positions = ((RAMP, E), (RAMP, S), None, None)
    kit = sender(RED, [1, 2, 3], int(DsdFlag.ADVANCE_SWITCH))
    late = dsd_op("mov32", fabout(2, 1, color=RED), tir.Scalar(const("u32", 9)))
    kit.functions[0] = tir.Function("go", 0, (), "void", (*kit.functions[0].body, late), 0)
    idle = Kit("wse2")
    rows = [[kit.build(), taker({3: RED}, 3).build()], [taker({3: RED}, 1).build(), idle.build()]]
    routes = {(0, 0): {RED: ColorConfig(RED, positions)}, (1, 0): {RED: (W, RAMP)}, (0, 1): {RED: (4, RAMP)}}
    made = image(rows, routes)
    for engine in run(made):
        assert words(engine, made, 1, 0, f"sink{RED}") == [1, 2, 3]
        assert words(engine, made, 0, 1, f"sink{RED}") == [9]


def test_what_leaves_the_rectangle_is_lost_and_counted() -> None:
    made = image([[sender(RED, [1, 2, 3, 4]).build()]], {(0, 0): {RED: (RAMP, S | E)}})
    for engine in run(made):
        stats = engine.stats()
        assert (stats.lost_wavelets, stats.lost, stats.wavelet_hops) == (8, (0, 0, RED, 1), 0)


def test_lanes_of_one_queue_keep_colors_apart() -> None:
    """Two colors come in at one queue; the second lane is emptied first."""
    first = Kit("wse2")
    first.queue("out", 2, RED)
    first.queue("out", 3, BLUE)
    sent = [
        dsd_op("mov32", fabout(queue, 1, color=color), tir.Scalar(const("u32", word)))
        for queue, color, word in ((2, RED, 11), (3, BLUE, 21), (2, RED, 12), (3, BLUE, 22))
    ]
    first.function(sent, export="go")
    kits = [first, taker({3: RED, 3 + LANES: BLUE}, 2)]
    routes = {(0, 0): {c: (RAMP, E) for c in (RED, BLUE)}, (1, 0): {c: (W, RAMP) for c in (RED, BLUE)}}
    made = image([[kit.build() for kit in kits]], routes)
    for engine in run(made):
        assert words(engine, made, 1, 0, f"sink{RED}") == [11, 12]
        assert words(engine, made, 1, 0, f"sink{BLUE}") == [21, 22]
