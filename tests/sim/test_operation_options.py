"""Index, SIMD modes, priorities, printing."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from engine_cases import Case, agree, outcome
from test_reference_skips import EveryCycle

from openwafer import tir
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim._engine import Engine, Launch
from openwafer.sim.reference._engine import ReferenceEngine
from openwafer.tir import DsdFlag
from tir_kit import RAMP, E, Kit, W, const, count_to, delay, dsd_op, fabin, fabout, image, local, mem1d, u16

INDEX = int(DsdFlag.WAVELET_INDEX)
LOC = 0


def run(kit: Kit) -> ReferenceEngine:
    engine = ReferenceEngine(image([[kit.build()]]), load_machine(kit.arch))
    engine.submit(Launch("go"))
    engine.run()
    return engine


# --- index ---------------------------------------------------------------------------------


def index_image(index: int | None, size: int) -> Image:
    """Elements of a table from `index` words on, to another, without and with an index in the record."""
    kit = Kit()
    table, out = kit.symbol("table", bytes(range(64))), kit.symbol("out", 64)
    op = "mov16" if size == 2 else "mov32"
    dsr = kit.dsr("dest:0")
    flags = INDEX | int(DsdFlag.SAVE_ADDRESS)
    moving = mem1d(tir.Addr(out.symbol, 32), 2, size, flags=flags)
    kit.function(
        [
            dsd_op(op, mem1d(out, 3, size), mem1d(table, 3, size, flags=INDEX), index=index),
            dsd_op(op, mem1d(tir.Addr(out.symbol, 16), 3, size), mem1d(table, 3, size), index=index),
            tir.LoadDsr(0, moving, LOC),
            dsd_op(op, dsr, mem1d(table, 2, size), index=index),
            dsd_op(op, dsr, mem1d(table, 2, size), index=0),
        ],
        export="go",
    )
    return image([[kit.build()]])


def launch(engine: Engine) -> list[Any]:
    engine.submit(Launch("go"))
    engine.run()
    return [engine.now]


@pytest.mark.parametrize("index", [None, 0, 3, 5])
@pytest.mark.parametrize("size", [2, 4])
def test_an_index_moves_a_record_that_asks_for_it(index: int | None, size: int) -> None:
    """By words of 2 bytes; what `save_address` saves is not moved."""
    case = Case("index", partial(index_image, index, size), launch)
    memory = outcome(ReferenceEngine, case).memory[0, 0]
    table, out = memory[:64], memory[64:128]
    start = 2 * (index or 0)
    expected = bytearray(64)
    expected[: 3 * size] = table[start : start + 3 * size]
    expected[16 : 16 + 3 * size] = table[: 3 * size]
    for at in (32 + start, 32 + 2 * size):
        expected[at : at + 2 * size] = table[: 2 * size]
    assert out == expected
    agree(case)


# --- SIMD ----------------------------------------------------------------------------------


def packed_image(flags: int, n: int) -> Image:
    left, right = Kit(), Kit()
    data, sink = left.symbol("data", bytes(range(100))), right.symbol("sink", 128)
    left.queue("out", 2, 3)
    right.queue("in", 1, 3)
    left.function([dsd_op("mov16", fabout(2, n, flags=flags), mem1d(data, n, 2))], export="go")
    right.function([dsd_op("mov16", mem1d(sink, n, 2), fabin(1, n, flags=flags))], export="go")
    return image([[left.build(), right.build()]], {(0, 0): {3: (RAMP, E)}, (1, 0): {3: (W, RAMP)}})


@pytest.mark.parametrize("n", [1, 6, 33])
@pytest.mark.parametrize("flags", [DsdFlag.SIMD_32, DsdFlag.SIMD_64, DsdFlag.SIMD_32 | DsdFlag.SIMD_64])
def test_every_simd_mode_packs_two_elements(flags: int, n: int) -> None:
    engine = ReferenceEngine(packed_image(int(flags), n), load_machine("wse3"))
    launch(engine)
    assert engine.stats().wavelet_hops == -(-n // 2)
    assert engine.read(1, 0, 0, 2 * n) == bytes(range(2 * n))
    agree(Case("simd", partial(packed_image, int(flags), n), launch))


# --- priorities ----------------------------------------------------------------------------


def priority_image(first: int, second: int, main: int, high: tuple[int, ...] = ()) -> Image:
    """Two microthreads send 20 wavelets each while the main thread works; PE 1 notes when all are there."""
    sender, taker = Kit(), Kit()
    data, stamps = sender.symbol("data", 256), taker.symbol("stamps", 64)
    sends: list[tir.Stmt] = []
    takes: list[tir.Stmt] = []
    for i, flags in enumerate((first, second)):
        sender.queue("out", i + 2, i + 2)
        taker.queue("in", i + 2, i + 2)
        out, part = fabout(i + 2, 20, flags=flags), mem1d(data, 20, 2)
        sends.append(dsd_op("mov16", out, part, is_async=True, ut=i + 2, activate=i + 10))
        sink = taker.symbol(f"sink{i}", 64)
        takes.append(dsd_op("mov16", mem1d(sink, 20, 2), fabin(i + 2, 20), is_async=True, activate=i + 10))
        taker.task(i + 10, [tir.ReadTsc(tir.Addr(stamps.symbol, 8 * i), LOC)])
    mark = sender.symbol("mark", 8)
    for id in (10, 11):
        sender.task(id, [tir.ReadTsc(tir.Addr(stamps.symbol, 8 * (id - 10)), LOC)])
    work = count_to(0, 9, [delay(7), tir.SetBlocked(u16(20), True, LOC)])
    sender.function([*sends, *work, tir.ReadTsc(mark, LOC)], ["u16"], export="go")
    taker.function(takes, export="go")
    program = msgspec.structs.replace(sender.build(), main_priority=main, high=high)
    routes = {(0, 0): {2: (RAMP, E), 3: (RAMP, E)}, (1, 0): {2: (W, RAMP), 3: (W, RAMP)}}
    return image([[program, taker.build()]], routes)


def stamps_of(first: int, second: int, main: int) -> tuple[int, int, int]:
    """When each of the two streams was complete, and when the main thread's work was."""
    engine = ReferenceEngine(priority_image(first, second, main), load_machine("wse3"))
    launch(engine)
    words = [engine.read(1, 0, 0, 6), engine.read(1, 0, 8, 6), engine.read(0, 0, 256, 6)]
    one, two, done = (int.from_bytes(word, "little") for word in words)
    return one, two, done


LOW, HIGH = int(DsdFlag.PRIORITY_LOW), int(DsdFlag.PRIORITY_HIGH)


def test_a_microthread_of_high_priority_goes_before_the_others() -> None:
    equal, favored = stamps_of(0, 0, tir.MEDIUM), stamps_of(0, HIGH, tir.MEDIUM)
    assert favored[1] < equal[1] and favored[0] > favored[1]


def test_a_microthread_of_low_priority_waits_for_the_main_thread() -> None:
    shared, waiting = stamps_of(LOW, LOW, 1), stamps_of(LOW, LOW, tir.MEDIUM)
    assert max(shared[:2]) < shared[2], "all take turns"
    assert min(waiting[:2]) > waiting[2], "nobody before the main thread is done"
    assert waiting[2] == shared[2] - 2 * 20, "which is not held up by a step of theirs"


PRIORITIES = [
    Case(f"priority-{a}-{b}-{main}", partial(priority_image, a, b, main, high), launch)
    for a in (0, LOW, HIGH)
    for b in (0, LOW, HIGH, LOW | HIGH)
    for main in (1, 3, 5)
    for high in ((), (11,))
]


@pytest.mark.parametrize("case", PRIORITIES, ids=lambda case: case.name)
def test_engines_agree_on_priorities(case: Case) -> None:
    assert outcome(EveryCycle, case) == outcome(ReferenceEngine, case)
    agree(case)


def test_tasks_of_high_priority_are_picked_first() -> None:
    def order(high: tuple[int, ...]) -> list[int]:
        kit = Kit()
        log = kit.symbol("log", 16)
        for id in (9, 10, 11, 12):
            count = tir.Load("u16", log)
            at = tir.Binary("add", "u16", log, tir.Binary("mul", "u16", count, u16(2)))
            step = tir.Store(log, tir.Binary("add", "u16", count, u16(1)))
            kit.task(id, [step, tir.Store(at, u16(id))])
        kit.function([tir.Activate(u16(id), LOC) for id in (9, 10, 11, 12)], export="go")
        program = msgspec.structs.replace(kit.build(), high=high)
        engine = ReferenceEngine(image([[program]]), load_machine("wse3"))
        launch(engine)
        return [int(w) for w in np.frombuffer(engine.read(0, 0, 0, 10), np.uint16)[1:]]

    assert order(()) == [9, 10, 11, 12]
    assert order((10, 12)) == [10, 12, 9, 11]


# --- printing ------------------------------------------------------------------------------


def print_image() -> Image:
    kit = Kit()
    value = local("u16", 0)
    body = [
        tir.Print("x = ", None, "", LOC),
        tir.Print("", tir.Coord(0), "d", LOC),
        delay(30),
        tir.Print(", \nhex ", None, "", LOC),
        tir.Set(0, u16(0xBEEF)),
        delay(5),
        tir.Print("", value, "X", LOC),
        tir.Print("\n", None, "", LOC),
        tir.Print("", const("f32", 0.5), "f", LOC),
    ]
    kit.function(body, ["u16"], export="go")
    return image([[kit.build(), kit.build()]])


def test_lines_are_logged_with_the_cycle_of_their_newline() -> None:
    engine = ReferenceEngine(print_image(), load_machine("wse3"))
    launch(engine)
    lines = engine.printed()
    assert [(line.x, line.text) for line in lines] == [
        (0, "x = 0, "), (1, "x = 1, "), (0, "hex BEEF"), (1, "hex BEEF"),
    ]  # fmt: skip
    assert [line.cycle for line in lines[:2]] == [lines[0].cycle] * 2 and lines[0].cycle >= 30
    agree(Case("print", print_image, launch))


def test_printing_takes_time() -> None:
    """After each piece that is printed; the newline's own time is not in its line."""

    def end(body: list[tir.Stmt]) -> int:
        kit = Kit()
        kit.function(body, export="go")
        return run(kit).now

    printed = [tir.Print("a", None, "", LOC), tir.Print("\n", None, "", LOC)]
    assert end([delay(20), *printed]) == end([delay(20)]) + 2 * load_machine("wse3").scalar.print_cycles
