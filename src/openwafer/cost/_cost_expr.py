"""What the evaluation of an expression costs on the scalar datapath, in cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwafer import tir
from openwafer.tir import is_static

if TYPE_CHECKING:
    from openwafer.machine import Scalar

FLOATS = ("f16", "f32")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
SIGNED_BY_POWER = {"div": 4, "rem": 5}
"""Instructions of a signed division by a power of two: two shifts and a sum that round towards zero, a shift;
for the remainder a mask and a difference."""
SHORT_INTRINSICS = ("abs", "min", "max", "floor", "ceil", "clz", "ctz", "popcnt")


class ExprCosts:
    """Costs by node, from the machine's scalar facts."""

    def __init__(self, facts: Scalar) -> None:
        self._facts = facts

    def is_free(self, expr: tir.Expr) -> bool:
        """Whether the value is a constant of the PE's own program."""
        return is_static(expr)

    def value(self, expr: tir.Expr) -> int:
        """Cycles to have the value in a register."""
        return 0 if is_static(expr) else self._node(expr)

    def condition(self, expr: tir.Expr) -> int:
        """Cycles of what a branch tests; it can branch on either outcome, so `not` is free."""
        while isinstance(expr, tir.Unary) and expr.op == "not":
            expr = expr.a
        return self.value(expr)

    def access(self, addr: tir.Expr) -> int:
        """Cycles of the addressing of one load or store."""
        if is_static(addr):
            return 0
        computed = self._facts.computed_index_cycles if _is_computed(addr) else 0
        return self.address(addr) + self._facts.index_cycles + computed

    def address(self, addr: tir.Expr) -> int:
        """Cycles of what an address needs besides its scaling by constants, sums and casts, which
        `index_cycles` covers."""
        match addr:
            case tir.Cast(_, a):
                return self.address(a)
            case tir.Binary("add" | "sub", _, a, b):
                return self.address(a) + self.address(b)
            case tir.Binary("mul", _, a, b) if is_static(a) or is_static(b):
                return self.address(a) + self.address(b)
            case tir.Binary("shl", _, a, b) if is_static(b):
                return self.address(a)
            case _:
                return self.value(addr)

    def record(self, expr: tir.Expr) -> int:
        """Cycles of a DSD operand besides the loading of its DSR, which the set-up covers."""
        match expr:
            case tir.Load(_, addr):
                return self.access(addr)
            case tir.DsdWith(base, _, value):
                return self.record(base) + self.value(value)
            case tir.DsdMake(words):
                return sum(map(self.address, words))
            case _:
                return self.value(expr)

    def _node(self, expr: tir.Expr) -> int:
        facts = self._facts
        match expr:
            case tir.Const() | tir.Param() | tir.Coord() | tir.Addr() | tir.Local():
                return 0
            case tir.Load(_, addr):
                return self.access(addr) + facts.load_cycles
            case tir.Unary(_, type_, a):
                return self.value(a) + self._arithmetic(type_)
            case tir.Binary("div", _, a, tir.Intrinsic("sqrt", _, (b,))):  # Newton's method has no division
                return self.value(a) + self.value(b) + facts.intrinsic_cycles
            case tir.Binary(op, _, a, b):
                return self.value(a) + self.value(b) + self._binary(op, a.type, b)
            case tir.Cast(type_, a):
                return self.value(a) + self._cast(a.type, type_)
            case tir.Bitcast(_, a):
                return self.value(a)
            case tir.Select(_, cond, a, b):
                return self.value(cond) + self.value(a) + self.value(b) + facts.alu_cycles
            case tir.Intrinsic(name, type_, args):
                short = name in SHORT_INTRINSICS
                own = self._arithmetic(type_) if short else facts.intrinsic_cycles
                return sum(map(self.value, args)) + own
            case tir.DsdMake(words):
                return sum(map(self.address, words)) + facts.alu_cycles
            case tir.DsdWith(base, _, value):
                return self.value(base) + self.value(value) + facts.alu_cycles
            case tir.DsdGet(tir.Load(_, addr)):
                return self.access(addr) + facts.load_cycles
            case tir.DsdGet(base):
                return self.value(base)

    def _arithmetic(self, type_: str) -> int:
        return self._facts.float_cycles if type_ in FLOATS else self._facts.alu_cycles

    def _binary(self, op: str, type_: str, b: tir.Expr) -> int:
        facts = self._facts
        if op in COMPARISONS:
            return facts.alu_cycles
        if op not in ("div", "rem"):
            return self._arithmetic(type_)
        if type_ in FLOATS:
            return facts.divide_float_cycles
        if not _is_power_of_two(b):
            return facts.divide_int_cycles
        return facts.alu_cycles * (1 if type_.startswith("u") else SIGNED_BY_POWER[op])

    def _cast(self, source: str, target: str) -> int:
        if target == "bool" and source != "bool":
            return self._facts.alu_cycles
        if source == target or not (source in FLOATS or target in FLOATS):
            return 0
        return self._facts.float_cycles


def _is_power_of_two(divisor: tir.Expr) -> bool:
    """Whether every compiler makes the division shifts and sums."""
    value = int(divisor.value) if isinstance(divisor, tir.Const) else 0
    return value > 0 and value & (value - 1) == 0


def _is_computed(addr: tir.Expr) -> bool:
    """Whether the index is made of more than one variable, so that no pointer can run along with a loop."""
    match addr:
        case tir.Binary("add", _, _, tir.Binary("mul" | "shl", _, index, size)) if is_static(size):
            return _variables(index) > 1
        case _:
            return False


def _variables(expr: tir.Expr) -> int:
    """How many values an index is computed from, constants apart."""
    match expr:
        case tir.Binary(_, _, a, b):
            return _variables(a) + _variables(b)
        case tir.Cast(_, a):
            return _variables(a)
        case _:
            return 0 if is_static(expr) else 1
