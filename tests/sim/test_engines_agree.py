"""The fast engine against the reference engine: same results, memory of every PE, errors and cycles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from engine_cases import HAS_FAST, Case, agree, launch_for_a_while, outcome
from random_programs import random_scalars, random_streams, random_vectors

from openwafer import tir
from openwafer.diag import DiagnosticError
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim import make_engine
from openwafer.sim._engine import CopyIn, CopyOut, Engine, Launch
from openwafer.sim.reference._engine import ReferenceEngine
from tir_kit import (
    RAMP,
    E,
    Kit,
    W,
    binary,
    const,
    count_to,
    delay,
    dsd_op,
    fabin,
    fabout,
    image,
    local,
    mem1d,
    u16,
)


def commands(engine: Engine) -> list[Any]:
    """Copies in, launches with an argument, copies out, twice, with cycles in between."""
    seen: list[Any] = []
    for start in (1, 100):
        data = np.arange(start, start + 8, dtype=np.uint32).reshape(1, 2, 4)
        engine.submit(CopyIn("x", 0, 0, data, 4))
        ticket = engine.submit(Launch("go", (start,)))
        engine.run(ticket)
        seen.append(engine.now)
        for size in (4, 2):
            out = np.zeros((1, 2, 4), np.uint32)
            ticket = engine.submit(CopyOut("x", 0, 0, out, size))
            engine.run(ticket)
            seen += [engine.now, out.tolist()]
    engine.run()
    return [*seen, engine.now]


def command_image() -> Image:
    kit = Kit()
    x = kit.symbol("x", 16, export="u32")
    add = tir.Store(x, binary("add", tir.Load("u32", x), local("u32", 0)))
    kit.function([delay(77), add, delay(300), tir.UnblockCommands(0)], ["u32"], params=1, export="go")
    return image([[kit.build(), kit.build()]])


def stream_image(arch: str, op: str, size: int, n: int, wait: int, flags: int) -> Image:
    """PE 0 sends n elements to PE 1, which starts later and works while they come."""
    left, right = Kit(arch), Kit(arch)
    data, sink, stamp = (
        left.symbol("data", bytes(range(256))),
        right.symbol("sink", 256),
        right.symbol("t", 8),
    )
    left.queue("out", 2, 3)
    right.queue("in", 1, 3)
    left.function([dsd_op(op, fabout(2, n, flags=flags), mem1d(data, n, size))], export="go")
    right.task(9, [tir.ReadTsc(stamp, 0)])
    receive = dsd_op(op, mem1d(sink, n, size), fabin(1, n, flags=flags), is_async=True, activate=9)
    right.function([delay(wait), receive, delay(40), tir.SetBlocked(u16(20), True, 0)], export="go")
    return image([[left.build(), right.build()]], {(0, 0): {3: (RAMP, E)}, (1, 0): {3: (W, RAMP)}})


def relay_image(arch: str, pes: int, n: int) -> Image:
    """A chain of additions from the last PE to the first."""
    row: list[tir.Program] = []
    routes: dict[tuple[int, int], dict[int, tuple[int, int]]] = {}
    for x in range(pes):
        kit = Kit(arch)
        data, stamp = kit.array("f32_data", np.arange(n, dtype=np.float32) + x), kit.symbol("t", 8)
        kit.queue("out", 2, x % 2)
        kit.queue("in", 2, (x + 1) % 2)
        dest = mem1d(data, n, 4) if x == 0 else fabout(2, n)
        sources = [mem1d(data, n, 4)] if x == pes - 1 else [fabin(2, n), mem1d(data, n, 4)]
        op = dsd_op("fmovs" if x == pes - 1 else "fadds", dest, *sources)
        kit.function([op, tir.ReadTsc(stamp, 0)], export="go")
        row.append(kit.build())
        routes[x, 0] = {c: r for c, r in ((x % 2, (RAMP, W)), ((x + 1) % 2, (E, RAMP)))}
    return image([row], routes)


def task_image() -> Image:
    """Tasks that activate, block and unblock each other, with microthreads in between."""
    kit = Kit()
    log = kit.symbol("log", 4)
    stamps = kit.symbol("stamps", 8 * 32)
    for id in (8, 9, 13, 30):
        note = tir.Store(
            log, binary("add", binary("mul", tir.Load("u32", log), const("u32", 31)), const("u32", id))
        )
        again = tir.If(
            binary("lt", tir.Load("u32", log), const("u32", 1 << 30)), (tir.Activate(u16(id), 0),), ()
        )
        flip = tir.SetBlocked(u16((id + 5) % 32), id % 2 == 0, 0)
        stamp = tir.ReadTsc(tir.Addr(stamps.symbol, 8 * id), 0)
        kit.task(id, [note, flip, again, stamp, tir.SetBlocked(u16(9), False, 0)])
    kit.activated, kit.blocked = [9, 30], [13]
    kit.function([tir.Activate(u16(13), 0), tir.Activate(u16(8), 0), tir.UnblockCommands(0)], export="go")
    return image([[kit.build()]])


def cell_image() -> Image:
    """One program on several PEs that differ in coordinates and parameter cells, with an init function."""
    kit = Kit()
    out, start = kit.symbol("out", 16), kit.symbol("start", 4)
    kit.params = ["u32", "i16", "f32"]
    kit.init = kit.function([tir.Store(start, tir.Param("u32", 0))])
    place = binary("add", binary("mul", tir.Coord(0), u16(100)), tir.Coord(1))
    product = binary("mul", tir.Param("f32", 2), const("f32", 1.5))
    body = [
        tir.Store(out, place),
        tir.Store(tir.Addr(out.symbol, 4), tir.Param("i16", 1)),
        tir.Store(tir.Addr(out.symbol, 8), product),
        tir.Store(tir.Addr(out.symbol, 12), binary("add", tir.Load("u32", start), const("u32", 1))),
    ]
    kit.function(body, export="go")
    program = kit.build()
    cells = {
        (x, y): [x + 7 * y, 0xFFFF - x, int(np.float32(x + y).view(np.uint32))]
        for x in range(3)
        for y in range(2)
    }
    return image([[program] * 3, [None, program, program]], cells=cells)


def fault_image(kind: str) -> Image:
    kit = Kit()
    x = kit.symbol("x", 8)
    zero = local("u16", 0)
    statements: dict[str, list[tir.Stmt]] = {
        "assert": [tir.Assert(const("bool", 0), "no", 0)],
        "divide": [tir.Store(x, tir.Binary("div", "u16", u16(1), zero))],
        "load": [tir.Store(x, tir.Load("u32", u16(49150)))],
        "store": [tir.Store(binary("add", zero, u16(65000)), zero)],
        "vector": [dsd_op("mov16", mem1d(u16(49000), 100, 2), tir.Scalar(u16(1)))],
        "unrouted": [dsd_op("mov32", fabout(2, 1), tir.Scalar(const("u32", 1)))],
        "deadlock": [dsd_op("mov32", tir.Pointer(x), fabin(2, 1))],
    }
    kit.queue("out", 2, 3)
    kit.queue("in", 2, 4)
    kit.function([tir.Store(x, u16(7)), tir.Activate(u16(9), 0), *statements[kind]], ["u16"], export="go")
    return image([[kit.build()]])


def launch_twice(engine: Engine) -> list[Any]:
    engine.submit(Launch("go"))
    engine.run(engine.submit(Launch("go")), max_cycles=5000)
    return [engine.now]


def wait_between(engine: Engine) -> list[Any]:
    """Waits that end while the program works, and long after it has come to rest."""
    nows: list[int] = []
    for cycles in (3, 40, 1000, 1, 5):
        engine.submit(Launch("go"))
        before = engine.now
        engine.wait(cycles)
        nows.append(engine.now - before)
    engine.run()
    return [*nows, engine.now]


def spin_image() -> Image:
    kit = Kit()
    count = kit.symbol("count", 4)
    add = tir.Store(count, binary("add", tir.Load("u32", count), const("u32", 1)))
    kit.function([tir.Loop(0, (add,), (), False)], export="go")
    return image([[kit.build()]])


def slot_image() -> Image:
    """Operations of one microthread in turn; the main thread and others compete for the datapath."""
    left, right = Kit(), Kit()
    data, sink = left.symbol("data", bytes(range(200))), right.symbol("sink", 256)
    sends: list[tir.Stmt] = []
    takes: list[tir.Stmt] = []
    for i, (color, n) in enumerate(((1, 20), (5, 33), (6, 7))):
        left.queue("out", i, color)
        right.queue("in", i, color)
        sends.append(
            dsd_op("mov16", fabout(i, n), mem1d(data, n, 2), is_async=True, ut=3 * (i % 2), activate=10 + i)
        )
        takes.append(dsd_op("mov16", mem1d(sink, n, 2), fabin(i, n), is_async=True, ut=4, activate=10 + i))
    for kit in (left, right):
        stamps = kit.symbol("stamps", 64)
        for i in range(3):
            kit.task(10 + i, [tir.ReadTsc(tir.Addr(stamps.symbol, 8 * i), 0)])
    left.function([*sends, *count_to(0, 30, [tir.Activate(u16(12), 0)])], ["u16"], export="go")
    right.function(takes, export="go")
    colors = (1, 5, 6)
    routes = {(0, 0): {c: (RAMP, E) for c in colors}, (1, 0): {c: (W, RAMP) for c in colors}}
    return image([[left.build(), right.build()]], routes)


def cases() -> Iterator[Case]:
    yield Case("commands", command_image, commands)
    yield Case("tasks", task_image)
    yield Case("cells", cell_image)
    yield Case("slots", slot_image)
    yield Case("spin", spin_image, launch_twice)
    yield Case("waits", partial(relay_image, "wse3", 6, 20), wait_between)
    for kind in ("assert", "divide", "load", "store", "vector", "unrouted", "deadlock"):
        yield Case(f"fault-{kind}", partial(fault_image, kind), launch_twice)
    for arch in ("wse2", "wse3"):
        yield Case(f"relay-{arch}", partial(relay_image, arch, 6, 20))
        for op, size, flags in (("mov32", 4, 0), ("mov16", 2, 0), ("mov16", 2, 8), ("mov16", 2, 2)):
            for n, wait in ((1, 1), (9, 1), (50, 200)):
                build = partial(stream_image, arch, op, size, n, wait, flags)
                yield Case(f"stream-{arch}-{op}-{flags}-{n}", build)
    yield Case("streams-slot-freed", partial(random_streams, 1573, dsr_share=0))
    for seed in range(60):
        yield Case(f"scalars-{seed}", partial(random_scalars, seed))
        yield Case(f"vectors-{seed}", partial(random_vectors, seed))
        yield Case(f"streams-{seed}", partial(random_streams, seed), launch_for_a_while)


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reference_runs_the_case(case: Case) -> None:
    """Runs without internal errors and gives the same twice."""
    first = outcome(ReferenceEngine, case)
    assert first.memory and first == outcome(ReferenceEngine, case)


@pytest.mark.skipif(not HAS_FAST, reason="sim/fast/_engine.py does not exist yet")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_engines_agree(case: Case) -> None:
    agree(case)


@pytest.mark.parametrize("engine", ["reference", "fast"])
def test_a_launch_carries_sixteen_arguments(engine: str) -> None:
    made = make_engine(command_image(), load_machine("wse3"), engine)
    made.run(made.submit(Launch("go", (1,))))
    with pytest.raises(DiagnosticError, match="launch-arguments: `go` is launched with 17 arguments"):
        made.submit(Launch("go", tuple(range(17))))


@pytest.mark.parametrize("engine", ["reference", "fast"])
def test_a_wait_takes_its_cycles(engine: str) -> None:
    made = make_engine(command_image(), load_machine("wse3"), engine)
    made.wait(50)
    assert made.now == 50
    made.run(made.submit(Launch("go", (1,))))
    assert made.now > 50
    after = made.now
    made.wait(0)
    assert made.now == after
