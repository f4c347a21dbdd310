"""Streams between PEs: latencies in closed form, back-pressure, multicast. P, B, hops as in the formulas."""

from __future__ import annotations

import numpy as np
import pytest

from openwafer import tir
from openwafer.machine import Machine, load_machine
from openwafer.sim._engine import Launch
from openwafer.sim.reference._engine import ReferenceEngine
from openwafer.tir import DsdFlag
from tir_kit import RAMP, E, Kit, Routes, W, const, delay, dsd_op, fabin, fabout, image, mem1d, u16

COLOR, QUEUE = 3, 2
DONE = 10
ARCHS = ["wse2", "wse3"]


def go(programs: list[Kit], routes: dict[tuple[int, int], Routes], machine: Machine) -> ReferenceEngine:
    """A row of programs, `go` launched on all, simulated to the end."""
    engine = ReferenceEngine(image([[kit.build() for kit in programs]], routes), machine)
    engine.submit(Launch("go"))
    engine.run()
    return engine


def sender(arch: str, words: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> Kit:
    """Sends an array; its symbol `t` is the time stamp before."""
    kit = Kit(arch)
    stamp, data = kit.symbol("t", 8), kit.array("a", words)
    kit.queue("out", QUEUE, COLOR)
    send = dsd_op("mov32", fabout(QUEUE, len(words)), mem1d(data, len(words), 4))
    kit.function([tir.ReadTsc(stamp, 0), send], export="go")
    return kit


def receiver(arch: str, n: int, wait: int = 1) -> Kit:
    """Receives n words into `a` after a delay; a task then writes the time stamp to `t`."""
    kit = Kit(arch)
    stamp, data = kit.symbol("t", 8), kit.symbol("a", 4 * n)
    kit.queue("in", QUEUE, COLOR)
    kit.task(DONE, [tir.ReadTsc(stamp, 0)])
    receive = dsd_op("mov32", mem1d(data, n, 4), fabin(QUEUE, n), is_async=True, activate=DONE)
    kit.function([delay(wait), receive], export="go")
    return kit


def idle(arch: str) -> Kit:
    kit = Kit(arch)
    kit.function([], export="nothing")
    return kit


def stamp(engine: ReferenceEngine, x: int) -> int:
    return int.from_bytes(engine.read(x, 0, 0, 6), "little")


def words(engine: ReferenceEngine, x: int, n: int) -> list[int]:
    return list(np.frombuffer(engine.read(x, 0, 8, 4 * n), np.uint32))


def line(hops: int) -> dict[tuple[int, int], Routes]:
    """A route from PE 0 eastwards to PE `hops`."""
    middle: dict[tuple[int, int], Routes] = {(x, 0): {COLOR: (W, E)} for x in range(1, hops)}
    return {(0, 0): {COLOR: (RAMP, E)}, **middle, (hops, 0): {COLOR: (W, RAMP)}}


def transfer_cycles(machine: Machine, n: int, hops: int) -> int:
    """From the cycle in which a send of n words starts to the activation of the task at the receiver."""
    fabric, dsd = machine.fabric, machine.dsd
    first = dsd.fabric_setup_cycles + 1 + fabric.ramp_up_cycles
    return first + (n - 1) + hops * fabric.hop_cycles + fabric.ramp_down_cycles + 1 + dsd.completion_cycles


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("hops", [1, 2, 7])
@pytest.mark.parametrize("n", [1, 8, 40])
def test_latency_of_a_chain_of_hops(arch: str, hops: int, n: int) -> None:
    machine = load_machine(arch)
    data = np.arange(n, dtype=np.uint32) + 7
    kits = [sender(arch, data), *[idle(arch) for _ in range(hops - 1)], receiver(arch, n)]
    engine = go(kits, line(hops), machine)
    assert words(engine, hops, n) == list(data)
    read = 3 * (machine.scalar.tsc_read_cycles + machine.scalar.store_cycles)
    ready = stamp(engine, hops) - read - machine.task.dispatch_cycles
    assert ready - (stamp(engine, 0) + machine.dsd.issue_cycles) == transfer_cycles(machine, n, hops)


def test_eight_words_over_one_hop_take_19_cycles() -> None:
    """Measured (FAB): from the start of the send to the first instruction of the completion task."""
    machine = load_machine("wse3")
    cycles = transfer_cycles(machine, 8, 1) + machine.task.dispatch_cycles
    assert cycles == machine.fact("published.eight_words_one_hop_cycles").value == 19


def test_a_relay_costs_16_cycles() -> None:
    """Measured (FAB): N store-and-forward relays of B wavelets take 1.001 N B + 16.1 N + 16.5."""
    machine = load_machine("wse3")
    start = machine.task.dispatch_cycles + machine.dsd.issue_cycles
    assert start + transfer_cycles(machine, 1, 1) - 1 == 16


def chain_reduction_cycles(arch: str, pes: int, n: int) -> int:
    """Every PE but the last adds its own array to what comes from the east and sends it west."""
    machine, kits = load_machine(arch), list[Kit]()
    routes: dict[tuple[int, int], Routes] = {}
    for x in range(pes):
        kit = Kit(arch)
        stamps, data = kit.symbol("t", 16), kit.array("a", np.full(n, x + 1, np.float32))
        out_color, in_color = x % 2, (x + 1) % 2
        kit.queue("out", 2, out_color)
        kit.queue("in", 2, in_color)
        routes[x, 0] = {out_color: (RAMP, W), in_color: (E, RAMP)}
        mine, incoming, outgoing = mem1d(data, n, 4), fabin(2, n), fabout(2, n)
        if x == pes - 1:
            op = dsd_op("fmovs", outgoing, mine)
        else:
            op = dsd_op("fadds", mine if x == 0 else outgoing, incoming, mine)
        kit.function([tir.ReadTsc(stamps, 0), op, tir.ReadTsc(tir.Addr(stamps.symbol, 8), 0)], export="go")
        kits.append(kit)
    del routes[0, 0][0], routes[pes - 1, 0][pes % 2]
    engine = go(kits, routes, machine)
    total = np.frombuffer(engine.read(0, 0, 16, 4 * n), np.float32)
    assert (total == pes * (pes + 1) / 2).all()
    return int.from_bytes(engine.read(0, 0, 8, 6), "little") - stamp(engine, 0)


def test_chain_reduction_takes_b_and_six_cycles_a_pe() -> None:
    """Measured on WSE-2 (SpMM): B + 6 (P - 1) + constant, exact for B from 1 to 8192 and P = 512."""
    sizes = [(2, 1), (2, 30), (5, 1), (9, 64), (16, 200)]
    rest = {chain_reduction_cycles("wse2", p, b) - b - 6 * (p - 1) for p, b in sizes}
    assert len(rest) == 1


@pytest.mark.parametrize("arch", ARCHS)
def test_back_pressure_loses_nothing(arch: str) -> None:
    n, hops = 100, 3
    data = np.arange(n, dtype=np.uint32)
    kits = [sender(arch, data), idle(arch), idle(arch), receiver(arch, n, wait=1000)]
    engine = go(kits, line(hops), load_machine(arch))
    assert words(engine, hops, n) == list(data)
    assert stamp(engine, hops) > 1000 + n


@pytest.mark.parametrize("arch", ARCHS)
def test_a_stopped_stream_fills_exactly_the_buffers(arch: str) -> None:
    machine, n = load_machine(arch), 60
    engine = go([sender(arch, np.arange(n, dtype=np.uint32)), idle(arch)], line(1), machine)
    kept = machine.queues.output_depth[QUEUE] + machine.fabric.router_queue_depth
    assert engine.stats().steps == kept


@pytest.mark.parametrize("arch", ARCHS)
def test_multicast_waits_for_all_outputs(arch: str) -> None:
    """PE 1 takes a copy and passes one on to PE 2, which starts late: PE 1 gets what the buffers hold."""
    n, machine = 50, load_machine(arch)
    routes: dict[tuple[int, int], Routes] = {
        (0, 0): {COLOR: (RAMP, E)}, (1, 0): {COLOR: (W, E | RAMP)}, (2, 0): {COLOR: (W, RAMP)},
    }  # fmt: skip
    data = np.arange(1, n + 1, dtype=np.uint32)
    kits = [sender(arch, data), receiver(arch, n), receiver(arch, n, wait=500)]
    engine = ReferenceEngine(image([[kit.build() for kit in kits]], routes), machine)
    engine.submit(Launch("go"))
    with pytest.raises(Exception, match="max-cycles"):
        engine.run(max_cycles=400)
    held = machine.fabric.router_queue_depth + machine.queues.input_depth[QUEUE]
    assert words(engine, 1, n) == [*data[:held], *[0] * (n - held)]
    engine.run()
    assert words(engine, 1, n) == words(engine, 2, n) == list(data)


def test_colors_share_a_link_by_turns() -> None:
    """Two streams of n words over one link, one wavelet a cycle: both end within one cycle of each other."""
    machine, n = load_machine("wse3"), 40
    left, right = Kit(), Kit()
    data, stamps, sink = (
        left.array("a", np.arange(n, dtype=np.uint32)),
        right.symbol("t", 16),
        right.symbol("s", 4),
    )
    sends: list[tir.Stmt] = []
    receives: list[tir.Stmt] = []
    for i, (queue, color) in enumerate(((2, 3), (4, 7))):
        left.queue("out", queue, color)
        right.queue("in", queue, color)
        sends.append(dsd_op("mov32", fabout(queue, n), mem1d(data, n, 4), is_async=True))
        target, task = tir.Pointer(sink), DONE + i
        receives.append(dsd_op("mov32", target, fabin(queue, n), is_async=True, activate=task))
        right.task(task, [tir.ReadTsc(tir.Addr(stamps.symbol, 8 * i), 0)])
    left.function(sends, export="go")
    right.function(receives, export="go")
    routes: dict[tuple[int, int], Routes] = {
        (0, 0): {3: (RAMP, E), 7: (RAMP, E)}, (1, 0): {3: (W, RAMP), 7: (W, RAMP)},
    }  # fmt: skip
    engine = go([left, right], routes, machine)
    first, second = (int.from_bytes(engine.read(1, 0, 8 * i, 6), "little") for i in range(2))
    task = machine.task.dispatch_cycles + 3 * (machine.scalar.tsc_read_cycles + machine.scalar.store_cycles)
    assert second - first == task and engine.stats().wavelet_hops == 2 * n


@pytest.mark.parametrize("n", [1, 6, 7])
def test_simd_packs_two_elements_a_wavelet(n: int) -> None:
    left, right = Kit(), Kit()
    data = np.arange(1, n + 1, dtype=np.uint16)
    a, b = left.array("a", data), right.symbol("b", 2 * n)
    left.queue("out", QUEUE, COLOR)
    right.queue("in", QUEUE, COLOR)
    packed = DsdFlag.SIMD_32
    left.function([dsd_op("mov16", fabout(QUEUE, n, flags=packed), mem1d(a, n, 2))], export="go")
    right.function([dsd_op("mov16", mem1d(b, n, 2), fabin(QUEUE, n, flags=packed))], export="go")
    engine = go([left, right], line(1), load_machine("wse3"))
    assert engine.read(1, 0, 0, 2 * n) == data.tobytes()
    assert engine.stats().wavelet_hops == (n + 1) // 2


def test_wavelet_index_goes_into_the_high_half() -> None:
    left, right = Kit(), receiver("wse3", 1)
    left.queue("out", QUEUE, COLOR)
    out = fabout(QUEUE, 1, flags=DsdFlag.WAVELET_INDEX)
    left.function([dsd_op("mov16", out, tir.Scalar(u16(5)), index=0x1234)], export="go")
    engine = go([left, right], line(1), load_machine("wse3"))
    assert words(engine, 1, 1) == [0x1234_0005]


def test_reduction_of_a_stream() -> None:
    n = 20
    right = Kit()
    total = right.symbol("t", 4)
    right.queue("in", QUEUE, COLOR)
    right.function(
        [dsd_op("fadds", tir.Pointer(total), tir.Scalar(const("f32", 1)), fabin(QUEUE, n))], export="go"
    )
    data = np.arange(n, dtype=np.float32).view(np.uint32)
    engine = go([sender("wse3", data), right], line(1), load_machine("wse3"))
    assert np.frombuffer(engine.read(1, 0, 0, 4), np.float32)[0] == 1 + n * (n - 1) / 2
