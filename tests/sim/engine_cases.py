"""Programs with a host's script, and what comes out of them on an engine."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from openwafer import tir
from openwafer.diag import DiagnosticError, to_json
from openwafer.image import Image
from openwafer.machine import Machine, load_machine
from openwafer.sim._engine import Engine, Launch, PeStats
from openwafer.sim._profile import Profile
from openwafer.sim.reference._engine import ReferenceEngine
from tir_kit import used_bytes

HAS_FAST = importlib.util.find_spec("openwafer.sim.fast._engine") is not None

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
    """What is compared: results of the script, the diagnostic that ended it, all that can be read after."""

    results: list[Any] = field(default_factory=list)
    error: str = ""
    told: list[Any] = field(default_factory=list)
    now: int = 0
    memory: dict[tuple[int, int], bytes] = field(default_factory=dict)
    printed: list[Any] = field(default_factory=list)
    stats: PeStats = field(default_factory=PeStats)
    profile: Profile | None = None


@cache
def machine_of(name: str | Machine) -> Machine:
    return load_machine(name)


def outcome(make: Any, case: Case, *, profile: bool = False) -> Outcome:
    """Runs a case on an engine."""
    made = case.build()
    machine = machine_of(made.machine)
    engine = make(made, machine, profile=True) if profile else make(made, machine)
    result = Outcome()
    try:
        result.results = case.script(engine)
    except DiagnosticError as reason:
        result.error = reason.diagnostics[0].id
        result.told = [to_json(d) for d in reason.diagnostics]
    result.now, result.printed, result.stats = engine.now, engine.printed(), engine.stats()
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
    from openwafer.sim.fast._engine import FastEngine

    expected = outcome(ReferenceEngine, case)
    assert differences(expected, outcome(FastEngine, case)) is None
    profiles = [outcome(make, case, profile=True) for make in (ReferenceEngine, FastEngine)]
    assert differences(expected, profiles[0]) is None
    assert differences(*profiles) is None


def differences(expected: Outcome, got: Outcome) -> str | None:
    """What the second outcome has otherwise, None for nothing; profiles count where both have one."""
    for name in ("error", "told", "now", "results", "printed", "stats"):
        a, b = getattr(expected, name), getattr(got, name)
        if a != b:
            return f"{name}: {b} instead of {a}"
    for place, memory in expected.memory.items():
        pairs = enumerate(zip(memory, got.memory[place], strict=True))
        if differing := [i for i, (a, b) in pairs if a != b]:
            return f"PE {place}: bytes {differing[:20]} of its memory differ"
    if expected.profile and got.profile and expected.profile != got.profile:
        return f"profile: {_first_difference(expected.profile, got.profile)}"
    return None


def _first_difference(expected: Profile, got: Profile) -> str:
    for name in ("cycles", "lines", "tasks", "pes"):
        a, b = getattr(expected, name), getattr(got, name)
        if a != b:
            pairs = [] if name == "cycles" else [(p, q) for p, q in zip(a, b, strict=False) if p != q]
            wanted, found = pairs[0] if pairs else (a, b)
            return f"{name}: {found} instead of {wanted}"
    return ""
