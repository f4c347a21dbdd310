"""Programs with a host's script, and what comes out of them on an engine."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openwafer.csl import _tir as tir
from openwafer.diag import DiagnosticError
from openwafer.image import Image
from openwafer.machine import load_machine
from openwafer.sim._engine import Engine, Launch
from openwafer.sim._profile import Profile
from openwafer.sim._reference import ReferenceEngine
from tir_kit import used_bytes

HAS_FAST = importlib.util.find_spec("openwafer.sim._fast_engine") is not None

Script = Callable[[Engine], list[Any]]


def launch(engine: Engine) -> list[Any]:
    """Runs `go` to the end."""
    engine.submit(Launch("go"))
    engine.run()
    return [engine.now]


def launch_for_a_while(engine: Engine) -> list[Any]:
    """Runs `go` to the end or to a limit: a random program may wait for a microthread for ever."""
    engine.submit(Launch("go"))
    engine.run(max_cycles=MAX_CYCLES)
    return [engine.now]


MAX_CYCLES = 5000


@dataclass(frozen=True)
class Case:
    """A program and what the host does with it; the script's result is compared too."""

    name: str
    build: Callable[[], Image]
    script: Script = launch


@dataclass
class Outcome:
    results: list[Any] = field(default_factory=list)
    error: str = ""
    now: int = 0
    memory: dict[tuple[int, int], bytes] = field(default_factory=dict)
    printed: list[Any] = field(default_factory=list)
    profile: Profile | None = None


def outcome(make: Any, case: Case, *, profile: bool = False) -> Outcome:
    """Runs a case on an engine."""
    made = case.build()
    machine = load_machine(made.machine)
    engine = make(made, machine, profile=True) if profile else make(made, machine)
    result = Outcome()
    try:
        result.results = case.script(engine)
    except DiagnosticError as reason:
        result.error = reason.diagnostics[0].id
    result.now, result.printed = engine.now, engine.printed()
    result.profile = engine.profile() if profile else None
    layout = made.layout
    for y in range(layout.height):
        for x in range(layout.width):
            if layout.program_of[y, x] >= 0:
                memory = engine.read(x, y, 0, used_bytes(layout.programs[layout.program_of[y, x]]))
                result.memory[x, y] = one_nan(memory, layout.programs[layout.program_of[y, x]])
    return result


def one_nan(memory: bytes, program: tir.Program) -> bytes:
    """The same memory with equal bits for every NaN in symbols named after a float type."""
    out = bytearray(memory)
    for symbol in program.symbols:
        dtype = {"f16": np.float16, "f32": np.float32}.get(symbol.name[:3])
        if dtype is not None:
            numbers = np.frombuffer(memory, dtype, symbol.size // dtype().itemsize, symbol.address).copy()
            numbers[np.isnan(numbers)] = np.nan
            out[symbol.address : symbol.address + symbol.size] = numbers.tobytes()
    return bytes(out)


def agree(case: Case) -> None:
    """Asserts that the fast engine gives what the reference engine gives, with a profile and without."""
    from openwafer.sim._fast_engine import FastEngine

    expected = outcome(ReferenceEngine, case)
    _same(expected, outcome(FastEngine, case))
    profiles = [outcome(make, case, profile=True) for make in (ReferenceEngine, FastEngine)]
    for profiled in profiles:
        _same(expected, profiled)
    assert profiles[0].profile == profiles[1].profile


def _same(expected: Outcome, got: Outcome) -> None:
    assert (got.error, got.now, got.results) == (expected.error, expected.now, expected.results)
    assert got.printed == expected.printed
    for place, memory in expected.memory.items():
        differing = [i for i, (a, b) in enumerate(zip(memory, got.memory[place], strict=True)) if a != b]
        assert not differing, f"PE {place}, bytes {differing[:20]}"
