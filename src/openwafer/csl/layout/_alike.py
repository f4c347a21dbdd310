"""Programs that differ only in numbers that they store or write into registers: one program with cells.

A number that a decision or a comptime function made is a constant of its program. Where programs are the same
but for such constants, each constant that differs becomes a parameter cell, so that the code is made once: 49
kinds of routes of an 8 × 8 layout took 100 s of code generation, one takes 2 s. A cell costs what a constant
costs; constants that a cost or a loop could depend on stay apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from openwafer import tir

Visit = Callable[[tir.Const], tir.Expr]
_FIELD = {tir.Store: "value", tir.WriteConfig: "value"}
"""The statements whose constants may become cells, and where these stand."""
_TYPES = ("u8", "i8", "u16", "i16", "u32", "i32")


@dataclass(frozen=True, slots=True)
class Alike:
    """`members` are programs, by number, that `program` stands for; its further cells hold `words`, a row a
    member."""

    program: tir.Program
    members: tuple[int, ...]
    words: NDArray[np.uint32]


def merge_alike(programs: Sequence[tir.Program]) -> list[Alike]:
    """Each program once, in the order of the first of its kind."""
    groups: dict[tir.Program, list[int]] = {}
    numbers: list[list[int]] = []
    for index, program in enumerate(programs):
        skeleton, found = _skeleton(program)
        numbers.append(found)
        groups.setdefault(skeleton, []).append(index)
    return [_merged(programs, members, numbers) for members in groups.values()]


def _skeleton(program: tir.Program) -> tuple[tir.Program, list[int]]:
    """The program with all constants that may differ as 0, and those."""
    found: list[int] = []

    def take(const: tir.Const) -> tir.Expr:
        found.append(int(const.value))
        return tir.Const(const.type, 0)

    return msgspec.structs.replace(_changed(program, take), name=""), found


def _merged(programs: Sequence[tir.Program], members: list[int], numbers: list[list[int]]) -> Alike:
    first = programs[members[0]]
    table = np.array([numbers[m] for m in members], np.int64).reshape(len(members), -1)
    differ = (table != table[0]).any(0)
    if not differ.any():
        return Alike(first, tuple(members), np.zeros((len(members), 0), np.uint32))
    cells: list[str] = list(first.params)
    known: dict[tuple[str, bytes], int] = {}
    columns: list[int] = []
    at = iter(range(table.shape[1]))

    def put(const: tir.Const) -> tir.Expr:
        place = next(at)
        if not differ[place]:
            return const
        key = (const.type, table[:, place].tobytes())
        if key not in known:
            known[key] = len(cells)
            cells.append(const.type)
            columns.append(place)
        return tir.Param(const.type, known[key])

    program = _changed(first, put)
    words = (table[:, columns] & 0xFFFFFFFF).astype(np.uint32)
    return Alike(msgspec.structs.replace(program, params=tuple(cells)), tuple(members), words)


def _changed(program: tir.Program, visit: Visit) -> tir.Program:
    functions = tuple(msgspec.structs.replace(f, body=_body(f.body, visit)) for f in program.functions)
    return msgspec.structs.replace(program, functions=functions)


def _body(body: tuple[tir.Stmt, ...], visit: Visit) -> tuple[tir.Stmt, ...]:
    return tuple(_statement(s, visit) for s in body)


def _statement(statement: Any, visit: Visit) -> Any:
    match statement:
        case tir.If(cond=cond, then=then, otherwise=otherwise):
            return tir.If(cond, _body(then, visit), _body(otherwise, visit))
        case tir.Loop(body=body, step=step):
            return msgspec.structs.replace(statement, body=_body(body, visit), step=_body(step, visit))
        case tir.Block(label=label, body=body) if label >= 0:
            return tir.Block(label, _body(body, visit))
        case tir.Store() | tir.WriteConfig():
            field = _FIELD[type(statement)]
            return msgspec.structs.replace(statement, **{field: _expr(getattr(statement, field), visit)})
        case _:
            return statement


def _expr(expr: tir.Expr, visit: Visit) -> tir.Expr:
    match expr:
        case tir.Const(type=type) if type in _TYPES:
            return visit(expr)
        case tir.Binary(op=op, type=type, a=a, b=b) if op not in ("div", "rem", "shl", "shr"):
            return tir.Binary(op, type, _expr(a, visit), _expr(b, visit))
        case tir.Unary(op=op, type=type, a=a):
            return tir.Unary(op, type, _expr(a, visit))
        case _:
            return expr
