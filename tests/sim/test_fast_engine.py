"""The fast engine on hand-made programs. That it agrees with the reference is tested in
test_engines_agree.py."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from openwafer import tir
from openwafer.diag import DiagnosticError
from openwafer.machine import Machine, load_machine
from openwafer.sim import CopyIn, CopyOut, Launch, make_engine
from openwafer.sim.fast._engine import FastEngine
from tir_kit import (
    RAMP,
    E,
    Kit,
    Routes,
    W,
    binary,
    delay,
    dsd_op,
    f32,
    fabin,
    fabout,
    image,
    local,
    mem1d,
    u16,
)

ARCHS = ["wse2", "wse3"]
COLOR, QUEUE, DONE = 3, 2, 10
BusRoutes = dict[tuple[int, int], Routes]


def run(kits: list[Kit], routes: BusRoutes | None = None) -> FastEngine:
    """A row of programs, `go` launched on all that have it, simulated to the end."""
    arch = kits[0].arch
    engine = FastEngine(image([[kit.build() for kit in kits]], routes), load_machine(arch))
    engine.submit(Launch("go"))
    engine.run()
    return engine


def words(engine: FastEngine, x: int, address: int, n: int) -> list[int]:
    return np.frombuffer(engine.read(x, 0, address, 4 * n), np.uint32).tolist()


def stamp(engine: FastEngine, x: int, address: int = 0) -> int:
    return int.from_bytes(engine.read(x, 0, address, 6), "little")


def sender(arch: str, data: np.ndarray, queue: int = QUEUE, color: int = COLOR) -> Kit:
    kit = Kit(arch)
    at, array = kit.symbol("t", 8), kit.array("a", data)
    kit.queue("out", queue, color)
    send = dsd_op("mov32", fabout(queue, len(data)), mem1d(array, len(data), 4))
    kit.function([tir.ReadTsc(at, 0), send], export="go")
    return kit


def receiver(arch: str, n: int, wait: int = 1) -> Kit:
    """n words into `a` (address 8) after a delay; then a task writes the time stamp to address 0."""
    kit = Kit(arch)
    at, array = kit.symbol("t", 8), kit.symbol("a", 4 * n)
    kit.queue("in", QUEUE, COLOR)
    kit.task(DONE, [tir.ReadTsc(at, 0)])
    receive = dsd_op("mov32", mem1d(array, n, 4), fabin(QUEUE, n), is_async=True, activate=DONE)
    kit.function([delay(wait), receive], export="go")
    return kit


def idle(arch: str) -> Kit:
    kit = Kit(arch)
    kit.function([], export="nothing")
    return kit


def line(hops: int) -> BusRoutes:
    routes: BusRoutes = {(x, 0): {COLOR: (W, E)} for x in range(hops)}
    return {**routes, (0, 0): {COLOR: (RAMP, E)}, (hops, 0): {COLOR: (W, RAMP)}}


def transfer_cycles(machine: Machine, n: int, hops: int) -> int:
    """From the start of a send to the activation at the receiver: set-up, ramp, hops, one word a cycle,
    completion."""
    fabric, dsd = machine.fabric, machine.dsd
    sent = dsd.fabric_setup_cycles + 1 + fabric.ramp_up_cycles + (n - 1)
    return sent + hops * fabric.hop_cycles + fabric.ramp_down_cycles + 1 + dsd.completion_cycles


def transfer(arch: str, n: int, hops: int) -> int:
    """The same, measured by time stamps."""
    machine = load_machine(arch)
    data = np.arange(1, n + 1, dtype=np.uint32)
    engine = run([sender(arch, data), *[idle(arch)] * (hops - 1), receiver(arch, n)], line(hops))
    assert words(engine, hops, 8, n) == data.tolist()
    read = 3 * (machine.scalar.tsc_read_cycles + machine.scalar.store_cycles)
    start = stamp(engine, 0) + machine.dsd.issue_cycles
    return stamp(engine, hops) - read - machine.task.dispatch_cycles - start


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(("n", "hops"), [(1, 1), (1, 9), (8, 1), (40, 2), (100, 30)])
def test_latency_of_a_chain_of_hops(arch: str, n: int, hops: int) -> None:
    assert transfer(arch, n, hops) == transfer_cycles(load_machine(arch), n, hops)


def chain_reduction_rest(pes: int, n: int) -> int:
    """Cycles beyond B + 6 (P - 1) of a chain reduction on wse2."""
    kits: list[Kit] = []
    routes: BusRoutes = {}
    for x in range(pes):
        kit = Kit("wse2")
        at, data = kit.symbol("t", 16), kit.array("a", np.full(n, x + 1, np.float32))
        out_color, in_color = x % 2, (x + 1) % 2
        routes[x, 0] = {}
        mine, incoming, outgoing = mem1d(data, n, 4), fabin(2, n), fabout(2, n)
        if x > 0:
            kit.queue("out", 2, out_color)
            routes[x, 0][out_color] = (RAMP, W)
        if x < pes - 1:
            kit.queue("in", 2, in_color)
            routes[x, 0][in_color] = (E, RAMP)
            op = dsd_op("fadds", outgoing if x else mine, incoming, mine)
        else:
            op = dsd_op("fmovs", outgoing, mine)
        kit.function([tir.ReadTsc(at, 0), op, tir.ReadTsc(tir.Addr(at.symbol, 8), 0)], export="go")
        kits.append(kit)
    engine = run(kits, routes)
    assert np.frombuffer(engine.read(0, 0, 16, 4 * n), np.float32).tolist() == [pes * (pes + 1) / 2] * n
    return stamp(engine, 0, 8) - stamp(engine, 0) - n - 6 * (pes - 1)


def test_chain_reduction_takes_b_and_six_cycles_a_pe() -> None:
    """Measured on WSE-2 (SpMM): B + 6 (P - 1) + constant."""
    assert len({chain_reduction_rest(p, b) for p, b in [(2, 1), (3, 40), (8, 1), (20, 200), (64, 300)]}) == 1


@pytest.mark.parametrize("arch", ARCHS)
def test_back_pressure_loses_nothing(arch: str) -> None:
    data = np.arange(300, dtype=np.uint32)
    engine = run([sender(arch, data), idle(arch), idle(arch), receiver(arch, 300, wait=2000)], line(3))
    assert words(engine, 3, 8, 300) == data.tolist()
    assert stamp(engine, 3) > 2300


@pytest.mark.parametrize("arch", ARCHS)
def test_a_stopped_stream_fills_exactly_the_buffers(arch: str) -> None:
    machine = load_machine(arch)
    engine = run([sender(arch, np.arange(60, dtype=np.uint32)), idle(arch)], line(1))
    assert engine.stats().steps == machine.queues.output_depth[QUEUE] + machine.fabric.router_queue_depth


@pytest.mark.parametrize("arch", ARCHS)
def test_multicast_reaches_all_and_waits_for_the_slowest(arch: str) -> None:
    data = np.arange(1, 81, dtype=np.uint32)
    routes = line(2)
    routes[1, 0] = {COLOR: (W, E | RAMP)}
    engine = run([sender(arch, data), receiver(arch, 80), receiver(arch, 80, wait=700)], routes)
    assert words(engine, 1, 8, 80) == words(engine, 2, 8, 80) == data.tolist()
    assert 700 < stamp(engine, 1) <= stamp(engine, 2)


@pytest.mark.parametrize("arch", ARCHS)
def test_data_task_sums_what_arrives(arch: str) -> None:
    kit = Kit(arch)
    total = kit.symbol("total", 8)
    kit.queue("in", QUEUE, COLOR)
    add = tir.Store(total, binary("add", tir.Load("u32", total), local("u32", 0)))
    kit.task(COLOR if arch == "wse2" else QUEUE, [add], ["u32"], kind="data", params=1)
    engine = run([sender(arch, np.arange(50, dtype=np.uint32)), kit], line(1))
    assert words(engine, 1, 0, 1) == [49 * 50 // 2]


def log_kit(arch: str, ids: list[int]) -> tuple[Kit, tir.Addr]:
    """Tasks that append their id to a log of u32 after its length."""
    kit = Kit(arch)
    log = kit.symbol("log", 64)
    for id in ids:
        place = binary("add", tir.Addr(log.symbol, 4), binary("mul", tir.Load("u16", log), u16(4)))
        more = tir.Store(log, binary("add", tir.Load("u16", log), u16(1)))
        kit.task(id, [tir.Store(place, tir.Const("u32", id)), more])
    return kit, log


def test_tasks_are_picked_in_turn_and_a_blocked_one_waits() -> None:
    kit, _ = log_kit("wse3", [9, 12, 20])
    kit.blocked = [12]
    steps = [tir.Activate(u16(id), 0) for id in (20, 12, 9)]
    kit.function(steps, export="go")
    kit.task(8, [tir.SetBlocked(u16(12), False, 0)])
    kit.activated = [8]
    engine = run([kit])
    assert words(engine, 0, 0, 4) == [3, 9, 12, 20]


def test_unblocked_later() -> None:
    kit, _ = log_kit("wse3", [9, 12])
    kit.task(20, [tir.SetBlocked(u16(9), False, 0)])
    kit.blocked, kit.activated = [9], [9, 12, 20]
    assert words(run([kit]), 0, 0, 3) == [2, 12, 9]


def test_copies_and_launches_run_in_order() -> None:
    kit = Kit("wse3")
    data = kit.symbol("a", 32, export="f32")
    double = dsd_op("fmuls", mem1d(data, 8, 4), mem1d(data, 8, 4), tir.Scalar(local("f32", 0)))
    kit.function([double, tir.UnblockCommands(0)], ["f32"], params=1, export="go")
    program = kit.build()
    engine = make_engine(image([[program] * 3] * 2), load_machine("wse3"))
    given = np.arange(48, dtype=np.float32).reshape(2, 3, 8)
    engine.submit(CopyIn("a", 0, 0, given.view(np.uint32), 4))
    factor = int(np.array(2.5, np.float32).view(np.uint32))
    tickets = [engine.submit(Launch("go", (factor,))), engine.submit(Launch("go", (factor,)))]
    got = np.zeros((1, 2, 8), np.uint32)
    last = engine.submit(CopyOut("a", 1, 1, got, 4))
    assert not engine.is_done(tickets[0])
    engine.run(last)
    assert engine.is_done(tickets[1])
    assert got.view(np.float32).tolist() == (given[1:, 1:] * 6.25).tolist()
    assert engine.now == 1 + 8 + 2 * (engine_launch_cycles(program)) + 8


def engine_launch_cycles(program: tir.Program) -> int:
    """Cycles of one launch of `program` alone: to its end, and the pick in that same cycle."""
    engine = make_engine(image([[program]]), load_machine("wse3"))
    engine.submit(Launch("go", (0,)))
    engine.run()
    return engine.now - 1


def test_deadlock_names_who_waits_for_what() -> None:
    kit = receiver("wse3", 8)
    kit.exports.append(tir.Export("a", "var", 1, "u32", ()))
    engine = make_engine(
        image([[sender("wse3", np.arange(3, dtype=np.uint32)).build(), kit.build()]], line(1)),
        load_machine("wse3"),
    )
    engine.run(engine.submit(Launch("go")))
    copy = engine.submit(CopyOut("a", 1, 0, np.zeros((1, 1, 8), np.uint32), 4))
    with pytest.raises(DiagnosticError) as reason:
        engine.run(copy)
    diagnostic = reason.value.diagnostics[0]
    assert diagnostic.id == "deadlock"
    assert "no code of PE (1, 0) calls `unblock_cmd_stream()`" in diagnostic.message
    assert any("PE (1, 0)" in note and "test.csl:1" in note for note in diagnostic.notes)


def test_max_cycles_then_on() -> None:
    kit = Kit("wse3")
    at = kit.symbol("t", 8)
    kit.function([delay(5000), tir.ReadTsc(at, 0)], export="go")
    engine = make_engine(image([[kit.build()]]), load_machine("wse3"))
    engine.submit(Launch("go"))
    with pytest.raises(DiagnosticError, match="max-cycles"):
        engine.run(max_cycles=100)
    engine.run()
    assert int.from_bytes(engine.read(0, 0, 0, 6), "little") >= 5000


def test_access_beyond_memory_faults_with_its_place() -> None:
    kit = Kit("wse3")
    kit.function([dsd_op("fmovs", mem1d(u16(0xFFF0), 2, 4), tir.Scalar(f32(1)))], export="go")
    engine = make_engine(image([[kit.build()]]), load_machine("wse3"))
    engine.submit(Launch("go"))
    with pytest.raises(DiagnosticError) as reason:
        engine.run()
    assert reason.value.diagnostics[0].id == "memory-access"
    assert "PE (0, 0)" in reason.value.diagnostics[0].notes[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shift", [-1, 0, 1, 3])
def test_overlapping_operands_are_handled_one_by_one(dtype: type, shift: int) -> None:
    """a[i + shift] = a[i] + b[i], as a sequential loop does it, also in the loops that LLVM vectorises."""
    n, size = 70, np.dtype(dtype).itemsize
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-8, 8, n + 8).astype(dtype) for _ in range(2))
    kit = Kit("wse3")
    here, there = kit.array("a", a), kit.array("b", b)
    op = "fadds" if size == 4 else "faddh"
    source, dest = (tir.Addr(here.symbol, (4 + k) * size) for k in (0, shift))
    kit.function(
        [dsd_op(op, mem1d(dest, n, size), mem1d(source, n, size), mem1d(there, n, size))], export="go"
    )
    for i in range(n):
        a[4 + shift + i] = a[4 + i] + b[i]
    assert run([kit]).read(0, 0, 0, a.nbytes) == a.tobytes()


def test_an_idle_wafer_costs_nothing_a_cycle() -> None:
    """300 × 300 PEs, one of which computes for 10^9 cycles: a handful of steps."""
    kit = Kit("wse3")
    kit.function([tir.Tick(10**9)], export="go")
    programs = [[None] * 300 for _ in range(300)]
    programs[7][5] = kit.build()
    engine = make_engine(image(programs), load_machine("wse3"))
    engine.run(engine.submit(Launch("go")))
    engine.run()
    assert engine.now > 10**9


def test_numba_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, openwafer.sim; sys.exit('numba' in sys.modules or 'llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
