"""The sums of `PeStats`: what they count, and that nobody's way of simulating changes them."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from engine_cases import Case, agree, launch, outcome
from random_wafers import random_wafer
from test_reference_skips import EveryCycle

from openwafer import tir
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim._engine import CopyIn, Engine, Launch, PeStats
from openwafer.sim.fast._engine import FastEngine
from openwafer.sim.reference._engine import ReferenceEngine
from openwafer.tir import DsdFlag
from tir_kit import RAMP, E, Kit, W, binary, const, count_to, delay, dsd_op, fabin, fabout, image, mem1d, u16

WSE3 = load_machine("wse3")
ENGINES = (ReferenceEngine, EveryCycle, FastEngine)
LOW, HIGH = int(DsdFlag.PRIORITY_LOW), int(DsdFlag.PRIORITY_HIGH)


def stats_of(made: Image, make: Any = ReferenceEngine) -> PeStats:
    engine = make(made, WSE3)
    launch(engine)
    return engine.stats()


def pause_image(cycles: int, *, twice: bool = False) -> Image:
    kit = Kit()
    more = [tir.ReadTsc(kit.symbol("t", 8), 0), delay(cycles)] if twice else []
    kit.function([delay(cycles), *more], export="go")
    return image([[kit.build()]])


def test_busy_cycles_are_those_of_dispatch_and_code() -> None:
    """Code of 50 cycles more is busy 50 cycles longer; a time point in the middle changes nothing."""
    short, long = stats_of(pause_image(30)), stats_of(pause_image(80))
    twice = stats_of(pause_image(80, twice=True))
    assert long.busy_cycles - short.busy_cycles == 50
    assert short.busy_cycles >= WSE3.task.dispatch_cycles + 30
    assert twice.busy_cycles - long.busy_cycles >= 80


def test_a_copy_is_busy_for_its_words() -> None:
    kit = Kit()
    kit.symbol("x", 64, export="u32")
    engine = ReferenceEngine(image([[kit.build()]]), WSE3)
    for n, cycles in ((1, 1), (12, -(-12 // WSE3.host.copy_words_per_cycle))):
        before = engine.stats().busy_cycles
        engine.run(engine.submit(CopyIn("x", 0, 0, np.zeros((1, 1, n), np.uint32), 4)))
        assert engine.stats().busy_cycles - before == cycles


def crowd_image(n: int, work: int) -> Image:
    """PE 0 sends n words on a microthread while its main thread works, or tries to start another there."""
    sender, taker = Kit(), Kit()
    sender.queue("out", 2, 3)
    taker.queue("in", 2, 3)
    data, sink = sender.symbol("data", 256), taker.symbol("sink", 256)
    send = dsd_op("mov32", fabout(2, n), mem1d(data, n, 4), is_async=True, ut=1)
    again = [send] if work == 0 else count_to(0, work, [delay(9), tir.ReadTsc(sender.symbol("t", 8), 0)])
    sender.function([send, *again], ["u16"], export="go")
    taken = 2 * n if work == 0 else n
    take = dsd_op("mov32", mem1d(sink, taken, 4), fabin(2, taken), is_async=True)
    taker.function([delay(60), take], export="go")
    return image([[sender.build(), taker.build()]], {(0, 0): {3: (RAMP, E)}, (1, 0): {3: (W, RAMP)}})


@pytest.mark.parametrize("work", [0, 40])
def test_a_step_costs_a_busy_main_thread_one_cycle(work: int) -> None:
    """Whether it works or tries to start an operation on the slot in use: then, too, a step is one cycle."""
    few, many = (stats_of(crowd_image(n, work)) for n in (4, 20))
    assert many.busy_cycles - few.busy_cycles == 16
    found = {name.__name__: stats_of(crowd_image(20, work), name) for name in ENGINES}
    assert len(set(map(str, found.values()))) == 1, found


@pytest.mark.parametrize("seed", range(1, 10))
def test_counters_do_not_depend_on_the_cycles_that_are_visited(seed: int) -> None:
    case = random_wafer(seed)
    expected = outcome(ReferenceEngine, case)
    if not expected.error:
        assert outcome(EveryCycle, case).stats == expected.stats


# --- a main thread that tries ----------------------------------------------------------------


def starved_image(main: int, flags: int) -> Image:
    """The main thread, of some class, wants the microthread of an operation of another."""
    sender, taker = Kit(), Kit()
    sender.queue("out", 2, 3)
    taker.queue("in", 2, 3)
    data, sink = sender.symbol("data", bytes(range(64))), taker.symbol("sink", 64)
    send = dsd_op("mov32", fabout(2, 8, flags=flags), mem1d(data, 8, 4), is_async=True, ut=1)
    sender.function([send, send], export="go")
    taker.function([dsd_op("mov32", mem1d(sink, 16, 4), fabin(2, 16), is_async=True)], export="go")
    program = msgspec.structs.replace(sender.build(), main_priority=main)
    return image([[program, taker.build()]], {(0, 0): {3: (RAMP, E)}, (1, 0): {3: (W, RAMP)}})


@pytest.mark.parametrize("main", [1, 3, 5])
@pytest.mark.parametrize("flags", [LOW, 0, HIGH])
def test_a_main_thread_that_tries_starves_nobody(main: int, flags: int) -> None:
    """Both operations end, whatever the classes."""

    def script(engine: Engine) -> list[Any]:
        engine.submit(Launch("go"))
        engine.run(max_cycles=2000)
        return [engine.now]

    case = Case("starved", partial(starved_image, main, flags), script)
    result = outcome(ReferenceEngine, case)
    assert not result.error and result.stats.dsd_elements == 32
    assert outcome(EveryCycle, case) == result
    agree(case)


# --- faults ----------------------------------------------------------------------------------


def fault_among_others(divisor: int) -> Image:
    """Three PEs; in one cycle the one in the middle faults, before it stores, and the others store."""
    kit = Kit()
    x = kit.symbol("x", 8)
    kit.params = ["u16"]
    quotient = binary("div", u16(6), tir.Param("u16", 0))
    kit.function([delay(5), tir.Yield(0), tir.Store(x, quotient), tir.Store(x, u16(7))], export="go")
    program = kit.build()
    return image([[program] * 3], cells={(0, 0): [3], (1, 0): [divisor], (2, 0): [3]})


def test_a_fault_keeps_no_other_pe_from_its_turn() -> None:
    case = Case("fault", partial(fault_among_others, 0))
    result = outcome(ReferenceEngine, case)
    assert result.error == "divide-by-zero" and "PE (1, 0)" in result.told[0]["notes"][0]
    assert [result.memory[x, 0][0] for x in range(3)] == [7, 0, 7]
    agree(case)


def test_a_fault_of_an_operation_ends_the_pes_cycle() -> None:
    """A microthread runs out of memory in a cycle in which the main thread would store."""

    def build() -> Image:
        kit = Kit()
        kit.queue("out", 2, 3)
        x = kit.symbol("x", 8)
        flood = dsd_op("mov16", fabout(2, 40), mem1d(u16(49100), 40, 2), is_async=True)
        stores = count_to(0, 60, [tir.Store(x, const("u16", 1)), tir.ReadTsc(x, 0)])
        kit.function([flood, *stores], ["u16"], export="go")
        return image([[kit.build()]], {(0, 0): {3: (RAMP, 0)}})

    case = Case("flood", build)
    assert outcome(ReferenceEngine, case).error == "memory-access"
    agree(case)


# --- what is told of a run that is stopped ---------------------------------------------------


def stopped(engine: Engine) -> list[Any]:
    engine.run(engine.submit(Launch("go")))
    engine.run(engine.submit(Launch("go")), max_cycles=40)
    return []


def test_the_line_of_a_running_thread_is_that_of_its_last_time_point() -> None:
    """Not that of an operation which made a step meanwhile, nor of a statement since."""

    def build() -> Image:
        kit = Kit()
        kit.queue("out", 2, 3)
        data = kit.symbol("data", 64)
        send = msgspec.structs.replace(dsd_op("mov16", fabout(2, 9), mem1d(data, 9, 2), is_async=True), loc=1)
        stamp = tir.ReadTsc(kit.symbol("t", 8), 2)
        late = msgspec.structs.replace(delay(300), loc=3)
        kit.function([send, stamp, late, tir.Activate(u16(9), 4)], export="go")
        lines = tuple(("pe.csl", line) for line in (10, 11, 12, 13, 14))
        program = msgspec.structs.replace(kit.build(), locations=lines)
        return image([[program]], {(0, 0): {3: (RAMP, 0)}})

    case = Case("stopped", build, stopped)
    result = outcome(ReferenceEngine, case, profile=True)
    assert result.error == "max-cycles"
    assert result.told[0]["notes"][-1].endswith("the main thread of PE (0, 0) runs `go` (pe.csl:14)")
    agree(case)


def test_pes_that_have_yet_to_copy_are_told_in_row_major_order() -> None:
    """Those that are at it and those that have not begun alike."""

    def build() -> Image:
        kit = Kit()
        kit.symbol("data", 128, export="u32")
        kit.params = ["u16"]
        work = tir.If(binary("eq", tir.Param("u16", 0), u16(1)), (delay(200), tir.Yield(0)), ())
        kit.function([tir.UnblockCommands(0), work], export="go")
        return image([[kit.build()] * 3], cells={(x, 0): [x] for x in range(3)})

    def script(engine: Engine) -> list[Any]:
        engine.submit(Launch("go"))
        engine.run(engine.submit(CopyIn("data", 0, 0, np.zeros((1, 3, 32), np.uint32), 4)), max_cycles=25)
        return []

    case = Case("copies", build, script)
    told = outcome(ReferenceEngine, case).told
    assert told[0]["data"]["chain"][1]["pe"] == [0, 0]
    agree(case)
