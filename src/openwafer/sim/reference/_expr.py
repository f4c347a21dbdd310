"""Expressions of the typed IR as Python closures `(pe, slots) -> value`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, cast

from openwafer import tir
from openwafer.sim.reference import _values as values
from openwafer.sim.reference._dsd import ADDRESS_MASK, Fault
from openwafer.sim.reference._values import DSD_WORDS, Value

Slots: TypeAlias = list[Value]


class Memory(Protocol):
    """What an expression reads of its PE; `read` gives an unsigned integer."""

    x: int
    y: int
    cells: list[int]

    def read(self, address: int, size: int) -> int: ...

    def write(self, address: int, size: int, bits: int) -> None: ...


Expression: TypeAlias = Callable[[Any, Slots], Any]
"""Takes a `Memory` and the function's slots; gives a `Value`."""


def to_words(bits: int) -> tuple[int, ...]:
    return tuple(bits >> 16 * i & 0xFFFF for i in range(DSD_WORDS))


def from_memory(type: str) -> Callable[[int], Value]:
    """The value of `type` from the unsigned integer at its place in memory."""
    if type == "dsd":
        return to_words
    return (lambda bits: int(bits != 0)) if type == "bool" else values.wrapper(type)


def to_memory(type: str) -> Callable[[Any], int]:
    """The unsigned integer that is stored for a value of `type`: two's complement, extended by sign."""
    if type == "dsd":
        return lambda words: sum(word << 16 * i for i, word in enumerate(words))
    mask = (1 << 8 * values.size_of(type)) - 1
    return lambda value: value & mask


def compile_expression(program: tir.Program, expression: tir.Expr) -> Expression:
    """The closure of an expression; its sub-expressions are compiled once, here."""
    return _Compiler(program).compile(expression)


class _Compiler:
    def __init__(self, program: tir.Program) -> None:
        self.program = program

    def compile(self, node: tir.Expr) -> Expression:
        match node:
            case tir.Const(type, value):
                return self._const(type, value)
            case tir.Param(type, index):
                convert = from_memory(type)
                return lambda pe, slots: convert(pe.cells[index])
            case tir.Coord(axis):
                return (lambda pe, slots: pe.y) if axis else (lambda pe, slots: pe.x)
            case tir.Addr(symbol, offset):
                address = (self.program.symbols[symbol].address + offset) & ADDRESS_MASK
                return lambda pe, slots: address
            case tir.Local(_, slot):
                return lambda pe, slots: slots[slot]
            case tir.Load(type, addr):
                return self._load(type, self.compile(addr))
            case tir.Select(_, cond, a, b):
                return self._select(self.compile(cond), self.compile(a), self.compile(b))
            case tir.DsdMake() | tir.DsdWith() | tir.DsdGet():
                return self._dsd(node)
            case _:
                return self._operation(node)

    def _const(self, type: str, value: float) -> Expression:
        if values.is_float(type):
            bits = values.from_float(type, float(value))
        else:
            bits = values.wrapper(type)(int(value))
        return lambda pe, slots: bits

    def _load(self, type: str, address: Expression) -> Expression:
        size, convert = values.size_of(type), from_memory(type)
        return lambda pe, slots: convert(pe.read(address(pe, slots) & ADDRESS_MASK, size))

    def _select(self, cond: Expression, a: Expression, b: Expression) -> Expression:
        def select(pe: Memory, slots: Slots) -> Value:
            both = (b(pe, slots), a(pe, slots))
            return both[cond(pe, slots)]

        return select

    def _operation(self, node: tir.Expr) -> Expression:
        match node:
            case tir.Unary(op, type, a):
                return _apply1(values.unary(op, type), self.compile(a))
            case tir.Binary(op, _, a, b):
                return _apply2(values.binary(op, a.type), self.compile(a), self.compile(b))
            case tir.Cast(type, a):
                return _apply1(values.cast(a.type, type), self.compile(a))
            case tir.Bitcast(type, a):
                return _apply1(values.wrapper(type), self.compile(a))
            case tir.Intrinsic(name, type, args):
                return self._intrinsic(name, args[0].type, [self.compile(arg) for arg in args])
            case _:
                raise TypeError(f"not an operation: {node}")

    def _intrinsic(self, name: str, type: str, args: list[Expression]) -> Expression:
        try:
            function = values.intrinsic(name, type)
        except KeyError:
            raise Fault("unsupported", f"intrinsic `{name}`") from None
        return lambda pe, slots: function(*[arg(pe, slots) for arg in args])

    def _dsd(self, node: tir.DsdMake | tir.DsdWith | tir.DsdGet) -> Expression:
        match node:
            case tir.DsdMake(words):
                parts = [self.compile(word) for word in words]
                return lambda pe, slots: tuple(part(pe, slots) & 0xFFFF for part in parts)
            case tir.DsdWith(base, word, value):
                return _replace(self.compile(base), word, self.compile(value))
            case tir.DsdGet(base, word):
                record = self.compile(base)
                return lambda pe, slots: record(pe, slots)[word]


def _replace(base: Expression, word: int, value: Expression) -> Expression:
    def replaced(pe: Memory, slots: Slots) -> Value:
        record = cast("tuple[int, ...]", base(pe, slots))
        return (*record[:word], value(pe, slots) & 0xFFFF, *record[word + 1 :])

    return replaced


def _apply1(function: Callable[[int], int], a: Expression) -> Expression:
    return lambda pe, slots: function(a(pe, slots))


def _apply2(function: Callable[[int, int], int], a: Expression, b: Expression) -> Expression:
    return lambda pe, slots: function(a(pe, slots), b(pe, slots))
