"""Where the cost pass puts cycles; each expectation is written out as a sum of machine facts."""

from __future__ import annotations

import pytest
from _driver import Pe, function, machine, program

from openwafer import tir
from openwafer.codegen._abi import Status
from openwafer.cost._cost import add_costs
from openwafer.tir import DsdKind

S = machine().scalar
ARRAYS = (tir.Symbol("x", 4000, 4, b"", "[1000]f32", 0), tir.Symbol("y", 4000, 4, b"", "[1000]f32", 4000))
INDEX = tir.Local("i16", 0)
NEXT = tir.Set(0, tir.Binary("add", "i16", INDEX, tir.Const("i16", 1)))


def below(n: int) -> tir.Expr:
    return tir.Binary("lt", "bool", INDEX, tir.Const("i16", n))


def element(symbol: int, index: tir.Expr = INDEX) -> tir.Expr:
    scaled = tir.Binary("mul", "u16", tir.Cast("u16", index), tir.Const("u16", 4))
    return tir.Binary("add", "u16", tir.Addr(symbol), scaled)


def loop(n: int, *body: tir.Stmt, exit_first: bool = False, bounded: bool = True) -> tir.Loop:
    done = tir.Unary("not", "bool", below(n))
    test = tir.If(done, (tir.Break(0),), ()) if exit_first else tir.If(below(n), (), (tir.Break(0),))
    return tir.Loop(0, (test, *body), (NEXT,), bounded)


def costed(
    *body: tir.Stmt, slots: tuple[str, ...] = ("i16", "f32"), **options: object
) -> tuple[tir.Stmt, ...]:
    source = program(function(*body, slots=slots), symbols=ARRAYS, params=("u16",), dsrs=("dest:0",))
    return add_costs(source, machine()).functions[0].body


def total(body: tuple[tir.Stmt, ...]) -> int:
    return sum(stmt.cycles for stmt in body if isinstance(stmt, tir.Tick))


def axpy() -> tir.Stmt:
    product = tir.Binary("mul", "f32", tir.Local("f32", 1), tir.Load("f32", element(0)))
    return tir.Store(element(1), tir.Binary("add", "f32", tir.Load("f32", element(1)), product))


def test_axpy_in_a_for_loop_is_22_cycles_an_element():
    for exit_first in (False, True):
        (whole,) = costed(loop(1000, axpy(), exit_first=exit_first))
        assert isinstance(whole, tir.Loop)
        assert total(whole.body) + total(whole.step) == 22


def test_axpy_runs_in_22_cycles_an_element():
    source = program(function(loop(100, axpy()), slots=("i16", "f32")), symbols=ARRAYS)
    run = Pe(add_costs(source, machine()), memory_bytes=8000).run()
    not_last_test = S.branch_taken_cycles
    assert (run.status, run.cycles) == (Status.DONE, 100 * 22)
    assert not_last_test > 0


def test_load_load_operate_store_is_7_cycles():
    body = tir.Store(tir.Addr(0, 8), tir.Binary("add", "f32", load(0), load(4)))
    assert total(costed(body)) == 2 * S.load_cycles + S.float_cycles + S.store_cycles == 7


def load(offset: int) -> tir.Expr:
    return tir.Load("f32", tir.Addr(0, offset))


def test_what_a_pe_knows_costs_nothing():
    known = tir.Binary(
        "mul", "u16", tir.Param("u16", 0), tir.Binary("add", "u16", tir.Coord(0), tir.Const("u16", 3))
    )
    assert costed(tir.Set(0, tir.Cast("i16", known))) == (tir.Set(0, tir.Cast("i16", known)),)
    assert costed(tir.If(tir.Param("bool", 0), (), ())) == (tir.If(tir.Param("bool", 0), (), ()),)


def test_branches_cost_what_they_take():
    tick, stmt = costed(tir.If(below(3), (NEXT, NEXT), ()))
    assert tick == tir.Tick(S.alu_cycles)
    assert isinstance(stmt, tir.If)
    assert total(stmt.then) == S.branch_not_taken_cycles + 2 * S.alu_cycles
    assert total(stmt.otherwise) == S.branch_taken_cycles


def test_a_choice_between_two_values_needs_no_branch():
    _, stmt = costed(tir.If(below(3), (NEXT,), ()))
    assert isinstance(stmt, tir.If)
    assert total(stmt.then) == total(stmt.otherwise) == S.selection_cycles + S.alu_cycles


def test_a_value_that_takes_long_is_worth_a_branch():
    _, stmt = costed(tir.If(below(3), (tir.Set(1, load(0)), tir.Set(1, load(4))), ()))
    assert isinstance(stmt, tir.If)
    assert total(stmt.otherwise) == S.branch_taken_cycles
    division = tir.Binary("div", "i16", INDEX, tir.Const("i16", 7))
    _, stmt = costed(tir.If(below(3), (tir.Set(0, division),), ()))
    assert isinstance(stmt, tir.If)
    assert total(stmt.otherwise) == S.branch_taken_cycles


def test_an_index_that_is_a_sum_of_variables_costs_more():
    def cycles(index: tir.Expr) -> int:
        return total(costed(tir.Set(1, tir.Load("f32", element(0, index)))))

    plain = cycles(INDEX)
    shifted = cycles(tir.Binary("add", "i16", INDEX, tir.Const("i16", 1)))
    two = cycles(tir.Binary("add", "i16", INDEX, INDEX))
    assert plain == shifted == S.index_cycles + S.load_cycles
    assert two == plain + S.computed_index_cycles


def test_casts_and_conversions():
    to_float = tir.Cast("f32", INDEX)
    assert total(costed(tir.Set(1, to_float))) == S.float_cycles
    assert total(costed(tir.Set(0, tir.Cast("i16", tir.Cast("u32", INDEX))))) == 0


def test_divisions():
    def divide(t: str, value: float) -> tir.Expr:
        return tir.Binary("div", t, tir.Cast(t, INDEX), tir.Const(t, value))

    assert total(costed(tir.Set(0, divide("i16", 8)))) == 4 * S.alu_cycles
    assert total(costed(tir.Set(0, divide("i16", 7)))) == S.divide_int_cycles
    assert total(costed(tir.Set(0, tir.Cast("i16", divide("u16", 8))))) == S.alu_cycles
    assert total(costed(tir.Set(1, divide("f32", 3.0)))) == S.float_cycles + S.divide_float_cycles


def test_a_reciprocal_root_costs_as_much_as_a_root():
    x = tir.Local("f32", 1)
    root = tir.Intrinsic("sqrt", "f32", (x,))
    reciprocal = tir.Binary("div", "f32", tir.Const("f32", 1.0), root)
    assert total(costed(tir.Set(1, root))) == total(costed(tir.Set(1, reciprocal))) == S.intrinsic_cycles


def test_ticks_of_a_straight_stretch_are_one():
    body = costed(NEXT, axpy(), NEXT, tir.Activate(tir.Const("u16", 8), 0), NEXT)
    kinds = [type(stmt).__name__ for stmt in body]
    assert kinds == ["Set", "Store", "Set", "Tick", "Activate", "Set", "Tick"]
    assert total(body) == 12 + 3 * S.alu_cycles + S.alu_cycles


def test_unbounded_loops_yield_at_the_end_of_their_step():
    (bounded,) = costed(loop(3))
    (unbounded,) = costed(loop(3, bounded=False))
    assert not any(isinstance(stmt, tir.Yield) for stmt in bounded.step)
    assert isinstance(unbounded.step[-1], tir.Yield)


def unrolled(n: int, *body: tir.Stmt, start: tir.Expr | None = None, **options: bool) -> bool:
    """Whether the way back of a loop costs nothing."""
    first = tir.Set(0, start or tir.Const("i16", 0))
    made = next(s for s in costed(first, loop(n, *body, **options)) if isinstance(s, tir.Loop))
    return total(made.step) == 0


STORE = tir.Store(element(0), load(0))


@pytest.mark.parametrize("exit_first", [False, True])
@pytest.mark.parametrize("bounded", [False, True])
def test_short_loops_of_scalar_code_have_no_way_back(exit_first: bool, bounded: bool):
    most = S.unrolled_trips
    assert unrolled(most, STORE, exit_first=exit_first, bounded=bounded)
    assert not unrolled(most + 1, STORE, exit_first=exit_first, bounded=bounded)


def test_what_a_compiler_does_not_unroll():
    assert not unrolled(3, STORE, start=tir.Cast("i16", load(0)))
    assert not unrolled(3, STORE, tir.Set(0, tir.Const("i16", 0)))
    assert not unrolled(3, tir.Activate(tir.Const("u16", 8), 0))
    assert not unrolled(3, loop(2, STORE))
    assert unrolled(3, tir.If(below(2), (STORE, STORE), ()))


def test_operations_that_may_be_of_the_fabric_are_issued():
    def dsd(kind: DsdKind) -> tir.Dsd:
        return tir.Dsd(tir.DsdMake((tir.Const("u16", kind), *[tir.Const("u16", 0)] * 15)))

    def op(*operands: tir.Operand) -> tir.DsdOp:
        dest, src0 = operands
        return tir.DsdOp("fmovs", dest, src0, None, None, False, None, None, None, None, None, None, 0)

    memory, fabric, dsr = dsd(DsdKind.MEM1D), dsd(DsdKind.FABIN), tir.Dsr(0)
    assert total(costed(op(memory, memory))) == 0
    assert total(costed(op(memory, fabric))) == machine().dsd.issue_cycles
    assert total(costed(op(memory, dsr))) == machine().dsd.issue_cycles  # nothing is known to be in it
    unknown = tir.Dsd(tir.Local("dsd", 2))
    assert total(costed(op(memory, unknown), slots=("i16", "f32", "dsd"))) == machine().dsd.issue_cycles


def test_calls():
    callee = function(params=1, slots=("i16",))
    call = tir.Call(1, (tir.Binary("add", "i16", INDEX, INDEX),), None, 0)
    source = program(function(call, slots=("i16",)), callee)
    assert total(add_costs(source, machine()).functions[0].body) == S.alu_cycles + S.call_cycles


def test_ticks_that_are_there_are_counted_once():
    store = tir.Store(tir.Addr(0), tir.Const("u16", 1))
    body = costed(tir.Tick(5), store, tir.Tick(7), tir.Activate(tir.Const("u16", 9), 0))
    assert total(body) == 5 + S.store_cycles + 7 + S.alu_cycles
