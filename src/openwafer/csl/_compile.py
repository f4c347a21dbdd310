"""Compiling a layout: executing its `layout` block, then compiling each distinct program once."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from openwafer import tir
from openwafer.csl._options import CompileOptions
from openwafer.csl._program import compile_program
from openwafer.csl._rules import RULES
from openwafer.csl.evaluate._eval import Evaluator
from openwafer.csl.evaluate._unit import LayoutUnit, ProgramUnit
from openwafer.csl.layout._groups import Group, group_tiles
from openwafer.csl.layout._varying import Cells, Rows, encode_cells, matching, parts_of, queue_colors
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._edition import check_edition
from openwafer.csl.syntax._files import FileLoader
from openwafer.csl.syntax._literals import LiteralError, number_value
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Value
from openwafer.diag import error, suggest
from openwafer.machine import load_machine
from openwafer.tir import CONFIG_COLUMNS, SWAP_COLUMN, Layout, config_row

Progress = Callable[[str], None]
Members = list[list[tuple[int, int]]]
"""The PEs of rows."""
RECURSION_LIMIT = 20_000


def _say_nothing(_: str) -> None:
    pass


def compile_layout(
    path: str, options: CompileOptions, progress: Progress | None = None, printed: Progress | None = None
) -> Layout:
    """Compiles the layout file `path`. `progress` is told what is being done, `printed` each line of
    `@comptime_print`.

    Diagnostics of the first error are raised."""
    assert RULES
    check_edition(options)
    tell = progress or _say_nothing
    machine = load_machine(options.machine or options.arch)
    files = FileLoader(options.import_path)
    unit = LayoutUnit(files, options, machine)
    tell("layout")
    with _deep_recursion(), _without_collector():
        _execute(unit, path, options)
        _check_tiles(unit, path)
        show = printed or _say_nothing
        for line in unit.printed:
            show(line)
        return _Programs(unit, tell, show).layout()


@contextmanager
def _deep_recursion() -> Generator[None]:
    """Room for calls nested to `MAX_CALL_DEPTH`, each with expressions nested as deep as the parser lets
    through;
    what is deeper still is a diagnostic."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
    try:
        yield
    except RecursionError:
        raise error("too-deep", "the program nests too deep to be compiled") from None
    finally:
        sys.setrecursionlimit(limit)


@contextmanager
def _without_collector() -> Generator[None]:
    """Pauses the search for cyclic garbage: a layout's hundred thousands of values have none, and looking for
    it took a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _execute(unit: LayoutUnit, path: str, options: CompileOptions) -> None:
    file = unit.files.load(path, None, None)
    params = _parameters(options, file.tree, path)
    module = unit.module(file.path, None, params, None)
    blocks = [d for d in file.tree.declarations if isinstance(d, ast.LayoutBlock)]
    if not blocks:
        raise error("no-layout", f"{path} has no layout block", file.tree.span)
    for block in blocks:
        Evaluator(unit, module).body((block.body,))


def _parameters(options: CompileOptions, tree: ast.File, path: str) -> dict[str, Value]:
    found = [d for d in tree.declarations if isinstance(d, ast.ParamDecl)]
    declared = [d.name for d in found]
    span = found[0].span if found else None
    params: dict[str, Value] = {}
    for name, text in options.params.items():
        if name not in declared:
            help = suggest(name, declared)
            raise error("unknown-parameter", f"{path} has no parameter `{name}`", span, help=help)
        params[name] = _parameter(name, text)
    for name, text in options.colors.items():
        if name in declared and name not in params:
            params[name] = Value(ty.COLOR, _number(name, text))
    return params


def _parameter(name: str, text: str) -> Value:
    if text in ("true", "false"):
        return Value(ty.BOOL, text == "true")
    return Value(ty.COMPTIME_INT, _number(name, text))


def _number(name: str, text: str) -> int:
    try:
        number = number_value(text.removeprefix("-"))
    except LiteralError:
        number = 0.0
    if isinstance(number, float):
        raise error("bad-parameter", f"value `{text}` of `{name}` is not an integer")
    return -number if text.startswith("-") else number


def _check_tiles(unit: LayoutUnit, path: str) -> None:
    rectangle = unit.rectangle
    if rectangle is None:
        raise error("no-rectangle", f"the layout of {path} never calls `@set_rectangle`")
    assert unit.tiles is not None
    missing = unit.tiles.missing()
    if missing:
        first = missing[0]
        all_of = rectangle.width * rectangle.height
        message = f"{len(missing)} of {all_of} PEs have no code, the first is ({first[0]}, {first[1]})"
        raise error("tile-without-code", message, rectangle.span)


class _Programs:
    """Compiles the programs of an executed layout and places them."""

    def __init__(self, unit: LayoutUnit, tell: Progress, show: Progress) -> None:
        assert unit.rectangle is not None and unit.tiles is not None and unit.routes is not None
        self.tiles, self.routes = unit.tiles, unit.routes
        self.unit = unit
        self.tell, self.show = tell, show
        self.rectangle = unit.rectangle
        self.shape = (self.rectangle.height, self.rectangle.width)
        self.programs: list[tir.Program] = []
        self.program_of = np.full(self.shape, -1, np.int32)
        self.parts: list[tuple[NDArray[np.int32], NDArray[np.uint32]]] = []

    def layout(self) -> Layout:
        for group in group_tiles(self.tiles.batches):
            self._compile_group(group)
        configs, config_of = self._routes()
        options, rectangle = self.unit.options, self.rectangle
        return Layout(
            arch=options.arch,
            width=rectangle.width,
            height=rectangle.height,
            fabric_dims=rectangle.fabric,
            fabric_offsets=rectangle.offsets,
            params=dict(options.params),
            programs=tuple(self.programs),
            exports=tuple(self.unit.exports.values()),
            program_of=self.program_of,
            cells=self._cells(),
            configs=configs,
            config_of=config_of,
            sources=self._sources(),
        )

    def _sources(self) -> dict[str, str]:
        places = (path for program in self.programs for path, _ in program.locations)
        return self.unit.files.texts(dict.fromkeys(places))

    def _compile_group(self, group: Group) -> None:
        for cells in parts_of(group):
            left = np.arange(len(cells.rows))
            members = cells.members
            while len(left):
                program = self._compile(group, cells.params(int(left[0])), cells.types)
                fits = matching(self.guards, cells, left)
                self._place_by_queues(program, cells, members, left[fits])
                left = left[~fits]

    def _compile(self, group: Group, params: dict[str, Value], cells: tuple[str, ...]) -> tir.Program:
        unit = ProgramUnit(self.unit)
        self.tell(f"program {len(self.programs) + 1}: {group.tile.path}")
        program = compile_program(unit, group.tile.path, params, group.tile.span, cells)
        for line in unit.printed:
            self.show(line)
        self.guards, self.queue_cells = unit.guards, unit.queue_cells
        return program

    def _place_by_queues(self, program: tir.Program, cells: Cells, members: Members, at: Rows) -> None:
        """Places the PEs of rows: one program for each way in which their queues are bound to colors."""
        for colors, chosen in queue_colors(self.queue_cells, cells, at):
            bound = dict(zip(self.queue_cells, colors, strict=True))
            queues = tuple(
                tir.Queue(q.direction, q.id, bound.pop((q.direction, q.id), q.color)) for q in program.queues
            )
            variant = msgspec.structs.replace(program, queues=queues)
            self._place(variant, [members[row] for row in chosen.tolist()], encode_cells(cells, chosen))

    def _place(self, program: tir.Program, members: Members, words: NDArray[np.uint32]) -> None:
        index = len(self.programs)
        self.programs.append(msgspec.structs.replace(program, name=f"{program.name}#{index}"))
        places = np.array(list(chain.from_iterable(members)), np.int32)
        self.program_of[places[:, 1], places[:, 0]] = index
        self.parts.append((places, np.repeat(words, list(map(len, members)), axis=0)))

    def _cells(self) -> NDArray[np.uint32]:
        width = max((words.shape[1] for _, words in self.parts), default=0)
        cells = np.zeros((*self.shape, width), np.uint32)
        for places, words in self.parts:
            cells[places[:, 1], places[:, 0], : words.shape[1]] = words
        return cells

    def _routes(self) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
        """Routes of the layout and of the programs' own `@set_local_color_config`."""
        config_of = self.routes.copy()
        configs = dict(self.unit.configs)
        for index, program in enumerate(self.programs):
            self._local_routes(index, program, configs, config_of)
        table = np.array(list(configs), np.int32).reshape(-1, len(CONFIG_COLUMNS))
        _check_swaps(table, config_of)
        return table, config_of

    def _local_routes(
        self,
        index: int,
        program: tir.Program,
        configs: dict[tuple[int, ...], int],
        config_of: NDArray[np.int16],
    ) -> None:
        here = self.program_of == index
        for config in program.colors:
            clash = here & (config_of[:, :, config.color] >= 0)
            if clash.any():
                y, x = np.argwhere(clash)[0]
                message = (
                    f"color {config.color} of PE ({x}, {y}) is configured in the layout and in {program.name}"
                )
                raise error("color-set-twice", message)
            config_of[here, config.color] = configs.setdefault(config_row(config), len(configs))


def _check_swaps(configs: NDArray[np.int32], config_of: NDArray[np.int16]) -> None:
    """Colors of a pair that swap differently: what comes on one of them would have to go to both."""
    if not configs[:, SWAP_COLUMN].any():
        return
    swaps = np.where(config_of >= 0, configs[config_of, SWAP_COLUMN], -1)
    pairs = swaps.reshape(*swaps.shape[:2], -1, 2)
    differ = (pairs >= 0).all(-1) & (pairs[..., 0] != pairs[..., 1])
    if differ.any():
        y, x, pair = np.argwhere(differ)[0]
        message = f"colors {2 * pair} and {2 * pair + 1} of PE ({x}, {y}) do not swap alike"
        raise error("not-supported-color-swap", f"{message}, which is not supported yet")
