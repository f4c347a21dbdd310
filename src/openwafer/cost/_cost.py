"""The cost pass: puts `Tick` and `Yield` into a program, so that both engines run the same cycles.

Registers are free: locals, constants, parameter cells and bit casts cost nothing. Ticks of a straight
stretch are merged into one before the next statement that can branch or wait.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING

import msgspec

from openwafer import tir
from openwafer.cost._cost_expr import ExprCosts
from openwafer.cost._dsd_kinds import DsdKinds
from openwafer.cost._unroll import Constants
from openwafer.tir import trip_bound

if TYPE_CHECKING:
    from openwafer.machine import Machine

MOST_WORK = 1 << 24
"""Statements between two points where time can catch up, at most: a run can be ended only there."""
OPERATION_WORK = 64
"""What a DSD operation counts for among them."""
COPY_WORD_BYTES = 4
TSC_WORDS = 3


def add_costs(program: tir.Program, machine: Machine, *, profile: bool = False) -> tir.Program:
    """`program` with the cycles of its scalar code in it. Memory-only DSD operations carry their own. With
    `profile` it also counts by source line; the cycles are the same."""
    bodies = _Bodies(program, machine, profile)
    functions = [
        msgspec.structs.replace(function, body=bodies.body(index))
        for index, function in enumerate(program.functions)
    ]
    return msgspec.structs.replace(program, functions=tuple(functions))


class _Bodies:
    """The functions of a program, each rewritten when it is first asked for."""

    def __init__(self, program: tir.Program, machine: Machine, profile: bool) -> None:
        self._program, self._machine, self._profile = program, machine, profile
        self._kinds = DsdKinds(program)
        self._done: dict[int, tuple[tuple[tir.Stmt, ...], int]] = {}
        self._begun: set[int] = set()

    def body(self, index: int) -> tuple[tir.Stmt, ...]:
        return self._rewritten(index)[0]

    def work(self, index: int) -> int:
        """What a call adds to the work of its caller; 0 within itself, which is an error told later."""
        return 0 if index in self._begun and index not in self._done else self._rewritten(index)[1]

    def _rewritten(self, index: int) -> tuple[tuple[tir.Stmt, ...], int]:
        """The body and its work; a function with too much of it begins with a point where time catches up."""
        if index not in self._done:
            self._begun.add(index)
            function = self._program.functions[index]
            body = _Body(self._machine, self._kinds, index, function.loc, self._profile, self.work)
            made = body.block(function.body)
            is_long = body.work > MOST_WORK
            self._done[index] = ((tir.Yield(function.loc), *made), 1) if is_long else (made, body.work)
        return self._done[index]


class _Gathered:
    """Cycles that no `Tick` has let pass yet, and by line what a `Count` is to say: [runs, cycles]."""

    def __init__(self) -> None:
        self.cycles = 0
        self.lines: dict[int, list[int]] = {}

    def add(self, loc: int, cycles: int, runs: int = 0) -> None:
        self.cycles += cycles
        line = self.lines.setdefault(loc, [0, 0])
        line[0] += runs
        line[1] += cycles


class _Body:
    """Rewrites the statements of one function."""

    def __init__(
        self, machine: Machine, kinds: DsdKinds, function: int, loc: int, profile: bool,
        work_of: Callable[[int], int],
    ) -> None:  # fmt: skip
        self._machine = machine
        self._scalar = machine.scalar
        self._costs = ExprCosts(machine.scalar)
        self._kinds = kinds
        self._function = function
        self._line = loc
        self._profile = profile
        self._work_of = work_of
        self.work = 0
        """Statements since the last point where time can catch up, at most."""

    def block(self, body: tuple[tir.Stmt, ...], pending: int = 0) -> tuple[tir.Stmt, ...]:
        """`body` with ticks; `pending` cycles have gathered before it."""
        gathered, constants = _Gathered(), Constants()
        gathered.add(self._line, pending)
        out: list[tir.Stmt] = []
        for stmt in body:
            if isinstance(stmt, tir.Line):
                self._line = stmt.loc
                gathered.add(stmt.loc, 0, runs=1)
                continue
            gathered.add(self._line, self._before(stmt))
            self.work += self._work(stmt)
            if isinstance(stmt, tir.Tick):
                continue
            if _is_barrier(stmt):
                out += self._passed(gathered)
                gathered = _Gathered()
            out.append(self._rewritten(stmt, constants))
            constants.note(stmt)
            if isinstance(stmt, tir.Print):
                gathered.add(self._line, self._scalar.print_cycles)
        return (*out, *self._passed(gathered))

    def _work(self, stmt: tir.Stmt) -> int:
        match stmt:
            case tir.Call(function):
                return 1 + self._work_of(function)
            case tir.DsdOp():
                return OPERATION_WORK
            case _:
                return 1

    def _passed(self, gathered: _Gathered) -> tuple[tir.Stmt, ...]:
        """What lets gathered cycles pass, and counts them."""
        lines = gathered.lines.items() if self._profile else ()
        counts = (tir.Count(loc, runs, cycles) for loc, (runs, cycles) in lines if runs or cycles)
        return (*counts, tir.Tick(gathered.cycles)) if gathered.cycles else tuple(counts)

    def _rewritten(self, stmt: tir.Stmt, constants: Constants) -> tir.Stmt:
        match stmt:
            case tir.If():
                return self._if(stmt)
            case tir.Loop():
                return self._loop(stmt, constants)
            case tir.Block(-1, body):
                return tir.Block(-1, without_lines(body))
            case tir.Block(label, body):
                return tir.Block(label, self.block(body))
            case _:
                return stmt

    def _if(self, stmt: tir.If) -> tir.If:
        line = self._line
        for_then, for_otherwise = self._branch(stmt)
        then = self.block(stmt.then, for_then)
        self._line = line
        otherwise = self.block(stmt.otherwise, for_otherwise)
        self._line = line
        return tir.If(stmt.cond, then, otherwise)

    def _branch(self, stmt: tir.If) -> tuple[int, int]:
        """Cycles on the way to `then` and to `otherwise`."""
        scalar = self._scalar
        if self._costs.is_free(stmt.cond):
            return 0, 0
        if (chosen := self._selection(stmt)) is not None:
            return scalar.selection_cycles, scalar.selection_cycles + chosen
        return scalar.branch_not_taken_cycles, scalar.branch_taken_cycles

    def _selection(self, stmt: tir.If) -> int | None:
        """Cycles of the value of `if (c) x = value;`, which needs no branch if that is cheaper."""
        then = without_lines(stmt.then)
        if stmt.otherwise or len(then) != 1 or not isinstance(then[0], tir.Set):
            return None
        cycles = self._costs.value(then[0].value)
        return cycles if cycles <= self._scalar.branch_not_taken_cycles else None

    def _loop(self, stmt: tir.Loop, constants: Constants) -> tir.Loop:
        """`loop_cycles` a trip cover the exit test at the top, the increments and the way back. Where time
        can catch up at its end, a trip takes at least a cycle, on machines with free loops, too."""
        line, before, self.work = self._line, self.work, 1
        cycles = self._scalar.loop_cycles if stmt.cycles is None else stmt.cycles
        is_free = not cycles
        marks, code = _leading_lines(stmt.body)
        if (test := _exit_test(code)) is not None:
            rest = _Gathered()
            for mark in marks:
                self._line = mark.loc
                rest.add(mark.loc, 0, runs=1)
            if constants.trips(stmt, test, self._scalar.unrolled_trips) is not None:
                cycles = 0
            else:
                rest.add(self._line, max(0, self._costs.condition(test.cond) - self._scalar.alu_cycles))
            body = (*self._passed(rest), test, *self.block(code[1:]))
        else:
            body = self.block(stmt.body)
        self._line = line
        step = self._step(stmt.step, cycles)
        self._line = line
        trips = trip_bound(stmt, constants.known) if stmt.bounded else None
        is_short = stmt.bounded and (trips or 0) * self.work <= MOST_WORK
        self.work = before + self.work * (trips or 1 if is_short else 1)
        if not is_short:
            step = (*step, *((tir.Tick(1),) if is_free else ()), tir.Yield(line))
        return tir.Loop(stmt.label, body, step, stmt.bounded)

    def _step(self, step: tuple[tir.Stmt, ...], cycles: int) -> tuple[tir.Stmt, ...]:
        step, increments = without_lines(step), 0
        while increments < len(step) and self._is_increment(step[increments]):
            increments += 1
        return (*step[:increments], *self.block(step[increments:], cycles))

    def _is_increment(self, stmt: tir.Stmt) -> bool:
        return isinstance(stmt, tir.Set) and self._costs.value(stmt.value) <= self._scalar.alu_cycles

    def _before(self, stmt: tir.Stmt) -> int:
        """Cycles of the statement itself, without those of the statements in it."""
        value, address = self._costs.value, self._costs.access
        scalar = self._scalar
        match stmt:
            case tir.Set(_, v):
                return value(v)
            case tir.Store(addr, tir.DsdWith(tir.Load(_, same), _, v)) if same == addr:
                return value(v) + address(addr) + scalar.store_cycles
            case tir.Store(addr, v):
                return value(v) + address(addr) + scalar.store_cycles
            case tir.Copy(dest, source, size):
                words = -(-size // COPY_WORD_BYTES)
                return address(dest) + address(source) + words * (scalar.load_cycles + scalar.store_cycles)
            case tir.If(cond):
                return self._costs.condition(cond)
            case tir.Return(v):
                return 0 if v is None else value(v)
            case tir.Call(_, args):
                return sum(map(value, args)) + scalar.call_cycles
            case tir.DsdOp():
                return self._dsd_op(stmt)
            case tir.LoadDsr(_, v):
                return self._costs.record(v) + self._machine.dsd.dsr_load_to_use_cycles
            case tir.SetDsr(_, _, v):
                return value(v) + self._machine.dsd.dsr_load_to_use_cycles
            case tir.SeedRandom(v):
                return value(v) + scalar.alu_cycles
            case tir.SetFifoLength(_, _, v):
                return value(v) + scalar.store_cycles
            case tir.Activate(v) | tir.SetBlocked(v):
                return value(v) + scalar.alu_cycles
            case tir.ReadTsc(addr):
                return address(addr) + TSC_WORDS * (scalar.tsc_read_cycles + scalar.store_cycles)
            case tir.UnblockCommands() | tir.Random16():
                return scalar.alu_cycles
            case tir.ReadConfig(_, addr):
                return value(addr) + scalar.load_cycles
            case tir.WriteConfig(addr, v):
                return value(addr) + value(v) + scalar.store_cycles
            case tir.Tick(cycles):
                return cycles
            case (
                tir.Loop()
                | tir.Block()
                | tir.Break()
                | tir.Continue()
                | tir.Assert()
                | tir.Yield()
                | tir.Print()
                | tir.Line()
                | tir.Count()
            ):
                return 0

    def _dsd_op(self, op: tir.DsdOp) -> int:
        operands = [o for o in (op.dest, op.src0, op.src1) if o is not None]
        cycles = sum(map(self._operand, operands))
        cycles += sum(
            self._costs.value(e) for e in (op.scalar, op.activate, op.unblock, op.ut, op.index) if e
        )
        if self._kinds.may_be_fabric(self._function, op):
            cycles += self._machine.dsd.issue_cycles
        return cycles

    def _operand(self, operand: tir.Operand) -> int:
        match operand:
            case tir.Dsd(value):
                return self._costs.record(value)
            case tir.Scalar(value):
                return self._costs.value(value)
            case tir.Pointer(addr):
                return self._costs.address(addr)
            case tir.Dsr():
                return 0


def _is_barrier(stmt: tir.Stmt) -> bool:
    """Whether gathered cycles must be in a `Tick` before the statement."""
    return not isinstance(
        stmt,
        (
            tir.Set,
            tir.Store,
            tir.Copy,
            tir.Random16,
            tir.SeedRandom,
            tir.LoadDsr,
            tir.SetDsr,
            tir.Assert,
        ),
    )


def _leading_lines(body: tuple[tir.Stmt, ...]) -> tuple[tuple[tir.Line, ...], tuple[tir.Stmt, ...]]:
    """The marks at the start of a body, and what follows."""
    marks = tuple(takewhile(lambda s: isinstance(s, tir.Line), body))
    return marks, body[len(marks) :]  # pyright: ignore[reportReturnType]


def without_lines(body: tuple[tir.Stmt, ...]) -> tuple[tir.Stmt, ...]:
    """`body` without its marks, those inside its statements too."""
    return tuple(_without_lines(s) for s in body if not isinstance(s, tir.Line))


def _without_lines(stmt: tir.Stmt) -> tir.Stmt:
    match stmt:
        case tir.If(cond, then, otherwise):
            return tir.If(cond, without_lines(then), without_lines(otherwise))
        case tir.Loop() | tir.Block():
            return msgspec.structs.replace(stmt, body=without_lines(stmt.body))
        case _:
            return stmt


def _exit_test(body: tuple[tir.Stmt, ...]) -> tir.If | None:
    """The statement `if (c) {} else break` or `if (c) break` that begins a loop."""
    test = _without_lines(body[0]) if body else None
    if not isinstance(test, tir.If):
        return None
    arms = (test.then, test.otherwise)
    is_exit = any(
        not arm and len(other) == 1 and isinstance(other[0], tir.Break) for arm, other in (arms, arms[::-1])
    )
    return test if is_exit else None
