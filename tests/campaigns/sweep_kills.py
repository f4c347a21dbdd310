"""Sweeps that are killed at any of their file operations, whose parts are then damaged, and that go on: the
result is that of an undisturbed sweep, to the byte."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from openwafer.cli import sweep as cli
from openwafer.cli._errors import run_command
from openwafer.estimate.sweep import _store as store
from openwafer.estimate.sweep import parse_values, sweep

SHARE = 25
LIMIT_S = 120
EVENTS = (
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.listdir",
    "os.chmod",
    "tempfile.mkstemp",
)
MODELS = ("llama-3.1-8b", "llama-3.1-70b", "gpt-oss-120b", "qwen3-8b", "deepseek-v3")
SYSTEMS = ("cs3", "cs2", "b200", "h100", "mi300x")
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ENDS = {signal.SIGKILL: (-9,), signal.SIGTERM: (-15, 143), signal.SIGINT: (130,)}
TRIES = 6


@dataclass(frozen=True)
class Plan:
    """How one run of the command is disturbed: a signal at the nth file operation, or a file size limit."""

    signal: int = 0
    at: int = 0
    to_worker: bool = False
    most_bytes: int = 0


@dataclass
class Attempt:
    """How a run ended: its exit code, or minus the signal; what it printed."""

    code: int
    told: str

    @property
    def ids(self) -> list[str]:
        return re.findall(r"error\[([\w-]+)\]", self.told)


@dataclass
class Case:
    """A sweep, and what has been done to it so far."""

    rng: random.Random
    folder: Path
    form: str
    points: int
    settings: list[str]
    history: list[str] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / f"r.{self.form}"

    @property
    def parts(self) -> Path:
        return self.folder / f"r.{self.form}.parts"


def check(seed: int) -> str | None:
    with tempfile.TemporaryDirectory(prefix="sweep-kills-") as name:
        case = make_case(random.Random(seed), Path(name))
        wanted = undisturbed(case)
        fault = two_at_once(case) if case.rng.random() < 0.1 else disturb(case)
        fault = fault or bring_to_end(case)
        fault = fault or compare(case, wanted)
        return (
            f"{fault}; {' '.join(case.settings)}, {case.points} points a part; {case.history}"
            if fault
            else None
        )


def make_case(rng: random.Random, folder: Path) -> Case:
    form = "parquet" if find_spec("pyarrow") and rng.random() < 0.2 else "csv"
    axes: dict[str, Any] = {
        "model": rng.sample(MODELS, rng.randint(1, 2)),
        "on": rng.sample(SYSTEMS, rng.randint(1, 3)),
        "users": sorted(rng.sample(range(1, 500), rng.randint(4, 30))),
    }
    if rng.random() < 0.4:
        axes["tokens_per_second_per_user"] = [0, rng.choice((30, 400))]
    if rng.random() < 0.2:
        axes["precision"] = ["f16", "fp8"]
    settings = [f"{name}={','.join(map(str, values))}" for name, values in axes.items()]
    return Case(rng, folder, form, rng.randint(2, 12), settings)


def undisturbed(case: Case) -> bytes:
    store.POINTS = case.points
    axes = {name: parse_values(name, text) for name, _, text in (s.partition("=") for s in case.settings)}
    path = sweep(axes, case.folder / f"wanted.{case.form}", workers=1)
    data = path.read_bytes()
    path.unlink()
    return data


def command(case: Case, out: Path, workers: int, *more: str) -> int:
    store.POINTS = case.points
    options = [option for setting in case.settings for option in ("--set", setting)]
    args = [*options, "--out", str(out), "--workers", str(workers), "--quiet", *more]
    return run_command(cli.command, "openwafer sweep", args)


def start(case: Case, plan: Plan, *more: str) -> tuple[int, int]:
    """A process of its own that runs the command as planned: its id, and a pipe with its output."""
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process:
        os.close(theirs)
        return process, ours
    code = 99
    try:
        os.dup2(theirs, 1)
        os.dup2(theirs, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        code = prepared(case, plan, *more)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def prepared(case: Case, plan: Plan, *more: str) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if plan.most_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (plan.most_bytes, plan.most_bytes))
    if plan.signal:
        sys.addaudithook(trap(case, plan))
    return command(case, case.out, 2 if plan.to_worker else 1, *more)


def trap(case: Case, plan: Plan) -> Callable[[str, tuple[Any, ...]], None]:
    """Sends the signal at the nth file operation on the sweep's files."""
    left = plan.at

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        if event not in EVENTS or not any(str(a).startswith(str(case.out)) for a in args[:2]):
            return
        left -= 1
        if left == 0:
            workers = multiprocessing.active_children() if plan.to_worker else []
            target = workers[0].pid if workers else os.getpid()
            os.kill(target or os.getpid(), plan.signal)

    return hook


def ended(process: int, output: int) -> Attempt:
    with os.fdopen(output, encoding="utf-8", errors="replace") as file:
        told = file.read()
    _, status = os.waitpid(process, 0)
    return Attempt(os.waitstatus_to_exitcode(status), told)


def disturb(case: Case) -> str | None:
    """Kills, with damage after each."""
    for _ in range(case.rng.randint(1, 3)):
        plan = make_plan(case.rng)
        found = ended(*start(case, plan))
        case.history.append(f"{plan} → {found.code} {found.ids}")
        allowed = {0, 1, *ENDS.get(signal.Signals(plan.signal), ())} if plan.signal else {0, 1}
        if found.code not in allowed or "internal error" in found.told or "Traceback" in found.told:
            return f"ended with {found.code}: {found.told[-300:]}"
        if found.code == 1 and not found.ids:
            return f"no diagnostic: {found.told[-300:]}"
        for _ in range(case.rng.choice((0, 1, 1, 2))):
            damage(case)
    return None


def make_plan(rng: random.Random) -> Plan:
    if rng.random() < 0.15:
        return Plan(most_bytes=int(2 ** rng.uniform(4, 15)))
    to_worker = rng.random() < 0.04
    kind = signal.SIGKILL if to_worker else rng.choice(SIGNALS)
    return Plan(kind, rng.choice((rng.randint(1, 12), rng.randint(1, 150))), to_worker)


def two_at_once(case: Case) -> str | None:
    processes = [start(case, Plan()) for _ in range(2)]
    found = [ended(*process) for process in processes]
    case.history.append(f"two at once → {[(one.code, one.ids) for one in found]}")
    if all(one.code for one in found):
        return "neither of two processes ended well"
    for one in found:
        if one.code and one.ids not in (["sweep-busy"], ["sweep-output-exists"]):
            return f"one of two processes: {one.told[-300:]}"
    return None


def bring_to_end(case: Case) -> str | None:
    """Gives the command again, following its help."""
    more: tuple[str, ...] = ()
    for _ in range(TRIES):
        found = ended(*start(case, Plan(), *more))
        case.history.append(f"again {more} → {found.code} {found.ids}")
        if found.code == 0:
            return None
        match found.ids:
            case ["sweep-output-exists"]:
                return None
            case ["sweep-parts-of-another"]:
                more = ("--overwrite",)
            case ["sweep-damaged-part"]:
                path = re.search(r"`([^`]*)` is a directory", found.told)
                if path is None:
                    return f"no help: {found.told}"
                shutil.rmtree(Path(path[1]))
            case _:
                return f"does not go on: {found.told[-300:]}"
    return "does not come to an end"


def compare(case: Case, wanted: bytes) -> str | None:
    if not case.out.exists():
        return "no result"
    if case.out.read_bytes() != wanted:
        return "another result"
    planted = {"foreign.csv"}
    left = {p.name for p in case.parts.iterdir() if not p.is_dir()} if case.parts.exists() else set[str]()
    if left - planted and not any("sweep-output-exists" in line for line in case.history[-1:]):
        return f"left behind: {left}"
    return None


def damage(case: Case) -> None:
    files = sorted(p for p in case.parts.glob("*") if p.name != ".lock") if case.parts.is_dir() else []
    if files:
        path = case.rng.choice(files)
        if path.is_file() and not path.is_symlink():
            kind = case.rng.choice(DAMAGES)
            case.history.append(f"{kind.__name__} {path.name}")
            kind(case, path)


def truncate(case: Case, path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: case.rng.randint(0, len(data))])


def garble(case: Case, path: Path) -> None:
    path.write_bytes(case.rng.randbytes(case.rng.choice((0, 1, 50, 3000))))


def change(case: Case, path: Path) -> None:
    """One digit is another."""
    data = bytearray(path.read_bytes())
    digits = [i for i, byte in enumerate(data) if chr(byte).isdigit()]
    if digits:
        data[case.rng.choice(digits)] = ord(case.rng.choice("0123456789"))
        path.write_bytes(data)


def append(case: Case, path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data + data.splitlines(True)[-1] if data else b"\n")


def swap(case: Case, path: Path) -> None:
    other = case.rng.choice([p for p in case.parts.iterdir() if p.is_file()])
    spare = path.with_name("spare")
    os.rename(path, spare)
    if other != path:
        os.rename(other, path)
    os.rename(spare, other)


def copy_over(case: Case, path: Path) -> None:
    other = case.rng.choice([p for p in case.parts.iterdir() if p.is_file() and p != path] or [path])
    if other != path:
        shutil.copy(other, path)


def link(case: Case, path: Path) -> None:
    path.unlink()
    path.symlink_to(case.rng.choice(("/etc/hostname", "/dev/zero", "nowhere", "0000000.csv", ".")))


def pipe(case: Case, path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def delete(case: Case, path: Path) -> None:
    path.unlink()


def directory(case: Case, path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inner").write_text("", "utf-8")


def foreign(case: Case, path: Path) -> None:
    shutil.copy(path, path.with_name("foreign.csv"))


DAMAGES = (
    truncate,
    truncate,
    garble,
    change,
    change,
    append,
    swap,
    copy_over,
    link,
    pipe,
    delete,
    directory,
    foreign,
)
