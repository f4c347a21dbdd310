"""What the evaluator fills: a layout being executed, or a PE program being compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from openwafer import tir
from openwafer.csl._options import CompileOptions
from openwafer.csl.layout._tiles import Tiles
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._files import FileLoader
from openwafer.csl.syntax._module import Module
from openwafer.csl.values import _types as ty
from openwafer.csl.values._addressed import addressed_names
from openwafer.csl.values._builder import FnBuilder
from openwafer.csl.values._values import FnValue, RangeValue, Ref, Static, Value
from openwafer.diag import Label, Span, error
from openwafer.machine import Machine
from openwafer.tir import ExportName

if TYPE_CHECKING:
    from openwafer.csl.layout._loop_trace import Trace

MAX_MODULES = 1000
"""Most module instances of a layout or program: ends imports that go round in circles with new parameters."""


@dataclass(slots=True, frozen=True)
class Guard:
    """A decision taken on a value that differs between PEs: the program fits a PE only if `expr`,
    evaluated over that PE's parameter cells, gives `expected`."""

    expr: tir.Expr
    expected: int | float | bool


@dataclass(slots=True, frozen=True)
class Rectangle:
    width: int
    height: int
    fabric: tuple[int, int]
    offsets: tuple[int, int]
    span: Span


class Unit:
    """What layouts and programs have in common: files, modules, options, the machine."""

    def __init__(self, files: FileLoader, options: CompileOptions, machine: Machine) -> None:
        self.files = files
        self.options = options
        self.machine = machine
        self.arch = options.arch
        self.modules: dict[tuple[str, object], Module] = {}
        self.new_modules: list[Module] = []
        self.guards: list[Guard] = []
        self.rectangle: Rectangle | None = None
        self.trace: Trace | None = None
        """The loop of a layout that is being recorded."""
        self.literals: dict[int, tuple[Value | None, object]] = {}
        """Values of struct literals by the identity of their node; None for those that are not constant."""
        self.addressed: dict[int, tuple[ast.FnDecl, frozenset[str]]] = {}
        """Names of a function that have their address taken, by the identity of its declaration."""
        self.call_depth = 0
        self.steps = 0
        self.printed: list[str] = []

    def addressed_names(self, decl: ast.FnDecl) -> frozenset[str]:
        """`addressed_names` of a declaration, found once."""
        known = self.addressed.get(id(decl))
        if known is None:
            known = self.addressed[id(decl)] = (decl, addressed_names(decl))
        return known[1]

    def module(self, name: str, importer: str | None, params: dict[str, Value], span: Span | None) -> Module:
        """The instance of file `name` with these parameters: one for each distinct (path, parameters)."""
        file = self.files.load(name, importer, span)
        key = (file.path, fingerprint(params))
        found = self.modules.get(key)
        if found is None:
            if self.trace is not None:
                raise Untraceable
            if len(self.modules) >= MAX_MODULES:
                raise error("too-many-modules", f"more than {MAX_MODULES:,} module instances", span)
            found = self.modules[key] = Module(self, file, params, len(self.modules), span)
            self.new_modules.append(found)
        return found


class Untraceable(Exception):
    """A loop of the layout cannot be told for many PEs at once (`_loop_trace`)."""


class LayoutUnit(Unit):
    """Executes `layout` blocks. `routes[y, x, color]` is a row of `configs`, -1 without one; both it and
    `tiles` are there as soon as the rectangle is."""

    def __init__(self, files: FileLoader, options: CompileOptions, machine: Machine) -> None:
        super().__init__(files, options, machine)
        self.tiles: Tiles | None = None
        self.configs: dict[tuple[int, ...], int] = {}
        self.config_rows: dict[object, int] = {}
        self.config_values: dict[int, tuple[Value, int]] = {}
        self.tile_paths: dict[tuple[str, str], str] = {}
        self.routes: NDArray[np.int16] | None = None
        self.traceable: dict[int, tuple[bool, ast.For]] = {}
        """Whether a loop may be recorded, by the identity of its node."""
        self.exports: dict[str, ExportName] = {}
        self.export_types: dict[str, ty.Type] = {}


class ProgramUnit(Unit):
    """Compiles one PE program of an executed layout."""

    def __init__(self, layout: LayoutUnit) -> None:
        super().__init__(layout.files, layout.options, layout.machine)
        self.rectangle = layout.rectangle
        self.export_names = layout.exports
        self.export_types = layout.export_types
        self.symbols: list[tir.Symbol] = []
        self.functions: list[tir.Function | None] = []
        self.function_spans: dict[int, Span] = {}
        self.instances: dict[Any, int] = {}
        self.tasks: dict[int, tir.Task] = {}
        self.task_spans: dict[int, Span] = {}
        self.exports: dict[str, tir.Export] = {}
        self.queues: dict[tuple[str, int], tir.Queue] = {}
        self.further_outputs: dict[tuple[int, int], tir.Queue] = {}
        """On WSE-2, output queues by color, where a queue sends more than one."""
        self.queue_cells: dict[tuple[str, int], tir.Expr] = {}
        """The color of a queue as an expression of cells, where it differs from PE to PE."""
        self.dsrs: dict[str, int] = {}
        self.fifos: list[tir.Fifo] = []
        self.fifo_spans: list[Span] = []
        self.host_in: dict[int, Span] = {}
        self.host_out: dict[int, Span] = {}
        self.blocked: set[int] = set()
        self.unblocked: dict[int, Span] = {}
        self.high: set[int] = set()
        self.main_priority = tir.MEDIUM
        self.activated: set[int] = set()
        self.colors: dict[int, tir.ColorConfig] = {}
        self.teardown_handlers: dict[int, tuple[int, Span]] = {}
        """By color: the function, and where it was set."""
        self.queue_spans: dict[tuple[str, int], Span] = {}
        self.bind_spans: dict[tuple[str, int], Span] = {}
        self.used_task_ids: list[tuple[int, Span]] = []
        self.pending: list[tuple[int, FnValue, tuple[Value, ...]]] = []
        self.init = FnBuilder("<init>", ty.VOID, 0)
        self.locations: dict[tuple[str, int], int] = {}
        self.constants: dict[object, tuple[Static, Value]] = {}
        """Constants that have been given a place in memory, by the identity of their declaration and their
        value: a module that is imported twice, or a function with a comptime parameter, declares several."""

    def loc(self, span: Span) -> int:
        """Index of the place in `Program.locations`."""
        line, _ = span.source.position(span.start)
        return self.locations.setdefault((span.source.path, line), len(self.locations))

    def symbol(self, name: str, size: int, align: int, init: bytes, type: str) -> int:
        self.symbols.append(tir.Symbol(name, size, align, init, type))
        return len(self.symbols) - 1

    def set_init(self, symbol: int, init: bytes) -> None:
        old = self.symbols[symbol]
        self.symbols[symbol] = tir.Symbol(old.name, old.size, old.align, init, old.type)

    def dsr(self, file: str, number: int) -> int:
        """Place in `Program.dsrs` of DSR `number` of a file (`dest`, `src0`, `src1`)."""
        return self.dsrs.setdefault(f"{file}:{number}", len(self.dsrs))

    def bind_queue(
        self, direction: str, number: int, color: int, span: Span, cell: tir.Expr | None = None
    ) -> None:
        """Ties a queue to a color, for the whole program; `cell` is the color as an expression of cells."""
        bound = self.queues.get((direction, number))
        if bound is None:
            self.queues[direction, number] = tir.Queue(direction, number, color)
            self.bind_spans[direction, number] = span
            if cell is not None:
                self.queue_cells[direction, number] = cell
            return
        before = self.queue_cells.get((direction, number))
        if cell != before:
            pairs = ((cell, color), (before, bound.color))
            self.guards += [Guard(c, decided) for c, decided in pairs if c is not None]
        if bound.color != color and self.arch == "wse2" and direction == "out":
            self.further_outputs[number, color] = tir.Queue(direction, number, color)
        elif bound.color != color:
            first = Label(self.bind_spans[direction, number], f"bound to color {bound.color} here")
            message = f"{direction}put queue {number} is bound to color {color} and to color {bound.color}"
            raise error("queue-two-colors", message, span, labels=[first])

    def queue_of(self, direction: str, color: int, span: Span) -> int:
        """The queue of a color where the program names none: the one bound to it, else a free one."""
        for (kind, number), queue in self.queues.items():
            if kind == direction and (kind, number) in self.queue_cells:
                self.guards.append(Guard(self.queue_cells[kind, number], queue.color))
            if kind == direction and queue.color == color:
                return number
        depths = self.machine.queues.input_depth if direction == "in" else self.machine.queues.output_depth
        for number in range(len(depths) - 1, 0, -1):
            if (direction, number) not in self.queues:
                self.bind_queue(direction, number, color, span)
                return number
        raise error("no-free-queue", f"no {direction}put queue is left for color {color}", span)


def fingerprint(value: object) -> object:
    """A hashable key of parameters: equal for values that make the same module instance."""
    if isinstance(value, dict):
        return tuple(sorted((k, fingerprint(v)) for k, v in cast("dict[str, object]", value).items()))
    if isinstance(value, list):
        return tuple(map(fingerprint, cast("list[object]", value)))
    if isinstance(value, Value):
        ir = None if value.ir is None else str(value.ir)
        known = fingerprint(value.known)
        return (value.type, known, ir)
    if isinstance(value, float):
        return ("float", repr(value))
    if isinstance(value, (int, str, bool, ty.Type)) or value in ((), None):
        return (type(value).__name__, value)
    if isinstance(value, RangeValue):
        return tuple(map(fingerprint, (value.start, value.stop, value.step)))
    if isinstance(value, Ref):
        return (id(value.base), value.offset)
    return id(value)
