"""Runs the seeds of a campaign in child processes, so that a crash, a hang or a leak is a finding.

A campaign is a module of this folder with `check(seed) -> str | None`: None when all is as it must be, else a
sentence that says what is wrong. Optional constants: `SHARE` (seeds a process), `LIMIT_S` (seconds of
processor time a seed), `MEMORY_GIB` (address space of the process), `NEEDS` (modules without which the
campaign cannot run), `SLICE` (seeds that `make test` runs).
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import math
import multiprocessing as mp
import re
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

SHARE, LIMIT_S, SLICE = 50, 20, 5
WALL_FACTOR = 30
"""A seed may take so many times its processor time on a busy machine."""
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Fault:
    """A seed and what went wrong with it."""

    seed: int
    text: str


@dataclass(slots=True)
class Outcome:
    """What a range of seeds gave; `seconds` are wall time."""

    count: int = 0
    seconds: float = 0.0
    faults: list[Fault] = field(default_factory=list[Fault])


def names() -> list[str]:
    """All campaigns, by the names of their modules."""
    return sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py"))


def load(name: str) -> ModuleType:
    """The module of a campaign."""
    return importlib.import_module(f"campaigns.{name}")


def title(name: str) -> str:
    """What a campaign attacks: the begin of its module's docstring, read without importing it."""
    words = " ".join((ast.get_docstring(ast.parse(_text(name))) or name).split())
    return re.split(r"[:.]", words)[0]


def _text(name: str) -> str:
    return (Path(__file__).parent / f"{name}.py").read_text()


def missing(name: str) -> list[str]:
    """Modules that the campaign needs and that are not installed, read without importing them."""
    needs = [line for line in _text(name).splitlines() if line.startswith("NEEDS = ")]
    wanted = [word.strip("()\"', ") for line in needs for word in line[len("NEEDS = ") :].split(",")]
    return [m for m in wanted if m and importlib.util.find_spec(m) is None]


def run(name: str, seeds: range) -> Outcome:
    """Runs the seeds in order, a fresh process for each share and after each crash."""
    outcome, start, left = Outcome(), time.perf_counter(), seeds
    while left:
        done = 0
        for fault in _share(name, left):
            done += 1
            if fault is not None:
                outcome.faults.append(fault)
        outcome.count += done
        left = left[done:]
    outcome.seconds = time.perf_counter() - start
    return outcome


def _share(name: str, seeds: range) -> Iterator[Fault | None]:
    """What each seed of a share gave; ends early when the process did, after a fault that says so."""
    context = mp.get_context("spawn")
    receive, send = context.Pipe(False)
    process = context.Process(target=_child, args=(name, seeds, send))
    process.start()
    send.close()
    try:
        share, limit = receive.recv()
        for seed in seeds[:share]:
            try:
                text = _answer(receive, limit * WALL_FACTOR)
            except (EOFError, TimeoutError) as end:
                yield Fault(seed, _ending(process, end))
                return
            yield None if text is None else Fault(seed, text)
    finally:
        receive.close()
        process.kill()
        process.join()


def _answer(receive: Connection, seconds: float) -> str | None:
    """What the child says of the next seed. Raises EOFError and TimeoutError."""
    if not receive.poll(seconds):
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    return receive.recv()


def _ending(process: BaseProcess, end: Exception) -> str:
    """Why a process gave no answer."""
    if isinstance(end, TimeoutError):
        return str(end)
    process.join()
    code = process.exitcode
    if code is not None and code < 0:
        name = "too much processor time" if -code == signal.SIGXCPU else signal.Signals(-code).name
        return f"the process ended: {name}"
    return f"the process ended with exit code {code}"


def _child(name: str, seeds: range, out: Connection) -> None:
    module = load(name)
    share, limit = getattr(module, "SHARE", SHARE), getattr(module, "LIMIT_S", LIMIT_S)
    out.send((share, limit))
    gib = getattr(module, "MEMORY_GIB", None)
    if gib is not None:
        resource.setrlimit(resource.RLIMIT_AS, (int(gib * GIB), int(gib * GIB)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for seed in seeds[:share]:
        _limit_processor(limit)
        out.send(_checked(module, seed))


def _limit_processor(seconds: float) -> None:
    """The process is ended when it takes so many seconds more."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds), hard))


def _checked(module: ModuleType, seed: int) -> str | None:
    try:
        return module.check(seed)
    except BaseException as failure:
        last = traceback.extract_tb(failure.__traceback__)[-1]
        return f"{type(failure).__name__}: {failure} ({Path(last.filename).name}:{last.lineno})"
