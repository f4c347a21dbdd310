"""Runs the quick part of the suite on every other supported Python that is installed.

`python tests/run_pythons.py`. Supported are the versions that `pyproject.toml` names; the one that runs this
is left out, since `make test` runs the whole suite on it. Each gets an
environment of its own below `build/`; which are not installed is printed. The exit code is 1 if a test fails
on any.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
ROOT = Path(__file__).resolve().parents[1]
QUICK = ("cli", "diag", "host", "image", "machine", "report")
"""Rooms of the suite in which Python itself matters most: imports, files, signals, what is printed."""
CONSTRAINTS = ROOT / "constraints.txt"
TOOLS = ("hypothesis", "pytest", "pytest-xdist")


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    others = [version for version in supported(project) if version != OURS]
    results = {version: _run(version, requirements(project)) for version in others}
    for version, result in results.items():
        print(f"Python {version}: {result}")
    return int(any(result == "failed" for result in results.values()))


def supported(project: dict[str, list[str]]) -> list[str]:
    """`3.11`, `3.12`, …"""
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", c) for c in project["classifiers"])
    return [match[1] for match in found if match]


def requirements(project: dict[str, dict[str, list[str]]]) -> list[str]:
    """What the quick part needs; `constraints.txt` has the versions."""
    tools = [r for r in project["optional-dependencies"]["dev"] if Requirement(r).name in TOOLS]
    return [*project["dependencies"], *tools]


def find(version: str) -> str | None:
    """An interpreter of a version, by its full path; None if none is installed."""
    return next((path for path in _candidates(version) if _answers(path, version)), None)


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield os.path.join(directory, f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))
    yield from map(str, sorted(pyenv.glob(f"versions/{version}*/bin/python{version}")))


def _answers(path: str, version: str) -> bool:
    code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version


def _run(version: str, needs: list[str]) -> str:
    python = find(version)
    if python is None:
        return "not installed"
    print(f"Python {version}: {python}", flush=True)
    home = ROOT / "build" / f"python{version}"
    command = [home / "bin" / "python", "-m", "pytest", "-n", os.environ.get("JOBS", "2")]
    command += ["-m", "not slow and not torch", *(f"tests/{room}" for room in QUICK)]
    try:
        _prepare(python, home, needs)
        subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, check=True)
    except subprocess.CalledProcessError:
        return "failed"
    return "passed"


def _prepare(python: str, home: Path, needs: list[str]) -> None:
    """Makes the environment, unless it is there with the same requirements."""
    stamp, wanted = (
        home / "requirements",
        hashlib.sha256("\n".join([python, *needs, CONSTRAINTS.read_text()]).encode()).hexdigest(),
    )
    if stamp.exists() and stamp.read_text() == wanted:
        return
    subprocess.run([python, "-m", "venv", "--clear", home], check=True)
    install = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--constraint", CONSTRAINTS, *needs], check=True)
    stamp.write_text(wanted)


if __name__ == "__main__":
    sys.exit(main())
