"""How often counted loops can run, told from their form; and what the front-end says of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_channels import compile_pe

from openwafer import tir
from openwafer.cost._cost import add_costs
from openwafer.machine import load_machine
from openwafer.tir import trip_bound, walk


def loop(type: str, op: str, stop: int | None, step: int, *body: tir.Stmt) -> tir.Loop:
    """Slot 0 counts; without `stop` it ends at what slot 1 holds."""
    here = tir.Local(type, 0)
    end = tir.Local(type, 1) if stop is None else tir.Const(type, stop)
    test = tir.If(tir.Binary(op, "bool", here, end), (tir.Break(1),), ())
    return tir.Loop(
        1, (test, *body), (tir.Set(0, tir.Binary("add", type, here, tir.Const(type, step))),), True
    )


@pytest.mark.parametrize(
    ("args", "start", "trips"),
    [
        (("u16", "ge", 10, 1), 0, 10),
        (("u16", "ge", 10, 3), 0, 4),
        (("u16", "ge", 10, 3), 10, 0),
        (("u16", "ge", 10, 3), 40, 0),
        (("i16", "le", -3, -2), 4, 4),
        (("u16", "le", 0, 65_535), 5, 5),
        (("u16", "ge", 10, 1), None, 10),
        (("u16", "ge", None, 1), None, 65_535),
        (("i8", "ge", None, 1), None, 255),
        (("u16", "ge", None, 2), None, None),
        (("u8", "ge", 255, 2), 0, None),
        (("u8", "ge", 254, 2), 0, 127),
        (("u16", "ge", 10, 0), 0, None),
        (("u16", "ge", 10, -1), 0, None),
        (("f32", "ge", 10, 1), 0, None),
    ],
)
def test_trips(args: tuple[Any, ...], start: int | None, trips: int | None) -> None:
    assert trip_bound(loop(*args), {} if start is None else {0: start}) == trips


RESET = tir.Set(0, tir.Const("u16", 0))


@pytest.mark.parametrize(
    "body",
    [RESET, tir.Random16(0), tir.If(tir.Const("bool", 1), (RESET,), ())],
    ids=["set", "random", "inside"],
)
def test_a_counter_that_is_set_in_the_body_may_go_on_for_ever(body: tir.Stmt) -> None:
    assert trip_bound(loop("u16", "ge", 10, 1, body)) is None


def made(directory: Path, text: str) -> tir.Loop:
    program = compile_pe(directory, "wse3", pe=text)
    (found,) = (n for f in program.functions for n in walk(f.body) if isinstance(n, tir.Loop))
    return found


@pytest.mark.parametrize(
    ("head", "is_bounded"),
    [
        ("for (@range(u16, n)) |i|", True),
        ("for (@range(i16, 0, 100, 7)) |i|", True),
        ("for (@range(u16, 0, n, 2)) |i|", False),
        ("while (n > 3)", False),
    ],
)
def test_what_the_front_end_calls_bounded(head: str, is_bounded: bool, tmp_path: Path) -> None:
    text = f"""const id = @get_local_task_id(10);
var n: u16 = 5;
task run() void {{ {head} {{ n += 1; }} }}
comptime {{ @bind_local_task(run, id); @activate(id); }}
"""
    found = made(tmp_path, text)
    assert found.bounded == is_bounded


def nest(trips: int) -> tir.Program:
    """A loop of so many trips inside one of 1000."""
    one = loop("u32", "ge", trips, 1)
    test = one.body[0]
    assert isinstance(test, tir.If)
    inner = tir.Loop(2, (tir.If(test.cond, (tir.Break(2),), ()),), one.step, True)
    outside = tir.Local("u32", 1)
    leave = tir.If(tir.Binary("ge", "bool", outside, tir.Const("u32", 1000)), (tir.Break(1),), ())
    step = tir.Set(1, tir.Binary("add", "u32", outside, tir.Const("u32", 1)))
    outer = tir.Loop(1, (leave, tir.Set(0, tir.Const("u32", 0)), inner), (step,), True)
    body = (tir.Set(1, tir.Const("u32", 0)), outer)
    function = tir.Function("f", 0, ("u32", "u32"), "void", body, 0)
    return tir.Program("p", "wse3", (function,), (), (), (), (), (), None, (), (), (), (), (("p", 1),))


@pytest.mark.parametrize(("trips", "yields"), [(4000, 0), (40_000, 1)])
def test_only_nests_of_very_many_trips_can_be_ended_within(trips: int, yields: int) -> None:
    (costed,) = add_costs(nest(trips), load_machine("wse3")).functions
    assert sum(isinstance(n, tir.Yield) for n in walk(costed.body)) == yields
