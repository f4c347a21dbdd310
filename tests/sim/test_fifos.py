"""FIFOs: order, lengths, what happens when one is full or empty, activations."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from engine_cases import Case, agree, outcome
from test_reference_skips import EveryCycle

from openwafer import tir
from openwafer.image import Image
from openwafer.sim._engine import Engine, Launch
from openwafer.sim.reference._engine import ReferenceEngine
from tir_kit import RAMP, E, Kit, W, const, delay, dsd_op, fabin, fabout, image, local, mem1d, u16

LOC = 0
TAKEN, GIVEN = 0, 1
"""Slots for the results of the operations that take and give elements."""


def set_length(fifo: int, length: int, *, write: bool) -> tir.SetFifoLength:
    return tir.SetFifoLength(fifo, write, u16(length), LOC)


class Buffer:
    """A PE with a FIFO of `places` u16 elements, a source of 1, 2, 3 … and a sink."""

    def __init__(self, places: int, arch: str = "wse3", **options: Any) -> None:
        self.kit = Kit(arch)
        self.data = self.kit.symbol("data", np.arange(1, 65, dtype=np.uint16).tobytes())
        self.sink = self.kit.symbol("sink", 128)
        self.flags = self.kit.symbol("flags", 32)
        self.ring = self.kit.symbol("ring", 2 * places)
        self.fifo = self.kit.fifo(self.ring, places, **options)

    def give(self, n: int, at: int = 0, **options: Any) -> list[tir.Stmt]:
        source = mem1d(tir.Addr(self.data.symbol, 2 * at), 0, 2)
        return [set_length(0, n, write=True), dsd_op("mov16", self.fifo, source, result=GIVEN, **options)]

    def take(self, n: int, at: int = 0, dest: Any = None, **options: Any) -> list[tir.Stmt]:
        dest = dest or mem1d(tir.Addr(self.sink.symbol, 2 * at), 0, 2)
        return [set_length(0, n, write=False), dsd_op("mov16", dest, self.fifo, result=TAKEN, **options)]

    def note(self, place: int, value: tir.Expr) -> tir.Stmt:
        return tir.Store(tir.Addr(self.flags.symbol, 2 * place), tir.Cast("u16", value))

    def run(self, body: Sequence[tir.Stmt]) -> ReferenceEngine:
        self.kit.function(body, ["bool", "bool"], export="go")
        engine = ReferenceEngine(image([[self.kit.build()]]), machine(self.kit.arch))
        engine.submit(Launch("go"))
        engine.run()
        return engine

    def words(self, engine: Engine, symbol: tir.Addr, n: int) -> list[int]:
        return list(np.frombuffer(engine.read(0, 0, self.kit.address(symbol), 2 * n), np.uint16))


def machine(arch: str) -> Any:
    from openwafer.machine import load_machine

    return load_machine(arch)


def test_elements_come_out_in_order_around_the_ring() -> None:
    buffer = Buffer(4)
    body = [*buffer.give(3), *buffer.take(2), *buffer.give(3, at=3), *buffer.take(4, at=2)]
    engine = buffer.run(body)
    assert buffer.words(engine, buffer.sink, 6) == [1, 2, 3, 4, 5, 6]
    assert buffer.words(engine, buffer.ring, 4) == [5, 6, 3, 4], "the ring lies in memory"


def test_a_synchronous_operation_that_finds_it_full_gives_false_and_keeps_the_rest_of_the_length() -> None:
    """Afterwards an operation without a length of its own goes on with what was left."""
    buffer = Buffer(3)
    again = dsd_op("mov16", buffer.fifo, mem1d(tir.Addr(buffer.data.symbol, 6), 0, 2), result=GIVEN)
    body = [
        *buffer.give(5), buffer.note(0, local("bool", GIVEN)),
        *buffer.take(3), buffer.note(1, local("bool", TAKEN)),
        again, buffer.note(2, local("bool", GIVEN)),
        *buffer.take(3, at=3), buffer.note(3, local("bool", TAKEN)),
    ]  # fmt: skip
    engine = buffer.run(body)
    assert buffer.words(engine, buffer.flags, 4) == [0, 1, 1, 0]
    assert buffer.words(engine, buffer.sink, 6) == [1, 2, 3, 4, 5, 0]


def test_a_pointer_keeps_its_value_when_the_elements_run_out() -> None:
    buffer = Buffer(4)
    seven = tir.Store(buffer.sink, u16(7))
    short = buffer.run([seven, *buffer.give(2), *buffer.take(3, dest=tir.Pointer(buffer.sink))])
    assert buffer.words(short, buffer.sink, 1) == [7]
    buffer = Buffer(4)
    enough = buffer.run([seven, *buffer.give(3), *buffer.take(3, dest=tir.Pointer(buffer.sink))])
    assert buffer.words(enough, buffer.sink, 1) == [3]


def test_terminate_gives_true() -> None:
    buffer = Buffer(4, empty="terminate", full="terminate")
    body = [
        *buffer.give(9), buffer.note(0, local("bool", GIVEN)),
        *buffer.take(9), buffer.note(1, local("bool", TAKEN)),
    ]  # fmt: skip
    engine = buffer.run(body)
    assert buffer.words(engine, buffer.flags, 2) == [1, 1]
    assert buffer.words(engine, buffer.sink, 5) == [1, 2, 3, 4, 0]


@pytest.mark.parametrize("action", ["empty", "full"])
def test_fault_is_an_error(action: str) -> None:
    def build() -> Image:
        buffer = Buffer(4, **{action: "fault"})
        body = buffer.take(1) if action == "empty" else buffer.give(5)
        buffer.kit.function(body, ["bool", "bool"], export="go")
        return image([[buffer.kit.build()]])

    def script(engine: Engine) -> list[Any]:
        engine.submit(Launch("go"))
        engine.run()
        return []

    case = Case("fault", build, script)
    assert outcome(ReferenceEngine, case).error == "fifo-fault"
    agree(case)


def test_tasks_are_activated_once_what_lacked_is_there() -> None:
    """A push activates only after a miss of elements, a pop only after a miss of places."""
    buffer = Buffer(2, activate_push=9, activate_pop=10)
    for place, id in ((0, 9), (1, 10)):
        here = tir.Addr(buffer.flags.symbol, 2 * place)
        add = tir.Binary("add", "u16", tir.Load("u16", here), u16(1))
        buffer.kit.task(id, [tir.Store(here, add)])
    quiet = [*buffer.give(1), *buffer.take(1)]
    missed = [*buffer.take(1), *buffer.give(2), *buffer.give(1), *buffer.take(2)]
    engine = buffer.run([*quiet, *missed])
    assert buffer.words(engine, buffer.flags, 2) == [1, 1]


def relay_image(arch: str, seed: int) -> Image:
    """PE 0 sends; PE 1 buffers what comes in a FIFO and sends it on; PE 2 takes it, each at its own pace."""
    rng = random.Random(seed)
    size, places, n = rng.choice([2, 4]), rng.randint(2, 12), rng.randint(1, 40)
    op = "mov16" if size == 2 else "mov32"
    flags = rng.choice([0, 8, 16]) if size == 2 else 0
    is_sync = rng.random() < 0.3
    first, middle, last = Kit(arch), Kit(arch), Kit(arch)
    data = first.symbol("data", bytes(rng.randrange(256) for _ in range(size * n)))
    first.queue("out", 2, 3)
    start = delay(rng.randint(1, 60))
    first.function([start, dsd_op(op, fabout(2, n, flags=flags), mem1d(data, n, size))], export="go")
    middle.queue("in", 3, 3)
    middle.queue("out", 2, 4)
    stamps = middle.symbol("stamps", 32)
    options = {"activate_push": 11, "activate_pop": 12} if rng.random() < 0.5 else {}
    fifo = middle.fifo(middle.symbol("ring", size * places), places, size, **options)
    for i in range(9, 13):
        middle.task(i, [tir.ReadTsc(tir.Addr(stamps.symbol, 8 * (i - 9)), LOC)])
    take = dsd_op(op, fifo, fabin(3, n, flags=flags), is_async=True, ut=rng.randint(0, 3), activate=9)
    empty = "suspend" if is_sync else "test_or_suspend"
    middle.fifos = [tir.Fifo(f.symbol, f.elements, f.element_bytes, f.activate_push, f.activate_pop, empty)
                    for f in middle.fifos]  # fmt: skip
    send = dsd_op(op, fabout(2, n, flags=flags), fifo, is_async=not is_sync, ut=4 + rng.randint(0, 3))
    work = [delay(rng.randint(1, 90)) for _ in range(3)]
    middle.function([take, work[0], send, work[1], tir.ReadTsc(stamps, LOC), work[2]], export="go")
    last.queue("in", 2, 4)
    sink = last.symbol("sink", size * n)
    receive = dsd_op(op, mem1d(sink, n, size), fabin(2, n, flags=flags))
    last.function([delay(rng.randint(1, 200)), receive], export="go")
    routes = {(0, 0): {3: (RAMP, E)}, (1, 0): {3: (W, RAMP), 4: (RAMP, E)}, (2, 0): {4: (W, RAMP)}}
    return image([[first.build(), middle.build(), last.build()]], routes)


def launch(engine: Engine) -> list[Any]:
    engine.submit(Launch("go"))
    engine.run()
    return [engine.now]


RELAYS = [Case(f"relay-{arch}-{s}", partial(relay_image, arch, s), launch) for arch in ("wse2", "wse3")
          for s in range(20)]  # fmt: skip


@pytest.mark.parametrize("case", RELAYS, ids=lambda case: case.name)
def test_a_buffer_between_two_links_loses_nothing(case: Case) -> None:
    result = outcome(ReferenceEngine, case)
    sent, got = result.memory[0, 0], result.memory[2, 0]
    assert not result.error and got[: len(sent)] == sent and sent


@pytest.mark.parametrize("case", RELAYS, ids=lambda case: case.name)
def test_engines_agree_on_fifos(case: Case) -> None:
    assert outcome(EveryCycle, case) == outcome(ReferenceEngine, case)
    agree(case)


def test_a_fifo_takes_one_step_an_element() -> None:
    """n elements in, n out: twice the steps, and their cycles apart from what the statements cost."""

    def cycles(n: int) -> int:
        buffer = Buffer(64)
        return buffer.run([*buffer.give(n), *buffer.take(n)]).now

    assert cycles(40) - cycles(10) == 2 * 30


def test_scalars_go_into_a_fifo() -> None:
    buffer = Buffer(8)
    give = [set_length(0, 3, write=True), dsd_op("mov16", buffer.fifo, tir.Scalar(const("u16", 5)))]
    engine = buffer.run([*give, *buffer.take(3)])
    assert buffer.words(engine, buffer.sink, 4) == [5, 5, 5, 0]
