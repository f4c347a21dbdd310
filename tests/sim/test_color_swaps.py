"""Color swapping: which of two colors a wavelet has at each PE of a chain, and that the engines agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_cases import Case, agree, outcome

from csl_kit import ENGINES, Sources, execute, read, start
from openwafer import tir
from openwafer.diag import DiagnosticError
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim import Launch
from openwafer.sim.reference._engine import ReferenceEngine
from openwafer.tir import SWAP_X, SWAP_Y, ColorConfig
from tir_kit import RAMP, E, Kit, N, S, W, const, delay, dsd_op, fabin, fabout, image, mem1d

RED, BLUE, COUNT, LENGTH = 2, 3, 12, 5
AHEAD = {SWAP_X: (E, W), SWAP_Y: (S, N)}


def sender(color: int) -> tir.Program:
    kit = Kit("wse2")
    kit.queue("out", 2, color)
    words = [dsd_op("mov32", fabout(2, 1), tir.Scalar(const("u32", 100 + i))) for i in range(COUNT)]
    kit.function(words, export="go")
    return kit.build()


def taker(color: int, pause: int) -> tir.Program:
    """Takes everything of one color, after a pause."""
    kit = Kit("wse2")
    kit.queue("in", 2, color)
    sink = kit.symbol("sink", 4 * COUNT)
    take = dsd_op("mov32", mem1d(sink, COUNT, 4), fabin(2, COUNT), is_async=True)
    kit.function([delay(pause), take], export="go")
    return kit.build()


def chain(swap: int, sent: int, swapping: set[int], pause: int = 0) -> Image:
    """PE 0 sends on a color; PEs of `swapping` swap. Each takes the color on which the words must come."""
    ahead, back = AHEAD[swap]
    programs, color = [sender(sent)], sent
    routes: dict[tuple[int, int], dict[int, ColorConfig]] = {}
    for k in range(LENGTH):
        rx = back if k else RAMP
        tx = (ahead if k < LENGTH - 1 else 0) | (RAMP if k else 0)
        here = swap if k in swapping else 0
        place = (k, 0) if swap == SWAP_X else (0, k)
        routes[place] = {c: ColorConfig(c, ((rx, tx),), swap=here) for c in (RED, BLUE)}
        if k:
            color ^= k in swapping
            programs.append(taker(color, pause if k == LENGTH - 1 else 0))
    rows = [programs] if swap == SWAP_X else [[p] for p in programs]
    return image(rows, routes)


CHAINS = [
    (SWAP_X, RED, {0, 1, 2, 3, 4}),
    (SWAP_X, BLUE, {0, 1, 2, 3, 4}),
    (SWAP_X, RED, {2, 4}),
    (SWAP_Y, BLUE, {1, 2, 3}),
    (SWAP_Y, RED, {3}),
]


@pytest.mark.parametrize(("swap", "sent", "swapping"), CHAINS)
def test_words_change_color_where_a_router_swaps(swap: int, sent: int, swapping: set[int]) -> None:
    engine = ReferenceEngine(chain(swap, sent, swapping), load_machine("wse2"))
    engine.submit(Launch("go"))
    engine.run()
    for k in range(1, LENGTH):
        x, y = (k, 0) if swap == SWAP_X else (0, k)
        words = np.frombuffer(engine.read(x, y, 0, 4 * COUNT), np.uint32)
        assert words.tolist() == list(range(100, 100 + COUNT))


@pytest.mark.parametrize("pause", [0, 400])
@pytest.mark.parametrize(("swap", "sent", "swapping"), CHAINS)
def test_engines_agree_on_swaps(swap: int, sent: int, swapping: set[int], pause: int) -> None:
    """With a pause the queues behind the last PE fill up."""
    agree(Case("chain", lambda: chain(swap, sent, swapping, pause)))


def unrouted() -> Image:
    """PE 1 takes what comes on blue as red only, and nothing that comes on red."""
    routes = {(0, 0): {RED: (RAMP, E)}, (1, 0): {RED: ColorConfig(RED, ((W, RAMP),), swap=SWAP_X)}}
    return image([[sender(RED), taker(RED, 0)]], routes)


def test_a_color_that_swaps_does_not_take_its_own() -> None:
    with pytest.raises(DiagnosticError, match="no route for color 2 at PE \\(1, 0\\)"):
        engine = ReferenceEngine(unrouted(), load_machine("wse2"))
        engine.submit(Launch("go"))
        engine.run()
    agree(Case("unrouted", unrouted))


def crossing() -> Image:
    """Two senders at the ends of a row, on one color each, to a PE between them that swaps."""
    kit = Kit("wse2")
    for number, color in enumerate((RED, BLUE)):
        kit.queue("in", 2 + number, color)
    sinks = [kit.symbol(name, 4 * COUNT) for name in ("red", "blue")]
    takes = [
        dsd_op("mov32", mem1d(sink, COUNT, 4), fabin(2 + k, COUNT), is_async=True)
        for k, sink in enumerate(sinks)
    ]
    kit.function(takes, export="go")
    between = {c: ColorConfig(c, ((W if c == BLUE else E, RAMP),), swap=SWAP_X) for c in (RED, BLUE)}
    routes = {(0, 0): {RED: (RAMP, E)}, (1, 0): between, (2, 0): {BLUE: (RAMP, W)}}
    return image([[sender(RED), kit.build(), sender(BLUE)]], routes)


def test_both_colors_of_a_pair_at_once() -> None:
    found = outcome(ReferenceEngine, Case("crossing", crossing))
    words = np.frombuffer(found.memory[1, 0][: 8 * COUNT], np.uint32)
    assert not found.error
    assert words.tolist() == 2 * list(range(100, 100 + COUNT))
    agree(Case("crossing", crossing))


LAYOUT = """param side: u16;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = side, .height = 1 });
const red = @get_color(2);
const blue = @get_color(3);
layout {
  @set_rectangle(side, 1);
  for (@range(u16, side)) |x| {
    const memcpy_params = memcpy.get_params(x);
    @set_tile_code(x, 0, "pe.csl", .{ .memcpy_params = memcpy_params, .x = x, .red = red, .blue = blue });
    const from = if (x == 0) .{ RAMP } else .{ WEST };
    const to = if (x == side - 1) .{ RAMP } else .{ RAMP, EAST };
    @set_color_config(x, 0, red, .{ .routes = .{ .rx = from, .tx = to, .color_swap_x = true } });
    @set_color_config(x, 0, blue, .{ .routes = .{ .rx = from, .tx = to, .color_swap_x = true } });
  }
  @export_name("sums", [*]u32, true);
  @export_name("run", fn()void);
}
"""
PE = """param memcpy_params;
param x: u16;
param red: color;
param blue: color;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const queue = @get_output_queue(2);
const out = @get_dsd(fabout_dsd, .{ .extent = 1, .fabric_color = blue, .output_queue = queue });
var sums = @zeros([2]u32);
var sums_ptr: [*]u32 = &sums;
task on_red(word: u32) void { sums[0] += word; }
task on_blue(word: u32) void { sums[1] += word; }
fn run() void {
  if (x == 0) {
    for (@range(u32, 4)) |i| { @mov32(out, i + 1); }
  }
  sys_mod.unblock_cmd_stream();
}
comptime {
  @bind_data_task(on_red, @get_data_task_id(red));
  @bind_data_task(on_blue, @get_data_task_id(blue));
  @export_symbol(sums_ptr, "sums");
  @export_symbol(run);
}
"""


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_row_of_programs_alternates(tmp_path: Path, engine_name: str) -> None:
    """The PE that sends gets its own words on the color on which it has sent them."""
    side = 4
    engine = start(
        Sources({"layout.csl": LAYOUT, "pe.csl": PE}).compile(tmp_path, "wse2", side=side), engine_name
    )
    execute(engine, [Launch("run")])
    assert read(engine, "sums", side, 1, 2)[0].tolist() == [[0, 10], [10, 0], [0, 10], [10, 0]]
