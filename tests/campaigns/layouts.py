"""Random layouts: each PE gets what the layout says of it, whether loops are recorded or executed one by one.

A seed is compiled with every loop recorded from two iterations on, as it is by default, and with none. What
each PE stores of its parameters must be what was computed here, on both engines; so must routes.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from campaigns._layout_programs import Case, case
from csl_kit import ENGINES, execute, read
from openwafer.csl import CompileOptions, Layout, compile_layout
from openwafer.csl.layout import _loop_record as record
from openwafer.diag import DiagnosticError
from openwafer.image import build
from openwafer.machine import Machine, load_machine
from openwafer.sim import Launch, make_engine

LIMIT_S = 60
"""Wall seconds a seed: 0.3 s of processor time as a rule, many times that on a busy machine."""
WAYS = {"recorded": 2, "one by one": 1 << 30, "as by default": record.MIN_ITERATIONS}
MOST_PROGRAMS = 6
"""The fast engine makes machine code of every program: it runs layouts of few."""


def check(seed: int) -> str | None:
    made = case(seed)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, text in made.files.items():
            Path(name).write_text(text)
        known: list[Layout] = []
        for way, least in WAYS.items():
            with recorded_from(least):
                found = _fault(made, known)
            if found is not None:
                return f"{way}: {found}"
    return None


@functools.cache
def machine(arch: str) -> Machine:
    return load_machine(arch)


@contextlib.contextmanager
def recorded_from(least: int) -> Iterator[None]:
    """Loops of at least so many iterations are recorded."""
    before = record.MIN_ITERATIONS
    record.MIN_ITERATIONS = least
    try:
        yield
    finally:
        record.MIN_ITERATIONS = before


def _fault(made: Case, known: list[Layout]) -> str | None:
    """What is wrong with the layout as it is compiled now; one equal to a `known` one is not run again."""
    try:
        layout = compile_layout("layout.csl", CompileOptions(arch=made.arch, memcpy=True))
    except DiagnosticError as problem:
        return f"refused: {problem.diagnostics[0].id}: {problem.diagnostics[0].message}"
    wrong = _wrong_route(made, layout)
    if wrong is not None or any(_is_same(layout, other) for other in known):
        return wrong
    known.append(layout)
    image = build(layout, made.arch)
    for name in ENGINES if len(image.layout.programs) <= MOST_PROGRAMS else ENGINES[:1]:
        engine = make_engine(image, machine(made.arch), engine=name)
        execute(engine, [Launch("run")])
        words = read(engine, "v", made.width, made.height, made.words.shape[2])
        wrong = _wrong_word(made, words, name)
        if wrong is not None:
            return wrong
    return None


def _is_same(a: Layout, b: Layout) -> bool:
    arrays = ((a.cells, b.cells), (a.program_of, b.program_of))
    return a.programs == b.programs and all(np.array_equal(one, other) for one, other in arrays)


def _wrong_word(made: Case, words: np.ndarray, engine: str) -> str | None:
    if np.array_equal(words, made.words):
        return None
    y, x, i = np.argwhere(words != made.words)[0]
    return f"{engine}: PE ({x}, {y}) has v[{i}] = {words[y, x, i]:#x}, not {made.words[y, x, i]:#x}"


def _wrong_route(made: Case, layout: Layout) -> str | None:
    found = {
        (int(x), int(y), int(color)): tuple(layout.configs[layout.config_of[y, x, color]].tolist())
        for y, x, color in np.argwhere(layout.config_of >= 0)
    }
    if found == made.routes:
        return None
    place = min(p for p in found.keys() | made.routes.keys() if found.get(p) != made.routes.get(p))
    return f"color {place[2]} of PE {place[:2]} is {found.get(place)}, not {made.routes.get(place)}"
