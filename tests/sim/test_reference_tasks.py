"""Tasks, host commands and errors of the reference engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from openwafer import tir
from openwafer.diag import DiagnosticError
from openwafer.machine import load_machine
from openwafer.sim._engine import CopyIn, CopyOut, Launch
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

MACHINE = load_machine("wse3")
LOC = 0


class Log:
    """An array in a PE's memory to which code appends, to see in which order things happen."""

    def __init__(self, kit: Kit) -> None:
        self.count, self.items = kit.symbol("count", 2), kit.symbol("items", 64)
        self.kit = kit

    def add(self, value: tir.Expr | int) -> tuple[tir.Stmt, ...]:
        word = u16(value) if isinstance(value, int) else value
        count = tir.Load("u16", self.count)
        place = binary("add", self.items, binary("mul", count, u16(2)))
        return tir.Store(place, word), tir.Store(self.count, binary("add", count, u16(1)))

    def read(self, engine: ReferenceEngine, x: int = 0) -> list[int]:
        count = int.from_bytes(engine.read(x, 0, self.kit.address(self.count), 2), "little")
        data = engine.read(x, 0, self.kit.address(self.items), 2 * count)
        return list(np.frombuffer(data, np.uint16))


def engine_of(
    *kits: Kit, routes: dict[tuple[int, int], dict[int, tuple[int, int]]] | None = None
) -> ReferenceEngine:
    return ReferenceEngine(image([[kit.build() for kit in kits]], routes), MACHINE)


def launched(kit: Kit) -> ReferenceEngine:
    engine = engine_of(kit)
    engine.run(engine.submit(Launch("go")))
    engine.run()
    return engine


def activate(*ids: int) -> list[tir.Stmt]:
    return [tir.Activate(u16(id), LOC) for id in ids]


def test_activations_collapse() -> None:
    kit = Kit()
    log = Log(kit)
    kit.task(9, log.add(9))
    kit.function(activate(9, 9, 9), export="go")
    assert log.read(launched(kit)) == [9]


def test_activation_waits_while_blocked() -> None:
    kit = Kit()
    log = Log(kit)
    kit.blocked = [9]
    kit.task(9, log.add(9))
    kit.task(10, [*log.add(10), tir.SetBlocked(u16(9), False, LOC)])
    kit.function(activate(9, 10), export="go")
    assert log.read(launched(kit)) == [10, 9]


def test_a_task_that_activates_itself_runs_again_after_the_others() -> None:
    kit = Kit()
    log = Log(kit)
    again = tir.If(binary("lt", tir.Load("u16", log.count), u16(5)), tuple(activate(9)), ())
    kit.task(9, [*log.add(9), again])
    kit.task(12, log.add(12))
    kit.task(8, log.add(8))
    kit.activated = [9, 12]
    kit.function(activate(8), export="go")
    assert log.read(launched(kit)) == [9, 12, 8, 9, 9]


def test_blocking_a_running_task_does_not_stop_it() -> None:
    kit = Kit()
    log = Log(kit)
    kit.task(9, [tir.SetBlocked(u16(9), True, LOC), *activate(9), *log.add(9)])
    kit.function(activate(9), export="go")
    assert log.read(launched(kit)) == [9]


def relay(arch: str, receiver: Kit, value: int, n: int = 1) -> ReferenceEngine:
    left = Kit(arch)
    left.queue("out", 2, 3)
    send = dsd_op("mov32", fabout(2, n), tir.Scalar(const("u32", value)))
    left.function([send], export="go")
    engine = ReferenceEngine(
        image([[left.build(), receiver.build()]], {(0, 0): {3: (RAMP, E)}, (1, 0): {3: (W, RAMP)}}),
        load_machine(arch),
    )
    engine.submit(Launch("go"))
    engine.run()
    return engine


@pytest.mark.parametrize(("arch", "id"), [("wse2", 3), ("wse3", 4)])
def test_data_task_takes_one_wavelet_a_run(arch: str, id: int) -> None:
    """Its id is the color on WSE-2, the input queue on WSE-3; parameters get equal parts, lowest first."""
    kit = Kit(arch)
    log = Log(kit)
    kit.queue("in", 4, 3)
    kit.task(
        id, [*log.add(local("u16", 0)), *log.add(local("u16", 1))], ["u16", "u16"], kind="data", params=2
    )
    engine = relay(arch, kit, 0x0002_0001, n=3)
    assert log.read(engine, 1) == [1, 2] * 3


def test_blocked_data_task_leaves_its_wavelets_in_the_queue() -> None:
    kit = Kit()
    log = Log(kit)
    kit.queue("in", 4, 3)
    kit.blocked = [4]
    kit.task(4, log.add(local("u16", 0)), ["u16"], kind="data", params=1)
    kit.task(9, [delay(500), *log.add(9), tir.SetBlocked(u16(4), False, LOC)])
    kit.activated = [9]
    assert log.read(relay("wse3", kit, 7, n=2), 1) == [9, 7, 7]


def test_operation_activates_then_unblocks() -> None:
    kit = Kit()
    log = Log(kit)
    kit.queue("in", 2, 3)
    kit.blocked = [9]
    kit.task(9, log.add(9))
    target = tir.Pointer(kit.symbol("x", 4))
    receive = dsd_op("mov32", target, fabin(2, 1), is_async=True, activate=9, unblock=9)
    kit.function([receive], export="go")
    assert log.read(relay("wse3", kit, 1), 1) == [9]


def test_second_operation_on_a_slot_waits_for_the_first() -> None:
    kit = Kit()
    log = Log(kit)
    kit.queue("in", 2, 3)
    places = kit.symbol("x", 8)
    kit.task(9, log.add(9))
    kit.function(
        [
            dsd_op("mov32", tir.Pointer(places), fabin(2, 1), is_async=True, ut=5),
            dsd_op(
                "mov32", tir.Pointer(tir.Addr(places.symbol, 4)), fabin(2, 1), is_async=True, ut=5, activate=9
            ),
            *log.add(1),
        ],
        export="go",
    )
    assert log.read(relay("wse3", kit, 1, n=2), 1) == [1, 9]


def test_commands_run_in_order() -> None:
    """The copy waits until the launched function lets it, and sees what the function wrote."""
    kit = Kit()
    x = kit.symbol("x", 8, export="u32")
    unblock = tir.UnblockCommands(LOC)
    body = tir.Store(x, binary("add", tir.Load("u32", x), local("u32", 0)))
    kit.function([body, delay(1000), unblock], ["u32"], params=1, export="add")
    engine = engine_of(kit, kit)
    given = np.array([[[5, 6], [7, 8]]], np.uint32)
    got = [np.zeros((1, 2, 2), np.uint32) for _ in range(2)]
    engine.submit(CopyIn("x", 0, 0, given, 4))
    engine.submit(Launch("add", (100,)))
    tickets = [engine.submit(CopyOut("x", 0, 0, data, 4)) for data in got]
    assert not engine.is_done(tickets[0])
    engine.run(tickets[1])
    assert engine.is_done(tickets[0]) and engine.now > 1000
    assert all((data == [[[105, 6], [107, 8]]]).all() for data in got)


def test_copy_of_a_part_with_16_bit_elements() -> None:
    kit = Kit()
    x = kit.symbol("x", 8, export="u16")
    engine = engine_of(kit, kit, kit)
    engine.run(engine.submit(CopyIn("x", 1, 0, np.array([[[0xA0001, 2, 3]]], np.uint32), 2)))
    assert engine.read(1, 0, kit.address(x), 8) == bytes([1, 0, 2, 0, 3, 0, 0, 0])
    assert engine.read(0, 0, kit.address(x), 8) == engine.read(2, 0, kit.address(x), 8) == bytes(8)


def test_time_of_a_copy() -> None:
    kit = Kit()
    kit.symbol("x", 400, export="u32")
    engine = engine_of(kit)
    ticket = engine.submit(CopyIn("x", 0, 0, np.zeros((1, 1, 100), np.uint32), 4))
    engine.run(ticket)
    assert engine.now == -(-100 // MACHINE.host.copy_words_per_cycle) + 1


def test_time_stamps_count_cycles() -> None:
    kit = Kit()
    stamps = kit.symbol("t", 16)
    kit.function([tir.ReadTsc(stamps, LOC), delay(70000), tir.ReadTsc(tir.Addr(0, 8), LOC)], export="go")
    first, second = np.frombuffer(launched(kit).read(0, 0, 0, 16), np.uint64)
    cost = 3 * (MACHINE.scalar.tsc_read_cycles + MACHINE.scalar.store_cycles)
    assert first == MACHINE.task.dispatch_cycles + cost and second - first == 70000 + cost


def test_control_flow() -> None:
    """Nested loops with breaks and continues through labels, calls with results."""
    kit = Kit()
    log = Log(kit)
    double = kit.function(
        [tir.Return(binary("add", local("u16", 0), local("u16", 0)))], ["u16"], params=1, result="u16"
    )
    skip = tir.If(binary("eq", local("u16", 1), u16(1)), (tir.Continue(1),), ())
    stop = tir.If(binary("eq", local("u16", 0), u16(3)), (tir.Break(5),), ())
    value = binary("add", binary("mul", local("u16", 0), u16(10)), local("u16", 1))
    call = (tir.Set(2, value), tir.Call(double, (local("u16", 2),), 2, LOC))
    inner = count_to(1, 3, [skip, *call, *log.add(local("u16", 2))], 1)
    outer = tir.Block(5, count_to(0, 9, [stop, *inner], 0))
    kit.function([outer, *log.add(999)], ["u16"] * 3, export="go")
    expected = [2 * (10 * i + j) for i in range(3) for j in (0, 2)]
    assert log.read(launched(kit)) == [*expected, 999]


def failing(change: Callable[[Kit], list[tir.Stmt]]) -> list[str]:
    """Id and notes of the diagnostic of a program whose `go` runs what `change` gives."""
    kit = Kit()
    kit.function(change(kit), ["u16"], export="go")
    engine = engine_of(kit, kit)
    engine.submit(Launch("go"))
    ticket = engine.submit(Launch("go"))
    with pytest.raises(DiagnosticError) as caught:
        engine.run(ticket, max_cycles=20000)
    diagnostic = caught.value.diagnostics[0]
    return [diagnostic.id, *diagnostic.notes]


def test_faults_name_pe_cycle_and_line() -> None:
    bad = tir.Assert(const("bool", 0), "no", LOC)
    id, note = failing(lambda kit: [delay(10), tir.Activate(u16(9), LOC), bad])
    at = MACHINE.task.dispatch_cycles + 10 + MACHINE.scalar.alu_cycles
    assert (id, note) == ("assert-failed", f"PE (0, 0), cycle {at}, test.csl:1")


def test_faults() -> None:
    zero = local("u16", 0)
    assert failing(lambda kit: [tir.Set(0, tir.Binary("div", "u16", zero, zero))])[0] == "divide-by-zero"
    assert failing(lambda kit: [tir.Store(u16(0xFFFF), zero)])[0] == "memory-access"
    assert failing(lambda kit: [tir.Set(0, tir.Load("u16", u16(49151)))])[0] == "memory-access"
    past = mem1d(u16(49000), 100, 2)
    assert failing(lambda kit: [dsd_op("mov16", past, tir.Scalar(u16(1)))])[0] == "memory-access"
    spin = tir.Loop(0, (delay(10),), (), False)
    assert failing(lambda kit: [spin])[0] == "max-cycles"


def waiting(kit: Kit) -> list[tir.Stmt]:
    kit.queue("in", 2, 3)
    return [dsd_op("mov32", tir.Pointer(u16(0)), fabin(2, 1))]


def sending(kit: Kit) -> list[tir.Stmt]:
    kit.queue("out", 2, 3)
    return [dsd_op("mov32", fabout(2, 1), tir.Scalar(const("u32", 1)))]


def test_deadlock_says_who_waits_for_what() -> None:
    id, *notes = failing(waiting)
    assert id == "deadlock"
    assert any("input queue 2" in n and "PE (0, 0)" in n and "test.csl:1" in n for n in notes)


def test_deadlock_of_a_blocked_stream() -> None:
    id, *notes = failing(lambda kit: [])
    assert id == "deadlock" and any("is blocked since `go` began" in note for note in notes)


def test_sending_without_a_route() -> None:
    assert failing(sending)[0] == "unrouted-wavelet"


def test_sending_out_of_the_rectangle() -> None:
    kit = Kit()
    kit.function(sending(kit), export="go")
    engine = engine_of(kit, routes={(0, 0): {3: (RAMP, E)}})
    engine.submit(Launch("go"))
    with pytest.raises(DiagnosticError, match="unrouted-wavelet"):
        engine.run()
