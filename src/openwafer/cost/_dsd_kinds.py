"""Which kinds of DSD every operand can hold, found without running the program.

A DSD variable of CSL has a type (`mem1d_dsd`, `fabin_dsd`, …), so one value that flows into it tells its
kind. The analysis joins the kinds that reach each local, symbol and DSR, over the whole program.
"""

from __future__ import annotations

from typing import TypeAlias

from openwafer import tir
from openwafer.tir import DsdKind, DsdWord, walk

Kinds: TypeAlias = int
"""A set of `DsdKind`, one bit a kind."""

Place: TypeAlias = tuple[str, int, int]
"""`("local", function, slot)`, `("symbol", index, 0)` or `("dsr", index, 0)`."""

ANY: Kinds = (1 << len(DsdKind)) - 1
FABRIC: Kinds = 1 << DsdKind.FABIN | 1 << DsdKind.FABOUT | 1 << DsdKind.FIFO


class DsdKinds:
    """The result for one program. What nothing flows into can be anything."""

    def __init__(self, program: tir.Program) -> None:
        self._places: dict[Place, Kinds] = {}
        for index, symbol in enumerate(program.symbols):
            self._add(("symbol", index, 0), _initial(symbol))
        while self._pass(program):
            pass

    def operand(self, function: int, operand: tir.Operand | None) -> Kinds:
        """Kinds that an operand of a DSD operation in `function` can have."""
        match operand:
            case None | tir.Scalar() | tir.Pointer():
                return 0
            case tir.Dsr(index):
                return self._places.get(("dsr", index, 0), 0) or ANY
            case tir.Dsd(value):
                return self._of(function, value) or ANY

    def may_be_fabric(self, function: int, op: tir.DsdOp) -> bool:
        """Whether an operand may be of the fabric (or a FIFO), so that the operation can wait."""
        return any(self.operand(function, o) & FABRIC for o in (op.dest, op.src0, op.src1))

    def _add(self, place: Place, kinds: Kinds) -> bool:
        old = self._places.get(place, 0)
        self._places[place] = old | kinds
        return old | kinds != old

    def _pass(self, program: tir.Program) -> bool:
        changed = False
        for index, function in enumerate(program.functions):
            for node in walk(function.body):
                changed |= self._flow(program, index, node)
        return changed

    def _flow(self, program: tir.Program, function: int, node: object) -> bool:
        match node:
            case tir.Set(slot, value) if value.type == "dsd":
                return self._add(("local", function, slot), self._of(function, value))
            case tir.LoadDsr(index, value, _):
                return self._add(("dsr", index, 0), self._of(function, value))
            case tir.Store(addr, value) if value.type == "dsd":
                return self._store(program, addr, self._of(function, value))
            case tir.Copy(dest, source, _):
                return self._store(program, dest, self._loaded(source))
            case tir.Call(callee, args, result, _):
                changed = False
                for slot, arg in enumerate(args):
                    if arg.type == "dsd":
                        changed |= self._add(("local", callee, slot), self._of(function, arg))
                if result is not None and program.functions[callee].result == "dsd":
                    changed |= self._add(("local", function, result), self._returned(program, callee))
                return changed
            case _:
                return False

    def _store(self, program: tir.Program, addr: tir.Expr, kinds: Kinds) -> bool:
        symbol = _symbol(addr)
        targets = range(len(program.symbols)) if symbol is None else (symbol,)
        return any([self._add(("symbol", index, 0), kinds) for index in targets])

    def _returned(self, program: tir.Program, function: int) -> Kinds:
        returns = [n for n in walk(program.functions[function].body) if isinstance(n, tir.Return)]
        kinds = 0
        for node in returns:
            kinds |= self._of(function, node.value) if node.value is not None else 0
        return kinds

    def _loaded(self, addr: tir.Expr) -> Kinds:
        symbol = _symbol(addr)
        return ANY if symbol is None else self._places.get(("symbol", symbol, 0), 0)

    def _of(self, function: int, value: tir.Expr) -> Kinds:
        match value:
            case tir.DsdMake(words):
                kind = words[DsdWord.KIND]
                return 1 << int(kind.value) if isinstance(kind, tir.Const) else ANY
            case tir.DsdWith(base, word, _):
                return ANY if word == DsdWord.KIND else self._of(function, base)
            case tir.Local(_, slot):
                return self._places.get(("local", function, slot), 0)
            case tir.Load(_, addr):
                return self._loaded(addr)
            case tir.Select(_, _, a, b):
                return self._of(function, a) | self._of(function, b)
            case _:
                return ANY


def _symbol(addr: tir.Expr) -> int | None:
    """The symbol that an address lies in, if its expression names exactly one."""
    found = {node.symbol for node in walk(addr) if isinstance(node, tir.Addr)}
    return found.pop() if len(found) == 1 and _is_sum(addr) else None


def _is_sum(addr: tir.Expr) -> bool:
    match addr:
        case tir.Addr():
            return True
        case tir.Binary("add" | "sub", _, a, b):
            return _is_sum(a) or _is_sum(b)
        case tir.Cast(_, a):
            return _is_sum(a)
        case _:
            return False


def _initial(symbol: tir.Symbol) -> Kinds:
    """The kind in the initial content of a DSD or an array of them (0: none yet); anything in other types,
    which may hold several DSDs."""
    if not symbol.type.endswith("_dsd") or "struct" in symbol.type:
        return ANY
    kind = int.from_bytes(symbol.init[:2], "little")
    return 1 << kind if DsdKind.NONE < kind < len(DsdKind) else 0
