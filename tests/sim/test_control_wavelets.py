"""Control wavelets: switch positions, pop modes, control tasks, operations that they end."""

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
from openwafer.machine import Fabric, load_machine
from openwafer.sim import _control as control
from openwafer.sim._engine import Engine, Launch
from openwafer.sim.fast._engine import FastEngine
from openwafer.sim.reference._engine import ReferenceEngine
from openwafer.tir import ColorConfig, DsdFlag, Filter, FilterKind
from tir_kit import RAMP, E, Kit, S, W, const, delay, dsd_op, fabin, fabout, image, local, mem1d, u16

COLOR, QUEUE, LOC = 3, 2, 0
ADV, RST, NOP = (control.ADVANCE, False), (control.RESET, False), (control.NOP, False)
NOCE = (control.NOP, True)
TEARDOWN = control.TEARDOWN
POSITIONS = ((RAMP, E), (RAMP, S), (RAMP, E | S), None)
SINK_WORDS = 16
Item = int | tuple[Sequence[tuple[int, bool]], int, int]
"""A data wavelet, or the commands, task and data of a control wavelet."""


def word(commands: Sequence[tuple[int, bool]], task: int = control.NO_TASK, data: int = 0) -> int:
    return control.encode(list(commands), task, data)


def sender(items: Sequence[int | tuple[int]]) -> Kit:
    """Sends wavelets one after the other; control words are given as 1-tuples."""
    kit = Kit()
    kit.queue("out", QUEUE, COLOR)
    body = [
        dsd_op("mov32", fabout(QUEUE, 1, flags=int(DsdFlag.CONTROL) if isinstance(item, tuple) else 0),
               tir.Scalar(const("u32", item[0] if isinstance(item, tuple) else item)))
        for item in items
    ]  # fmt: skip
    kit.function(body, export="go")
    return kit


def receiver(n: int = SINK_WORDS) -> Kit:
    """Stores all that comes, as words."""
    kit = Kit()
    kit.queue("in", QUEUE, COLOR)
    sink = kit.symbol("sink", 4 * SINK_WORDS)
    kit.function([dsd_op("mov32", mem1d(sink, n, 4), fabin(QUEUE, n), is_async=True)], export="go")
    return kit


def received(engine: Engine, x: int, y: int) -> list[int]:
    words = np.frombuffer(engine.read(x, y, 0, 4 * SINK_WORDS), np.uint32)
    return [int(w) for w in words if w]


def fork(items: Sequence[int | tuple[int]], **switches: Any) -> tuple[list[int], list[int]]:
    """What goes east, what goes south, of what PE (0, 0) sends by the positions E, S, both."""
    config = ColorConfig(COLOR, POSITIONS, **switches)
    empty = Kit().build()
    made = image(
        [[sender(items).build(), receiver().build()], [receiver().build(), empty]],
        {(0, 0): {COLOR: config}, (1, 0): {COLOR: (W, RAMP)}, (0, 1): {COLOR: (4, RAMP)}},
    )
    engine = ReferenceEngine(made, load_machine("wse3"))
    engine.submit(Launch("go"))
    engine.run()
    return received(engine, 1, 0), received(engine, 0, 1)


def test_a_control_wavelet_goes_by_the_old_position_and_then_advances() -> None:
    adv = word([ADV])
    assert fork([1, (adv,), 2, (adv,), 3]) == ([1, adv, 3], [2, adv, 3])


def test_behind_the_last_position_it_stays_or_begins_again_in_ring_mode() -> None:
    adv = word([ADV])
    items = [1, (adv,), (adv,), (adv,), 2]
    assert fork(items) == ([1, adv, adv, 2], [adv, adv, 2])
    assert fork(items, ring=True) == ([1, adv, adv, 2], [adv, adv])


def test_reset_goes_back_to_position_0_from_any() -> None:
    rst = word([RST])
    assert fork([1, (rst,), 2], current=2) == ([1, rst, 2], [1, rst])


def test_the_position_at_the_start_is_the_configured_one() -> None:
    assert fork([1], current=1) == ([], [1])


@pytest.mark.parametrize("pop_mode", range(4))
def test_pop_modes(pop_mode: int) -> None:
    """Never; always; if the position changed; if it changed or the command was a NOP."""
    nop, adv, rst = word([NOP, ADV]), word([ADV, RST]), word([RST, ADV])
    popped = [
        [],
        [nop, adv, rst],
        [adv],
        [nop, adv],
    ][pop_mode]
    expected = [control.without_first(w) if w in popped else w for w in (nop, adv)]
    east, south = fork([(nop,), (adv,)], pop_mode=pop_mode)
    assert (east, south) == (expected, [])
    reset = control.without_first(rst) if rst in popped else rst
    assert fork([(rst,)], pop_mode=pop_mode) == ([reset], [])


def line(commands: Sequence[tuple[int, bool]], pop_mode: int, task: int = control.NO_TASK) -> list[int]:
    """Positions of the switches of three PEs that a control wavelet passes from west to east."""
    config = ColorConfig(COLOR, ((W, E), (W, E), None, None), pop_mode=pop_mode)
    kits = [sender([(word(commands, task),)]), Kit(), Kit(), Kit(), receiver()]
    routes: Any = {(x, 0): {COLOR: config} for x in (1, 2, 3)}
    routes |= {(0, 0): {COLOR: (RAMP, E)}, (4, 0): {COLOR: (W, RAMP)}}
    engine = ReferenceEngine(image([[kit.build() for kit in kits]], routes), load_machine("wse3"))
    engine.submit(Launch("go"))
    engine.run()
    assert received(engine, 4, 0)
    routers = engine._routers  # pyright: ignore[reportPrivateUsage]
    return [routers[x, 0].routes[COLOR].current for x in (1, 2, 3)]


def test_one_command_a_router_where_it_is_popped() -> None:
    assert line([ADV], pop_mode=0) == [1, 1, 1]
    assert line([ADV], pop_mode=2) == [1, 0, 0]
    assert line([ADV, NOP, ADV], pop_mode=1) == [1, 0, 1]
    assert line([NOP, ADV], pop_mode=3) == [0, 1, 0]


def control_case(items: Sequence[int | tuple[int]], receiver: Kit) -> ReferenceEngine:
    routes = {(0, 0): {COLOR: (RAMP, E)}, (1, 0): {COLOR: (W, RAMP)}}
    made = image([[sender(items).build(), receiver.build()]], routes)
    engine = ReferenceEngine(made, load_machine("wse3"))
    engine.submit(Launch("go"))
    engine.run()
    return engine


def log_kit() -> tuple[Kit, tir.Addr]:
    kit = Kit()
    kit.queue("in", QUEUE, COLOR)
    return kit, kit.symbol("sink", 4 * SINK_WORDS)


def append(sink: tir.Addr, value: tir.Expr) -> list[tir.Stmt]:
    """Adds a word behind those that are there; the count stands in the last."""
    count = tir.Addr(sink.symbol, 4 * SINK_WORDS - 4)
    n = tir.Load("u16", count)
    place = tir.Binary("add", "u16", sink, tir.Binary("mul", "u16", n, u16(4)))
    add = tir.Store(count, tir.Binary("add", "u16", n, u16(1)))
    return [tir.Store(place, tir.Cast("u32", value)), add]


def test_data_and_control_tasks_take_their_own_wavelets_in_order() -> None:
    kit, sink = log_kit()
    kit.task(QUEUE, append(sink, local("u32", 0)), ["u32"], kind="data", params=1)
    kit.task(40, append(sink, local("u16", 0)), ["u16"], kind="control", params=1)
    items = [7, (word([NOP], 40, 0x1234),), 8, (word([NOP], 40, 0x4321),)]
    assert received(control_case(items, kit), 1, 0) == [7, 0x1234, 8, 0x4321, 4]


def test_a_blocked_queue_holds_its_control_wavelets_back() -> None:
    kit, sink = log_kit()
    kit.blocked = [QUEUE]
    kit.task(40, append(sink, u16(5)), kind="control")
    assert received(control_case([(word([NOP], 40),)], kit), 1, 0) == []
    kit, sink = log_kit()
    kit.blocked, kit.activated = [QUEUE], [9]
    kit.task(9, [delay(300), *append(sink, u16(9)), tir.SetBlocked(u16(QUEUE), False, LOC)])
    kit.task(40, append(sink, u16(5)), kind="control")
    assert received(control_case([(word([NOP], 40),)], kit), 1, 0) == [9, 5, 2]


def test_noce_keeps_a_wavelet_from_the_pe_but_not_from_its_neighbours() -> None:
    popping = ColorConfig(COLOR, ((W, E | RAMP),), pop_mode=1)
    routes: Any = {(0, 0): {COLOR: (RAMP, E)}, (1, 0): {COLOR: popping}, (2, 0): {COLOR: (W, RAMP)}}
    hidden, shown = word([NOCE, NOP]), word([NOP])
    kits = [sender([(hidden,), (shown,)]), receiver(), receiver()]
    engine = ReferenceEngine(image([[kit.build() for kit in kits]], routes), load_machine("wse3"))
    engine.submit(Launch("go"))
    engine.run()
    assert received(engine, 1, 0) == [control.without_first(shown)]
    assert received(engine, 2, 0) == [control.without_first(hidden), control.without_first(shown)]


def errors(items: Sequence[int | tuple[int]], kit: Kit) -> str:
    routes = {(0, 0): {COLOR: (RAMP, E)}, (1, 0): {COLOR: (W, RAMP)}}
    case = Case("", lambda: image([[sender(items).build(), kit.build()]], routes))
    found = {outcome(make, case).error for make in (ReferenceEngine, FastEngine)}
    assert len(found) == 1, found
    return found.pop()


def test_an_unbound_control_task_is_an_error_and_31_is_nobody() -> None:
    kit, _ = log_kit()
    assert errors([(word([NOP], 41),)], kit) == "control-task-not-bound"
    assert errors([(word([NOP]),)], kit) == ""


def ended_by_control(action: tir.ControlAction | None, items: Sequence[int | tuple[int]]) -> ReferenceEngine:
    """A microthread takes words; tasks 9 (its own end), 10 and 11 (blocked, active) write their ids."""
    kit, sink = log_kit()
    data = kit.symbol("data", 64)
    for id in (9, 10, 11):
        kit.task(id, append(sink, u16(id)))
    kit.blocked, kit.activated = [11], [11]
    take = dsd_op("mov32", mem1d(data, 4, 4), fabin(QUEUE, 4), is_async=True, activate=9, on_control=action)
    kit.function([take], export="go")
    return control_case(items, kit)


def test_a_control_wavelet_ends_an_operation() -> None:
    stop = (word([NOP], 50),)
    only = ended_by_control(tir.ControlAction(None, None), [1, 2, stop])
    assert received(only, 1, 0) == [] and only.stats().dsd_elements == 5
    assert received(ended_by_control(tir.ControlAction(u16(10), None), [1, stop]), 1, 0) == [10, 1]
    assert received(ended_by_control(tir.ControlAction(None, u16(11)), [stop]), 1, 0) == [11, 1]


def test_without_on_control_it_is_an_element() -> None:
    engine = ended_by_control(None, [1, 2, 3, (word([NOP], 50),)])
    assert received(engine, 1, 0) == [9, 1]
    assert int.from_bytes(engine.read(1, 0, 4 * SINK_WORDS + 12, 4), "little") == word([NOP], 50)


def test_a_full_operation_is_not_ended() -> None:
    """Four data wavelets end it; the control wavelet behind them is for the control task."""
    kit, sink = log_kit()
    data = kit.symbol("data", 64)
    kit.task(9, append(sink, u16(9)))
    kit.task(50, append(sink, u16(50)), kind="control")
    action = tir.ControlAction(None, None)
    take = dsd_op("mov32", mem1d(data, 4, 4), fabin(QUEUE, 4), is_async=True, activate=9, on_control=action)
    kit.function([take], export="go")
    engine = control_case([1, 2, 3, 4, (word([NOP], 50),)], kit)
    assert sorted(received(engine, 1, 0)) == [2, 9, 50]


def random_switches(arch: str, seed: int) -> Image:
    """A row of PEs through whose switches the first sends data and control wavelets; each keeps some."""
    rng = random.Random(seed)
    width = rng.randint(3, 6)
    items: list[int | tuple[int]] = []
    for i in range(rng.randint(4, 20)):
        commands = [
            (rng.choice([0, 0, 1, 1, 1, 2, 2, TEARDOWN]), rng.random() < 0.2)
            for _ in range(rng.randint(0, 4))
        ]
        task = rng.choice([40, 41, control.NO_TASK])
        items.append((word(commands, task, rng.randrange(1, 999)),) if rng.random() < 0.4 else 100 + i)
    kits = [sender(items)]
    routes: dict[tuple[int, int], Any] = {(0, 0): {COLOR: (RAMP, E)}}
    for x in range(1, width):
        outputs = [E | RAMP, RAMP, E] if x < width - 1 else [RAMP]
        positions = tuple(
            (W, rng.choice(outputs)) if i == 0 or rng.random() < 0.6 else None for i in range(4)
        )
        current = rng.choice([i for i in range(4) if positions[i]])
        config = ColorConfig(
            COLOR, positions, current, rng.random() < 0.5, rng.randrange(4), rng.random() < 0.1, _filter(rng)
        )
        routes[x, 0] = {COLOR: config}
        kits.append(_taker(rng, arch))
    for kit in kits:
        kit.arch = arch
    return image([[kit.build() for kit in kits]], routes)


def _filter(rng: random.Random) -> Filter | None:
    kind = rng.choice([FilterKind.NONE, *FilterKind])
    if kind == FilterKind.NONE:
        return None
    limits = [rng.choice([None, rng.randint(0, 5)]) for _ in range(2)]
    if kind != FilterKind.SPARSE_COUNTER:
        limits = [rng.randint(0, 5), None]
    flags = [rng.random() < chance for chance in (0.8, 0.5, 0.1)]
    return Filter(kind, *flags, rng.randint(0, 3), *limits, rng.randint(0, 4))  # pyright: ignore[reportCallIssue]


def _change_registers(rng: random.Random, fabric: Fabric) -> list[tir.Stmt]:
    """Reads which colors were torn down, changes some registers, and lets the color go on."""
    color, switch = (a or 0 for a in (fabric.color_config_address, fabric.switch_config_address))
    body: list[tir.Stmt] = [tir.ReadConfig(0, u16(fabric.teardown_pending_address or 0), LOC)]
    for _ in range(rng.randrange(3)):
        body.append(tir.WriteConfig(u16(switch + COLOR), u16(rng.randrange(1 << 15)), LOC))
    if (second := fabric.second_switch_config_address) and rng.random() < 0.5:
        body.append(tir.WriteConfig(u16(second + COLOR), u16(rng.randrange(1 << 12)), LOC))
    body.append(tir.ReadConfig(1, u16(switch + COLOR), LOC))
    body.append(tir.ReadConfig(2, u16(color + COLOR), LOC))
    kept = tir.Binary("and", "u16", local("u16", 2), u16(0xBFFF))
    return [*body, delay(rng.randint(1, 9)), tir.WriteConfig(u16(color + COLOR), kept, LOC)]


def _taker(rng: random.Random, arch: str) -> Kit:
    kit, sink = log_kit()
    machine = load_machine(arch)
    if rng.random() < 0.7:
        body = [*_change_registers(rng, machine.fabric), *append(sink, local("u16", 0))]
        body += [*append(sink, local("u16", 1)), *append(sink, local("u16", 2))]
        kit.task(machine.task.teardown_id or 0, body, ["u16"] * 3)
    stamps = kit.symbol("stamps", 32)
    kit.task(
        QUEUE, [delay(rng.randint(1, 20)), *append(sink, local("u32", 0))], ["u32"], kind="data", params=1
    )
    kit.task(
        COLOR, [delay(rng.randint(1, 20)), *append(sink, local("u32", 0))], ["u32"], kind="data", params=1
    )
    for i, id in enumerate((40, 41)):
        body = [*append(sink, local("u16", 0)), tir.ReadTsc(tir.Addr(stamps.symbol, 8 * i), LOC)]
        kit.task(id, body, ["u16"], kind="control", params=1)
    if rng.random() < 0.5:
        n = rng.randint(1, 5)
        action = tir.ControlAction(u16(9), None) if rng.random() < 0.7 else None
        kit.task(9, [tir.ReadTsc(tir.Addr(stamps.symbol, 16), LOC)])
        data = kit.symbol("data", 32)
        take = dsd_op(
            "mov32", mem1d(data, n, 4), fabin(QUEUE, n), is_async=True, activate=9, on_control=action
        )
        kit.function([delay(rng.randint(1, 40)), take], export="go")
    return kit


RANDOM = [Case(f"switches-{arch}-{s}", partial(random_switches, arch, s)) for arch in ("wse2", "wse3")
          for s in range(40)]  # fmt: skip


@pytest.mark.parametrize("case", RANDOM, ids=lambda case: case.name)
def test_engines_agree_on_control_wavelets(case: Case) -> None:
    expected = outcome(ReferenceEngine, case)
    if not expected.error:
        assert outcome(EveryCycle, case) == expected
    agree(case)
