"""What only a run can tell is checked in the run, by both engines: numbers in records, lengths, loops."""

from __future__ import annotations

import pytest

from openwafer import tir
from openwafer.diag import DiagnosticError
from openwafer.machine import load_machine
from openwafer.sim import Launch, make_engine
from openwafer.tir import DsdKind
from tir_kit import RAMP, E, Kit, Routes, binary, dsd_op, image, local, mem1d, record, u16

ENGINES = ("fast", "reference")


def fails(kit: Kit, engine: str, routes: Routes | None = None, cycles: int = 5000) -> tuple[str, str]:
    """Id and message of what a run of `go` ends with."""
    with pytest.raises(DiagnosticError) as caught:
        made = make_engine(
            image([[kit.build()]], {(0, 0): routes or {}}), load_machine(kit.arch), engine=engine
        )  # type: ignore[arg-type]
        made.submit(Launch("go"))
        made.run(None, max_cycles=cycles)
    (found,) = caught.value.diagnostics
    return found.id, found.message


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fifos", [0, 1])
def test_a_record_names_a_fifo_that_is_not_there(engine: str, fifos: int) -> None:
    kit = Kit("wse3")
    a = kit.symbol("a", 16)
    for _ in range(fifos):
        kit.fifos.append(tir.Fifo(a.symbol, 4, 4))
    fifo = record(DsdKind.FIFO, base=9, extent0=1)
    kit.function([dsd_op("mov32", mem1d(a, 1, 4), fifo)], export="go")
    assert fails(kit, engine)[0] == "unsupported"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("color", [37, 69, 65_535])
def test_a_record_names_a_color_that_is_none(engine: str, color: int) -> None:
    """On WSE-2 a queue may send on several colors; the record says which."""
    kit = Kit("wse2")
    a = kit.symbol("a", 16)
    for bound in (3, 5):
        kit.queue("out", 2, bound)
    out = record(DsdKind.FABOUT, base=2, extent0=1, color=color)
    kit.function([dsd_op("mov32", out, mem1d(a, 1, 4))], export="go")
    assert fails(kit, engine, {5: (RAMP, E)}) == (
        "unrouted-wavelet", f"no route for color {color} at PE (0, 0), which sends on it",
    )  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("extents", [(4096, 4096, 2, 1), (65_535, 65_535, 65_535, 65_535), (32_768,) * 4])
def test_an_operation_that_would_not_end_is_refused(engine: str, extents: tuple[int, ...]) -> None:
    kit = Kit("wse3")
    a = kit.symbol("a", 16)
    sizes = {f"extent{k}": extent for k, extent in enumerate(extents)}
    still = record(DsdKind.MEM4D, base=a, **sizes)
    kit.function([dsd_op("mov16", mem1d(a, 1, 2), still)], export="go")
    assert fails(kit, engine)[0] == "unsupported"


def counted(label: int, slot: int, stop: tir.Expr, body: list[tir.Stmt]) -> list[tir.Stmt]:
    """`for` from 0 to `stop`, as the front-end makes it."""
    here = local("u32", slot)
    test = tir.If(binary("ge", here, stop), (tir.Break(label),), ())
    step = tir.Set(slot, binary("add", here, tir.Const("u32", 1)))
    return [
        tir.Set(slot, tir.Const("u32", 0)),
        tir.Loop(label, (test, *body), (step,), True),
    ]


def test_a_counted_loop_of_many_trips_can_be_ended() -> None:
    """Machine code must come back from a nest of 2^64 trips."""
    kit = Kit("wse3")
    most = tir.Const("u32", 0xFFFF_FFFF)
    inner = counted(2, 1, most, [tir.Set(2, binary("add", local("u32", 2), tir.Const("u32", 3)))])
    kit.function(counted(1, 0, most, inner), slots=("u32", "u32", "u32"), export="go")
    assert fails(kit, "fast")[0] in ("max-cycles", "cycle-limit")


def test_calls_of_calls_can_be_ended() -> None:
    """Forty functions, each of which calls the one before twice: a program without loops, for days."""
    kit = Kit("wse3")
    last = kit.function([tir.Set(0, binary("add", local("u16", 0), u16(1)))], slots=("u16",))
    for _ in range(40):
        last = kit.function([tir.Call(last, (), None, 0), tir.Call(last, (), None, 0)])
    kit.function([tir.Call(last, (), None, 0)], export="go")
    assert fails(kit, "fast")[0] in ("max-cycles", "cycle-limit")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loop_that_costs_nothing_lets_time_pass(engine: str) -> None:
    """On a machine whose scalar code is free, too."""
    from openwafer.machine import from_document, to_document

    document = to_document(load_machine("wse3"))
    for fact in document["scalar"].values():
        if fact["unit"] == "cycles":
            fact["value"] = 0
    kit = Kit("wse3")
    kit.function([tir.Loop(1, (), (), False)], export="go")
    made = make_engine(image([[kit.build()]]), from_document(document, "free", ""), engine=engine)  # type: ignore[arg-type]
    made.submit(Launch("go"))
    with pytest.raises(DiagnosticError, match="max-cycles"):
        made.run(None, max_cycles=20_000)


def test_what_runs_before_the_first_cycle_has_an_end() -> None:
    kit = Kit("wse3")
    kit.init = kit.function([tir.Loop(1, (), (), False)])
    assert fails(kit, "fast")[0] == "init-too-long"
