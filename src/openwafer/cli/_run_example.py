"""Running the script of one example, and what came of it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from openwafer.cli._examples import Example, copy_example
from openwafer.cli._running import Running

Result = Literal["pass", "fail", "not yet supported"]
_TAIL_LINES = 60
_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '(matplotlib|pandas|scipy)")
"""What host scripts of public examples import besides numpy: the extra `examples`."""
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)(:|$)")


@dataclass(frozen=True, slots=True)
class Setting:
    """How the simulator runs; None leaves it to the environment."""

    engine: str | None = None
    threads: int | None = None

    def __str__(self) -> str:
        threads = f" with {self.threads} threads" if (self.threads or 1) > 1 else ""
        return f"the {self.engine or 'fast'} engine{threads}"

    def environment(self) -> dict[str, str]:
        values = {"OPENWAFER_ENGINE": self.engine, "OPENWAFER_THREADS": self.threads}
        return {name: str(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave. `reason` is one line, "" for a pass; `output` the end of what the script printed.

    `cycles` and `tile_cycles` are sums over all programs that ran to their end, None if none did; `runs` has
    what `OPENWAFER_STATS` says of each."""

    example: Example
    result: Result
    reason: str
    wall_s: float
    cycles: int | None
    tile_cycles: int | None
    output: str
    runs: tuple[dict[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.example.name,
            "arch": self.example.arch,
            "script": self.example.script,
            "result": self.result,
            "reason": self.reason,
            "wall_s": round(self.wall_s, 3),
            "cycles": self.cycles,
            "tile_cycles": self.tile_cycles,
            "output": self.output if self.result != "pass" else "",
        }


def make_commands(folder: Path) -> None:
    """Puts `cslc` and `cs_python` of this interpreter into a folder."""
    for name in ("cslc", "cs_python"):
        file = folder / name
        code = f"from openwafer.cli._start import {name}; {name}()"
        file.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -c {shlex.quote(code)} "$@"\n')
        file.chmod(0o755)


def run_example(
    example: Example, commands: Path, setting: Setting, timeout_s: float, running: Running
) -> Outcome:
    """Runs the script in a copy of its folder, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="openwafer-conform-", ignore_cleanup_errors=True) as scratch:
        copies, logs = Path(scratch, "work"), Path(scratch, "logs")
        copies.mkdir()
        logs.mkdir()
        start = time.perf_counter()
        try:
            folder = copy_example(example.folder, copies)
        except OSError as reason:
            return Outcome(example, "fail", f"cannot copy the folder: {reason}", 0.0, None, None, "")
        script = ["-c", example.command] if example.command else [example.script]
        code = _run(script, folder, logs, _environment(commands, logs, setting), timeout_s, running)
        return _outcome(example, code, time.perf_counter() - start, logs, timeout_s)


def _environment(commands: Path, logs: Path, setting: Setting) -> dict[str, str]:
    environment = os.environ | {
        "PATH": f"{commands}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": os.pathsep.join(filter(None, map(_absolute, _python_path()))),
        "OPENWAFER_DIAGNOSTICS": str(logs / "diagnostics"),
        "OPENWAFER_STATS": str(logs / "stats"),
        "OPENWAFER_SEED": os.environ.get("OPENWAFER_SEED", "1"),
    }
    return environment | setting.environment()


def _python_path() -> list[str]:
    return os.environ.get("PYTHONPATH", "").split(os.pathsep)


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


def _run(
    script: list[str],
    folder: Path,
    logs: Path,
    environment: dict[str, str],
    timeout_s: float,
    running: Running,
) -> int | None:
    """The exit code; None if the time was over: then everything that the script started has been ended."""
    with (logs / "output").open("wb") as output:
        process = subprocess.Popen(
            ["bash", *script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with running.noted(process):
            try:
                return process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return None


def _outcome(example: Example, code: int | None, wall_s: float, logs: Path, timeout_s: float) -> Outcome:
    output = _text(logs / "output")
    lines = output.splitlines()[-_TAIL_LINES:]
    runs, diagnostics = _json_lines(logs / "stats"), _json_lines(logs / "diagnostics")
    result, reason = _as_expected(example, *_verdict(code, diagnostics, lines, timeout_s))
    cycles = sum(run["cycles"] for run in runs) if runs else None
    tile_cycles = sum(run["tile_cycles"] for run in runs) if runs else None
    return Outcome(example, result, reason, wall_s, cycles, tile_cycles, "\n".join(lines), tuple(runs))


def _verdict(
    code: int | None, diagnostics: list[dict[str, Any]], lines: list[str], timeout_s: float
) -> tuple[Result, str]:
    if code == 0:
        return "pass", ""
    if code is None:
        return "fail", f"not done after {timeout_s:g} s"
    errors = [d for d in diagnostics if d["severity"] == "error"]
    missing = next((d for d in errors if d["id"].startswith("not-supported")), None)
    shown = missing or (errors[0] if errors else None)
    reason = f"{shown['id']}: {shown['message']}" if shown else _last_words(code, lines)
    return ("not yet supported" if missing else "fail"), reason


def _as_expected(example: Example, result: Result, reason: str) -> tuple[Result, str]:
    """A failure that the list expects is a pass that keeps its reason; a pass in its place is a failure."""
    if example.expect == "pass":
        return result, reason
    if result == "pass":
        return "fail", f"passes, where the list expects: {example.expect}"
    return ("pass", f"as expected: {reason}") if example.expect in reason else (result, reason)


def _last_words(code: int, lines: list[str]) -> str:
    """The exception that ended the script with the line after it, else the last line of the output."""
    said = [line.strip() for line in lines if line.strip()]
    for line in said:
        if missing := _MISSING_MODULE.match(line):
            return f"needs the package `{missing[1]}`: pip install 'openwafer[examples]'"
    last = next((i for i in reversed(range(len(said))) if _EXCEPTION.match(said[i])), len(said) - 1)
    return " ".join(said[last : last + 2]) if said else f"exit code {code}"


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _text(path).splitlines()]


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.exists() else ""
