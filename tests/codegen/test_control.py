"""Control flow, waits and calls: machine code against the same thing in Python."""

from __future__ import annotations

import pytest
from _driver import Pe, function, program

from openwafer import tir
from openwafer.codegen._abi import Ctx, Fault, Req, Status
from openwafer.diag import DiagnosticError
from openwafer.tir import lfsr as _lfsr

OUT = (tir.Symbol("out", 64, 2, b"", "[32]u16"),)


def u16(value: int) -> tir.Const:
    return tir.Const("u16", value)


def local(slot: int, t: str = "u16") -> tir.Local:
    return tir.Local(t, slot)


def add(a: tir.Expr, b: tir.Expr) -> tir.Expr:
    return tir.Binary("add", a.type, a, b)


def count(
    label: int, slot: int, n: int, *body: tir.Stmt, ends: tuple[tir.Stmt, ...] = ()
) -> tuple[tir.Stmt, ...]:
    """for (slot = 0; slot < n; slot += 1) body"""
    test = tir.If(tir.Binary("lt", "bool", local(slot), u16(n)), (), (tir.Break(label),))
    step = (tir.Set(slot, add(local(slot), u16(1))), *ends)
    return (tir.Set(slot, u16(0)), tir.Loop(label, (test, *body), step, not ends))


def out(value: tir.Expr, offset: int = 0) -> tir.Store:
    return tir.Store(tir.Addr(0, offset), value)


def when(cond: tir.Expr, *body: tir.Stmt) -> tir.If:
    return tir.If(cond, body, ())


def equal(a: tir.Expr, b: tir.Expr) -> tir.Expr:
    return tir.Binary("eq", "bool", a, b)


def test_break_and_continue_of_nested_loops():
    inner = count(
        1,
        1,
        10,
        when(equal(local(1), u16(3)), tir.Continue(1)),
        when(equal(local(1), u16(7)), tir.Break(1)),
        when(equal(local(0), u16(4)), tir.Continue(0)),
        when(equal(local(0), u16(8)), tir.Break(0)),
        tir.Set(2, add(tir.Binary("mul", "u16", local(2), u16(3)), add(local(0), local(1)))),
    )
    pe = Pe(program(function(*count(0, 0, 10, *inner), out(local(2)), slots=("u16",) * 3), symbols=OUT))
    assert pe.run().status == Status.DONE
    expected = 0
    for i in range(10):
        if i == 8:
            break
        for j in range(7):
            if j == 3:
                continue
            if i == 4:
                break
            expected = (expected * 3 + i + j) & 0xFFFF
    assert pe.load(0, "H") == expected


def test_blocks_are_left_by_break_and_return_ends_a_function():
    body = (
        tir.Block(5, (when(equal(local(0), u16(1)), tir.Break(5)), out(u16(11)))),
        when(equal(local(0), u16(2)), tir.Return(None)),
        out(u16(22), 2),
        tir.Return(None),
        out(u16(33)),
    )
    pe = Pe(program(function(*body, params=1, slots=("u16",)), symbols=OUT))
    for arg, expected in ((0, (11, 22)), (1, (0, 22)), (2, (11, 0))):
        pe.store(0, "HH", 0, 0)
        pe.run(args=(arg,))
        assert (pe.load(0, "H"), pe.load(2, "H")) == expected


def test_plain_calls_return_values_and_cycles():
    double = function(
        tir.Tick(3),
        tir.Return(add(local(0, "f32"), local(1, "f32"))),
        params=2,
        slots=("f32",) * 2,
        result="f32",
    )
    call = tir.Call(1, (tir.Const("f32", 1.5), tir.Const("f32", 2.0)), 0, 0)
    pe = Pe(
        program(function(tir.Tick(2), call, call, out(local(0, "f32")), slots=("f32",)), double, symbols=OUT)
    )
    assert pe.run().cycles == 8
    assert pe.load(0, "f") == 3.5


def test_a_fault_in_a_call_keeps_the_cycles():
    bad = function(tir.Tick(3), out(tir.Binary("div", "u16", u16(1), local(0))), params=1, slots=("u16",))
    pe = Pe(
        program(
            function(tir.Tick(2), tir.Call(1, (local(0),), None, 0), params=1, slots=("u16",)),
            bad,
            symbols=OUT,
        )
    )
    run = pe.run()
    assert (run.status, run.cycles, pe.field(Req.A0)) == (Status.FAULT, 5, Fault.DIVIDE_BY_ZERO)


def test_requests_carry_the_cycles_before_them():
    body = (
        tir.Tick(4),
        tir.Activate(add(local(0), u16(1)), 0),
        tir.SetBlocked(u16(9), True, 0),
        tir.Tick(6),
        tir.SetBlocked(u16(10), False, 0),
        tir.UnblockCommands(0),
        tir.Tick(1),
    )
    run = Pe(program(function(*body, params=1, slots=("u16",)))).run(args=(7,))
    assert run.waits == [
        (Status.ACTIVATE, 4, 8),
        (Status.BLOCK, 0, 9),
        (Status.UNBLOCK, 6, 10),
        (Status.UNBLOCK_COMMANDS, 0, 0),
    ]
    assert (run.status, run.cycles) == (Status.DONE, 11)


TYPES = ("u16", "i32", "f16", "f32", "bool", "u64", "i5", "dsd")


def test_locals_of_every_type_survive_waits_in_calls_in_loops():
    values: tuple[tir.Expr, ...] = (
        local(0),
        tir.Cast("i32", tir.Unary("neg", "i16", tir.Cast("i16", local(0)))),
        tir.Cast("f16", local(0)),
        tir.Binary("div", "f32", tir.Const("f32", 1.0), tir.Cast("f32", local(0))),
        tir.Binary("gt", "bool", local(0), u16(2)),
        tir.Binary("mul", "u64", tir.Cast("u64", local(0)), tir.Const("u64", 0x123456789)),
        tir.Cast("i5", local(0)),
        tir.DsdMake((local(0), *[u16(i) for i in range(14)], local(0))),
    )
    check = function(
        *[tir.Set(i + 1, v) for i, v in enumerate(values)],
        tir.Activate(local(0), 0),
        tir.Tick(1),
        *[tir.Store(tir.Addr(0, 40 * i), tir.Local(t, i + 1)) for i, t in enumerate(TYPES)],
        tir.Activate(tir.DsdGet(tir.Local("dsd", 8), 15), 0),
        tir.Return(add(local(0), local(1))),
        params=1,
        slots=("u16", *TYPES),
        result="u16",
    )
    call = tir.Call(1, (add(local(0), u16(1)),), 2, 0)
    accumulate = tir.Set(1, add(local(1), local(2)))
    outer = function(*count(0, 0, 5, call, accumulate), out(local(1), 400), slots=("u16",) * 3)
    symbols = (tir.Symbol("out", 512, 2, b"", ""),)
    pe = Pe(program(outer, check, symbols=symbols), memory_bytes=512)
    run = pe.run()
    assert [task for _, _, task in run.waits] == [n for i in range(1, 6) for n in (i, i)]
    assert pe.load(400, "H") == sum(2 * i for i in range(1, 6))
    assert [pe.load(40 * i, f) for i, f in enumerate("HiefHQb")] == [
        5,
        -5,
        5.0,
        pytest.approx(0.2),
        1,
        5 * 0x123456789,
        5,
    ]
    assert [pe.load(280 + 2 * i, "H") for i in range(16)] == [5, *range(14), 5]


def test_waits_three_calls_deep_with_loops_between():
    """Each level loops over the level below; the leaf activates 100 a + 10 b + c."""
    ten = u16(10)
    leaf_id = add(tir.Binary("mul", "u16", local(0), ten), local(1))
    leaf = function(*count(0, 1, 2, tir.Tick(1), tir.Activate(leaf_id, 0)), params=1, slots=("u16",) * 2)
    middle_arg = add(tir.Binary("mul", "u16", local(0), ten), local(1))
    middle = function(
        *count(0, 1, 3, tir.Call(2, (middle_arg,), None, 0), tir.Call(3, (), None, 0)),
        params=1,
        slots=("u16",) * 2,
    )
    plain = function(tir.Tick(5))
    outer = function(*count(0, 0, 2, tir.Call(1, (local(0),), None, 0)), slots=("u16",))
    run = Pe(program(outer, middle, leaf, plain)).run()
    assert [task for _, _, task in run.waits] == [
        100 * a + 10 * b + c for a in range(2) for b in range(3) for c in range(2)
    ]
    assert run.cycles == 2 * 3 * (2 + 5)


def test_locals_start_at_zero_in_every_call():
    callee = function(
        tir.Set(1, add(local(1), local(0))), tir.Activate(local(1), 0), params=1, slots=("u16", "u16")
    )
    run = Pe(
        program(function(tir.Call(1, (u16(3),), None, 0), tir.Call(1, (u16(4),), None, 0)), callee)
    ).run()
    assert [task for _, _, task in run.waits] == [3, 4]


@pytest.mark.parametrize(("tick", "waits"), [(4, 1), (2, 0), (4097, 1000)])
def test_yield_waits_only_beyond_the_limit(tick: int, waits: int):
    body = count(0, 0, 1000, tir.Set(1, add(local(1), local(0))), ends=(tir.Tick(tick), tir.Yield(0)))
    pe = Pe(program(function(*body, out(local(1)), slots=("u16", "u16")), symbols=OUT))
    run = pe.run(limit=2000)
    assert (run.cycles, pe.load(0, "H")) == (1000 * tick, sum(range(1000)) & 0xFFFF)
    assert abs(len(run.waits) - (1000 * tick // 4097 if tick < 4097 else waits)) <= 1
    assert all(status == Status.WAIT and cycles > 4096 for status, cycles, _ in run.waits)


def test_a_yield_in_the_middle_and_nested_unbounded_loops():
    inner = count(
        1, 1, 100, tir.Set(2, add(local(2), local(1))), tir.Yield(0), ends=(tir.Tick(50), tir.Yield(0))
    )
    outer = count(0, 0, 20, *inner, ends=(tir.Tick(7), tir.Yield(0)))
    pe = Pe(program(function(*outer, out(local(2)), slots=("u16",) * 3), symbols=OUT))
    run = pe.run()
    assert (run.cycles, pe.load(0, "H")) == (20 * (100 * 50 + 7), 20 * sum(range(100)) & 0xFFFF)
    assert len(run.waits) > 20


def test_time_stamps_are_read_after_the_gathered_cycles_have_passed():
    pe = Pe(
        program(
            function(tir.Tick(9), tir.ReadTsc(tir.Addr(0), 0), tir.ReadTsc(tir.Addr(0, 6), 0)), symbols=OUT
        )
    )
    pe.now = 0x1234_5678_9ABC
    pe.run()
    assert [pe.load(2 * i, "H") for i in range(3)] == [0x9ABC + 9, 0x5678, 0x1234]
    assert pe.load(6, "H") == 0x9ABC + 9


def test_random_numbers_are_those_of_128_single_steps():
    pe = Pe(program(function(tir.Random16(0), out(local(0)), slots=("u16",)), symbols=OUT))
    state = _lfsr.INITIAL_STATE
    for _ in range(50):
        pe.run()
        value, state = _lfsr.value(state), _lfsr.advance(state)
        assert (pe.load(0, "H"), pe.lfsr.value) == (value, state)


def test_leaps_are_steps():
    for steps in (1, 17, 18, 19, 23, 128):
        state = expected = 0xDEADBEEF
        for shift, right0, right1, mask in _lfsr.leaps(steps):
            state = (state << shift | (state >> right0 ^ state >> right1) & mask) & 0xFFFFFFFF
        for _ in range(steps):
            expected = _lfsr.step(expected)
        assert state == expected


def test_copies_move_bytes_and_are_checked():
    pe = Pe(program(function(tir.Copy(local(0), u16(8), 6), params=1, slots=("u16",))))
    pe.store(8, "HHH", 1, 2, 3)
    pe.run(args=(100,))
    assert [pe.load(100 + 2 * i, "H") for i in range(3)] == [1, 2, 3]
    assert pe.run(args=(251,)).status == Status.FAULT


def test_assertions_name_their_message():
    check = [tir.Assert(equal(local(0), u16(i)), f"is {i}", i) for i in (1, 2)]
    pe = Pe(program(function(*check, params=1, slots=("u16",))))
    assert pe.run(args=(1,)).status == Status.FAULT
    assert pe.compiled.messages[pe.ctx[Ctx.FAULT_DETAIL]] == "is 2"
    assert (pe.field(Req.A0), pe.ctx[Ctx.FAULT_LOC]) == (Fault.ASSERT, 2)


@pytest.mark.parametrize(
    ("params", "expected"),
    [(("u32",), [0xCAFE8001]), (("u16", "i16"), [0x8001, 0xCAFE - 0x10000]), (("u16",), [0x8001]), ((), [])],
)
@pytest.mark.parametrize("waits", [False, True])
def test_data_tasks_split_the_wavelet(params: tuple[str, ...], expected: list[int], waits: bool):
    first = (tir.Activate(u16(1), 0),) if waits else ()
    stores = [tir.Store(tir.Addr(0, 8 * i), tir.Cast("i64", local(i, t))) for i, t in enumerate(params)]
    source = program(
        function(*first, *stores, params=len(params), slots=params),
        symbols=OUT,
        tasks=(tir.Task(3, "data", 0, params),),
    )
    pe = Pe(source)
    pe.run(args=(0xCAFE8001,))
    assert [pe.load(8 * i, "q") for i in range(len(params))] == expected


def test_launched_functions_take_a_word_a_parameter():
    types = ("f32", "i16", "bool", "f16")
    stores = [tir.Store(tir.Addr(0, 8 * i), local(i, t)) for i, t in enumerate(types)]
    pe = Pe(program(function(tir.UnblockCommands(0), *stores, params=4, slots=types), symbols=OUT))
    pe.run(args=(0x3F800000, 0xFFFF, 1, 0x3C00))
    assert [pe.load(8 * i, f) for i, f in enumerate("fhHe")] == [1.0, -1, 1, 1.0]


def test_recursion_is_a_diagnostic():
    with pytest.raises(DiagnosticError, match="recursive-call: `f` calls itself"):
        Pe(program(function(tir.Call(0, (), None, 0))))


def test_configuration_registers_are_asked_of_the_engine():
    pe = Pe(program(function(tir.ReadConfig(0, u16(0x7F20), 0), slots=("u16",))))
    assert [(status, address) for status, _, address in pe.run().waits] == [(Status.READ_CONFIG, 0x7F20)]
