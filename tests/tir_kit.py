"""Hand-made programs and images for the tests of the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openwafer import tir
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.tir import CONFIG_COLUMNS, DsdKind, DsdWord, Layout, config_row

W, E, N, S, RAMP = 1, 2, 4, 8, 16
"""Bits of a route's masks."""
Routes = Mapping[int, tuple[int, int] | tir.ColorConfig]
"""(rx, tx), or a configuration with switch positions, by color."""


def const(type: str, value: float) -> tir.Const:
    return tir.Const(type, value)


def u16(value: int) -> tir.Const:
    return tir.Const("u16", value)


def f32(value: float) -> tir.Const:
    return tir.Const("f32", value)


def local(type: str, slot: int) -> tir.Local:
    return tir.Local(type, slot)


def binary(op: str, a: tir.Expr, b: tir.Expr) -> tir.Binary:
    is_comparison = op in ("eq", "ne", "lt", "le", "gt", "ge")
    return tir.Binary(op, "bool" if is_comparison else a.type, a, b)


def offset(base: tir.Expr, index: tir.Expr, size: int) -> tir.Expr:
    """Address of element `index` (u16) of an array."""
    return binary("add", base, binary("mul", index, u16(size)))


def record(kind: DsdKind, **words: tir.Expr | int) -> tir.DsdMake:
    """A DSD record; words by the lower-case names of `DsdWord`."""
    given = {DsdWord.KIND: u16(kind)}
    for name, word in words.items():
        given[DsdWord[name.upper()]] = u16(word & 0xFFFF) if isinstance(word, int) else word
    return tir.DsdMake(tuple(given.get(word, u16(0)) for word in DsdWord))


def mem1d(base: tir.Expr, extent: int, stride: int, **words: Any) -> tir.DsdMake:
    return record(DsdKind.MEM1D, base=base, extent0=extent, stride0=stride, **words)


def fabin(queue: int, extent: int, **words: Any) -> tir.DsdMake:
    return record(DsdKind.FABIN, base=queue, extent0=extent, **words)


def fabout(queue: int, extent: int, **words: Any) -> tir.DsdMake:
    return record(DsdKind.FABOUT, base=queue, extent0=extent, **words)


def dsd_op(
    op: str,
    dest: tir.Operand | tir.DsdMake,
    src0: tir.Operand | tir.DsdMake,
    src1: tir.Operand | tir.DsdMake | None = None,
    *,
    scalar: tir.Expr | None = None,
    is_async: bool = False,
    activate: int | None = None,
    unblock: int | None = None,
    ut: int | None = None,
    index: int | None = None,
    cycles: int | None = None,
    result: int | None = None,
    on_control: tir.ControlAction | None = None,
) -> tir.DsdOp:
    """A DSD operation; records stand for `Dsd` operands, numbers for constants."""
    ids = [None if id is None else u16(id) for id in (activate, unblock, ut, index)]
    return tir.DsdOp(
        op, _operand(dest), _operand(src0), None if src1 is None else _operand(src1), scalar, is_async,
        *ids, result, cycles, 0, on_control,
    )  # fmt: skip


def _operand(operand: tir.Operand | tir.DsdMake) -> tir.Operand:
    return tir.Dsd(operand) if isinstance(operand, tir.DsdMake) else operand


def delay(cycles: int) -> tir.DsdOp:
    """Lets so many cycles gather: a copy of address 0 to itself with a set-up of its own."""
    return dsd_op("mov16", tir.Pointer(u16(0)), tir.Pointer(u16(0)), cycles=cycles - 1)


def count_to(slot: int, limit: int, body: Sequence[tir.Stmt], label: int = 0) -> tuple[tir.Stmt, ...]:
    """`slot` (u16) from 0 up to `limit`, `body` each time."""
    counter = local("u16", slot)
    leave = tir.If(binary("ge", counter, u16(limit)), (tir.Break(label),), ())
    step = tir.Set(slot, binary("add", counter, u16(1)))
    return tir.Set(slot, u16(0)), tir.Loop(label, (leave, *body), (step,), True)


class Kit:
    """Collects the parts of one program. Symbols are placed one after the other, aligned to 8."""

    def __init__(self, arch: str = "wse3", name: str = "test") -> None:
        self.arch, self.name = arch, name
        self.functions: list[tir.Function] = []
        self.symbols: list[tir.Symbol] = []
        self.tasks: list[tir.Task] = []
        self.exports: list[tir.Export] = []
        self.queues: list[tir.Queue] = []
        self.dsrs: list[str] = []
        self.blocked: list[int] = []
        self.activated: list[int] = []
        self.params: list[str] = []
        self.init: int | None = None
        self.host_in: list[int] = []
        self.host_out: list[int] = []
        self.fifos: list[tir.Fifo] = []
        self.colors: list[tir.ColorConfig] = []
        self._end = 0

    def symbol(self, name: str, data: bytes | int, *, export: str = "") -> tir.Addr:
        """A symbol with initial content, or of so many zeros; `export` is the element type for the host."""
        init, size = (b"", data) if isinstance(data, int) else (data, len(data))
        self.symbols.append(tir.Symbol(name, size, 8, init, f"[{size}]u8", self._end))
        self._end += -(-size // 8) * 8
        if export:
            self.exports.append(tir.Export(name, "var", len(self.symbols) - 1, export, ()))
        return tir.Addr(len(self.symbols) - 1)

    def array(self, name: str, data: np.ndarray[Any, Any]) -> tir.Addr:
        return self.symbol(name, data.tobytes())

    def function(
        self,
        body: Sequence[tir.Stmt],
        slots: Sequence[str] = (),
        *,
        params: int = 0,
        result: str = "void",
        export: str = "",
    ) -> int:
        """Adds a function; `export` is the name by which the host launches it."""
        index = len(self.functions)
        name = export or f"f{index}"
        self.functions.append(tir.Function(name, params, tuple(slots), result, tuple(body), 0))
        if export:
            self.exports.append(tir.Export(export, "func", index, "void", tuple(slots[:params])))
        return index

    def task(
        self,
        id: int,
        body: Sequence[tir.Stmt],
        slots: Sequence[str] = (),
        *,
        kind: str = "local",
        params: int = 0,
    ) -> None:
        function = self.function(body, slots, params=params)
        self.tasks.append(tir.Task(id, kind, function, tuple(slots[:params])))

    def queue(self, direction: str, id: int, color: int) -> None:
        self.queues.append(tir.Queue(direction, id, color))

    def dsr(self, name: str) -> tir.Dsr:
        self.dsrs.append(name)
        return tir.Dsr(len(self.dsrs) - 1)

    def fifo(self, symbol: tir.Addr, elements: int, element_bytes: int = 2, **options: Any) -> tir.DsdMake:
        """A FIFO in the memory of `symbol`, as an operand."""
        self.fifos.append(tir.Fifo(symbol.symbol, elements, element_bytes, **options))
        return record(DsdKind.FIFO, base=len(self.fifos) - 1, element_bytes=element_bytes)

    def address(self, symbol: tir.Addr) -> int:
        return self.symbols[symbol.symbol].address + symbol.offset

    def build(self) -> tir.Program:
        return tir.Program(
            self.name, self.arch, tuple(self.functions), tuple(self.symbols), tuple(self.tasks),
            tuple(self.exports), tuple(self.queues), tuple(self.params), self.init, tuple(self.dsrs),
            tuple(self.blocked), tuple(self.activated), tuple(self.colors), (("test.csl", 1),),
            tuple(self.fifos), tuple(self.host_in), tuple(self.host_out),
        )  # fmt: skip


def image(
    programs: Sequence[Sequence[tir.Program | None]],
    routes: Mapping[tuple[int, int], Routes] | None = None,
    *,
    cells: Mapping[tuple[int, int], Sequence[int]] | None = None,
    colors: int = 24,
) -> Image:
    """An image of rows of programs (None: no code), with routes and parameter cells by (x, y)."""
    height, width = len(programs), len(programs[0])
    distinct: list[tir.Program] = []
    program_of = np.full((height, width), -1, np.int32)
    for y, row in enumerate(programs):
        for x, program in enumerate(row):
            if program is not None:
                if not any(program is other for other in distinct):
                    distinct.append(program)
                program_of[y, x] = next(i for i, other in enumerate(distinct) if other is program)
    configs, config_of = _configs(routes or {}, width, height, colors)
    values = cells or {}
    count = max((len(v) for v in values.values()), default=0)
    cell_array = np.zeros((height, width, count), np.uint32)
    for (x, y), words in values.items():
        cell_array[y, x, : len(words)] = words
    arch = distinct[0].arch if distinct else "wse3"
    layout = Layout(
        arch, width, height, (width + 7, height + 2), (4, 1), {}, tuple(distinct), (), program_of, cell_array,
        configs, config_of,
    )  # fmt: skip
    return Image(layout, load_machine(arch), {})


def used_bytes(program: tir.Program) -> int:
    """End of the last symbol in a PE's memory."""
    return max((symbol.address + symbol.size for symbol in program.symbols), default=0)


def _configs(
    routes: Mapping[tuple[int, int], Routes], width: int, height: int, colors: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rows: list[list[int]] = []
    config_of = np.full((height, width, colors), -1, np.int16)
    for (x, y), of_color in routes.items():
        for color, route in of_color.items():
            row = _row(route)
            if row not in rows:
                rows.append(row)
            config_of[y, x, color] = rows.index(row)
    return np.array(rows, np.int32).reshape(-1, len(CONFIG_COLUMNS)), config_of


def _row(route: tuple[int, int] | tir.ColorConfig) -> list[int]:
    config = route if isinstance(route, tir.ColorConfig) else tir.ColorConfig(0, (route,))
    return list(config_row(config))
