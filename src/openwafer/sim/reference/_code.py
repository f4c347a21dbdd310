"""Functions of the typed IR as Python generators that yield where the PE must wait.

A statement becomes a `Step`: either a plain closure or a generator function. Both give None, or the `Jump`
that leaves the statements around them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, cast

from openwafer import tir
from openwafer.machine import Machine
from openwafer.sim._print import value_text
from openwafer.sim.reference import _values as values
from openwafer.sim.reference._dsd import ADDRESS_MASK, Fault
from openwafer.sim.reference._expr import Expression, Slots, compile_expression, to_memory
from openwafer.sim.reference._issue import DsdStatement
from openwafer.sim.reference._run import YIELD_LIMIT, Jump, Pe, Request, Run, pass_time
from openwafer.sim.reference._values import Value


class Step(NamedTuple):
    """One statement; `run` gives a `Jump | None` if plain, else a `Run`."""

    is_plain: bool
    run: Callable[[Any, Slots], Any]


def _at(loc: int, run: Callable[[Any, Slots], Jump | None]) -> Callable[[Any, Slots], Jump | None]:
    """A fault of `run` stands at `loc`."""

    def run_there(pe: Any, slots: Slots) -> Jump | None:
        try:
            return run(pe, slots)
        except (Fault, ZeroDivisionError):
            pe.loc = loc
            raise

    return run_there


def run_steps(steps: list[Step], pe: Pe, slots: Slots) -> Run:
    jump: Jump | None
    for is_plain, run in steps:
        if is_plain:
            jump = run(pe, slots)
        else:
            jump = yield from cast("Run", run(pe, slots))
        if jump is not None:
            return jump
    return None


class Code:
    """The functions of one program, compiled when they are first called."""

    def __init__(self, program: tir.Program, machine: Machine, source: tir.Program) -> None:
        """`program` is `source` after the cost pass."""
        self.program, self.machine, self.source = program, machine, source
        self._steps: dict[int, list[Step]] = {}

    def call(self, index: int, args: list[Value], pe: Pe) -> Generator[Request, None, Value | None]:
        """Runs a function to its end and returns its result."""
        function = self.program.functions[index]
        if index not in self._steps:
            pe.loc = function.loc
            self._steps[index] = self._block(function.body)
        slots = [*args, *map(values.zero_of, function.slots[len(args) :])]
        jump = yield from run_steps(self._steps[index], pe, slots)
        return jump.value if jump else None

    def _block(self, body: tuple[tir.Stmt, ...]) -> list[Step]:
        return [self._statement(statement) for statement in body]

    def _expr(self, node: tir.Expr) -> Expression:
        return compile_expression(self.program, node)

    def _maybe(self, node: tir.Expr | None) -> Expression:
        return (lambda pe, slots: None) if node is None else self._expr(node)

    def _statement(self, node: tir.Stmt) -> Step:
        match node:
            case tir.If() | tir.Loop() | tir.Block() | tir.Call():
                return Step(False, self._nested(node))
            case tir.DsdOp():
                return Step(False, DsdStatement(self._expr, self.machine, node).run)
            case tir.Activate() | tir.SetBlocked() | tir.ReadTsc() | tir.UnblockCommands():
                return Step(False, self._time_point(node))
            case tir.SetFifoLength() | tir.Print() | tir.ReadConfig() | tir.WriteConfig():
                return Step(False, self._time_point(node))
            case tir.Yield(loc):
                return Step(False, _yield(loc))
            case tir.Set() | tir.Store() | tir.Copy() if node.loc >= 0:
                return Step(True, _at(node.loc, self._plain(node)))
            case _:
                return Step(True, self._plain(node))

    def _plain(self, node: tir.Stmt) -> Callable[[Any, Slots], Jump | None]:
        match node:
            case tir.Set(slot, value):
                return _set(slot, self._expr(value))
            case tir.Store(addr, value):
                return _store(self._expr(addr), self._expr(value), value.type)
            case tir.Copy(dest, source, size):
                to, of = self._expr(dest), self._expr(source)
                return lambda pe, slots: pe.copy(to(pe, slots), of(pe, slots), size)
            case tir.Break(label):
                return lambda pe, slots: Jump("break", label)
            case tir.Continue(label):
                return lambda pe, slots: Jump("continue", label)
            case tir.Return(value):
                result = self._maybe(value)
                return lambda pe, slots: Jump("return", 0, result(pe, slots))
            case tir.LoadDsr(index, value, loc):
                return _load_dsr(index, self._expr(value), loc)
            case tir.Random16(slot):
                return _set(slot, lambda pe, slots: pe.random16())
            case tir.SetDsr(index, word, value, loc):
                return _set_dsr(index, word, self._expr(value), loc)
            case tir.SeedRandom(value):
                seed = self._expr(value)
                return lambda pe, slots: pe.seed_random(seed(pe, slots))
            case tir.Assert(cond, message, loc):
                return _assert(self._expr(cond), message, loc)
            case tir.Tick(cycles):
                return _tick(cycles)
            case tir.Count(loc, runs, cycles):
                return lambda pe, slots: pe.counts.code(loc, runs, cycles)
            case _:
                raise Fault("unsupported", f"statement `{type(node).__name__}`")

    def _nested(self, node: tir.If | tir.Loop | tir.Block | tir.Call) -> Callable[[Any, Slots], Run]:
        match node:
            case tir.If(cond, then, otherwise):
                return _if(self._expr(cond), self._block(then), self._block(otherwise))
            case tir.Loop(label, body, step):
                return _loop(label, self._block(body), self._block(step))
            case tir.Block(label, body):
                return _labelled(label, self._block(body))
            case tir.Call(function, args, result, loc):
                return self._call(function, [self._expr(arg) for arg in args], result, loc)

    def _call(
        self, function: int, args: list[Expression], result: int | None, loc: int
    ) -> Callable[[Any, Slots], Run]:
        def run(pe: Pe, slots: Slots) -> Run:
            pe.loc = loc
            value = yield from self.call(function, [arg(pe, slots) for arg in args], pe)
            if result is not None and value is not None:
                slots[result] = value
            return None

        return run

    @staticmethod
    def _pair(high: Expression, low: Expression) -> Expression:
        """Two words of 16 bits as one value."""
        return lambda pe, slots: (high(pe, slots) & 0xFFFF) << 16 | low(pe, slots) & 0xFFFF

    def _time_point(
        self,
        node: tir.Activate
        | tir.SetBlocked
        | tir.ReadTsc
        | tir.UnblockCommands
        | tir.SetFifoLength
        | tir.Print
        | tir.ReadConfig
        | tir.WriteConfig,
    ) -> Callable[[Any, Slots], Run]:
        match node:
            case tir.Activate(id, loc):
                return _effect(self._expr(id), loc, lambda pe, task: pe.activate(task))
            case tir.SetBlocked(id, blocked, loc):
                return _effect(self._expr(id), loc, lambda pe, task: pe.set_blocked(task, blocked))
            case tir.ReadTsc(addr, loc):
                return _effect(self._expr(addr), loc, lambda pe, to: pe.write(to, 6, pe.now))
            case tir.UnblockCommands(loc):
                return _effect(lambda pe, slots: 0, loc, lambda pe, _: pe.unblock_commands())
            case tir.SetFifoLength(fifo, is_write, length, loc):
                return _effect(
                    self._expr(length),
                    loc,
                    lambda pe, n: pe.fifos[fifo].set_length(n, is_source=not is_write),
                )
            case tir.ReadConfig(slot, addr, loc):
                return _read_config(slot, self._expr(addr), loc)
            case tir.WriteConfig(addr, value, loc):
                both = self._pair(self._expr(addr), self._expr(value))
                return _effect(both, loc, lambda pe, pair: pe.write_config(pair >> 16, pair & 0xFFFF))
            case tir.Print(text, None, _, loc):
                return _effect(lambda pe, slots: 0, loc, lambda pe, _: pe.print(text))
            case tir.Print(_, value, format, loc):
                assert value is not None
                type = value.type
                return _effect(
                    self._expr(value), loc, lambda pe, bits: pe.print(value_text(format, type, bits))
                )


def _effect(operand: Expression, loc: int, apply: Callable[[Any, int], None]) -> Callable[[Any, Slots], Run]:
    """Evaluates the operand, lets the gathered cycles pass, applies the effect."""

    def run(pe: Pe, slots: Slots) -> Run:
        pe.loc = loc
        value = operand(pe, slots)
        yield from pass_time(pe, loc)
        apply(pe, value)
        return None

    return run


def _read_config(slot: int, address: Expression, loc: int) -> Callable[[Any, Slots], Run]:
    def run(pe: Pe, slots: Slots) -> Run:
        pe.loc = loc
        at = address(pe, slots) & 0xFFFF
        yield from pass_time(pe, loc)
        slots[slot] = pe.read_config(at)
        return None

    return run


def _yield(loc: int) -> Callable[[Any, Slots], Run]:
    def run(pe: Pe, slots: Slots) -> Run:
        if pe.gathered > YIELD_LIMIT:
            pe.loc = pe.paused_at = loc
            yield None
        return None

    return run


def _set(slot: int, value: Expression) -> Callable[[Any, Slots], None]:
    def run(pe: Pe, slots: Slots) -> None:
        slots[slot] = value(pe, slots)

    return run


def _store(address: Expression, value: Expression, type: str) -> Callable[[Any, Slots], None]:
    size, convert = values.size_of(type), to_memory(type)
    return lambda pe, slots: pe.write(address(pe, slots) & ADDRESS_MASK, size, convert(value(pe, slots)))


def _load_dsr(index: int, value: Expression, loc: int) -> Callable[[Any, Slots], None]:
    def run(pe: Pe, slots: Slots) -> None:
        pe.loc = loc
        pe.dsrs[index] = value(pe, slots)

    return run


def _set_dsr(index: int, word: int, value: Expression, loc: int) -> Callable[[Any, Slots], None]:
    def run(pe: Pe, slots: Slots) -> None:
        pe.loc = loc
        record = list(pe.dsrs[index])
        record[word] = value(pe, slots) & 0xFFFF
        pe.dsrs[index] = tuple(record)

    return run


def _assert(cond: Expression, message: str, loc: int) -> Callable[[Any, Slots], None]:
    def run(pe: Pe, slots: Slots) -> None:
        pe.loc = loc
        if not cond(pe, slots):
            raise Fault("assert-failed", message)

    return run


def _tick(cycles: int) -> Callable[[Any, Slots], None]:
    def run(pe: Pe, slots: Slots) -> None:
        pe.gathered += cycles

    return run


def _if(cond: Expression, then: list[Step], otherwise: list[Step]) -> Callable[[Any, Slots], Run]:
    return lambda pe, slots: run_steps(then if cond(pe, slots) else otherwise, pe, slots)


def _labelled(label: int, body: list[Step]) -> Callable[[Any, Slots], Run]:
    def run(pe: Pe, slots: Slots) -> Run:
        jump = yield from run_steps(body, pe, slots)
        return None if jump == Jump("break", label) else jump

    return run


def _loop(label: int, body: list[Step], step: list[Step]) -> Callable[[Any, Slots], Run]:
    leave, again = Jump("break", label), Jump("continue", label)

    def run(pe: Pe, slots: Slots) -> Run:
        while True:
            jump = yield from run_steps(body, pe, slots)
            if jump is None or jump == again:
                jump = yield from run_steps(step, pe, slots)
            if jump is not None:
                return None if jump == leave else jump

    return run
