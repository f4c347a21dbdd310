"""What an installation needs, whether it is there, and the command that mends it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from openwafer._versions import version_of

Status = Literal["ok", "absent", "fault"]
COMPILE = "openwafer doctor --compile"
PURPOSES = {
    "cluster": "sweeps on a Ray cluster",
    "examples": "what host scripts of public examples import",
    "parquet": "sweeps as Parquet",
    "torch": "models: demo, train, generate",
}
"""What each extra is for. The extra `dev` is for those who change OpenWafer."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `absent`: OpenWafer works without it, `fault`: it does not.

    `mend` is a command, or a sentence where no command helps; None if all is well."""

    name: str
    status: Status
    found: str
    mend: str | None = None


def checks() -> Iterator[Check]:
    """Everything, in the order in which it should be mended."""
    try:
        needs = [Requirement(text) for text in metadata.requires("openwafer") or []]
    except metadata.PackageNotFoundError:
        yield Check("openwafer", "fault", "only its sources are on the path", "pip install -e .")
        return
    yield _python()
    libraries = [_library(need) for need in needs if need.marker is None]
    yield from libraries
    yield from (_extra(extra, purpose, needs) for extra, purpose in PURPOSES.items())
    yield _machines()
    is_sound = not any(check.status == "fault" for check in libraries)
    yield _engine() if is_sound else Check("engine", "fault", "not looked at: a library above is at fault")
    if sys.platform == "win32":
        yield Check("conform", "absent", "runs `bash` scripts, which Windows does not", "use WSL")


def _python() -> Check:
    wanted = SpecifierSet(metadata.metadata("openwafer")["Requires-Python"])
    version = platform.python_version()
    if wanted.contains(version, prereleases=True):
        return Check("python", "ok", version)
    return Check("python", "fault", f"{version}, but {wanted} is needed", "install a newer Python")


def _library(need: Requirement) -> Check:
    """A package that OpenWafer cannot do without."""
    wrong = _wrong(need)
    if wrong is None:
        return Check(need.name, "ok", version_of(need.name) or "")
    return Check(need.name, "fault", wrong, f"pip install '{need.name}{need.specifier}'")


def _wrong(need: Requirement) -> str | None:
    version = version_of(need.name)
    if version is None:
        return "not installed"
    if need.specifier.contains(version, prereleases=True):
        return None
    return f"{version}, but {need.specifier} is needed"


def _extra(extra: str, purpose: str, needs: Sequence[Requirement]) -> Check:
    """The packages of an extra. Those that are there must be in their range."""
    name, mend = f"extra {extra}", f"pip install 'openwafer[{extra}]'"
    own = [n for n in needs if n.marker is not None and n.marker.evaluate({"extra": extra})]
    wrong = {need.name: reason for need in own if (reason := _wrong(need))}
    if not wrong:
        found = ", ".join(f"{need.name} {version_of(need.name)}" for need in own)
        return Check(name, "ok", found)
    is_absent = all(reason == "not installed" for reason in wrong.values())
    found = "; ".join(f"{library}: {reason}" for library, reason in wrong.items())
    return Check(name, "absent" if is_absent else "fault", f"{found} ({purpose})", mend)


def _machines() -> Check:
    from openwafer.diag import DiagnosticError
    from openwafer.machine import BUILT_IN, load_machine

    try:
        return Check("machines", "ok", ", ".join(load_machine(name).name for name in BUILT_IN))
    except (DiagnosticError, OSError) as reason:
        return Check("machines", "fault", str(reason), "pip install --force-reinstall --no-deps openwafer")


def _engine() -> Check:
    return _tried("engine", _compiled)


def _compiled() -> Check:
    from openwafer.sim import is_engine_compiled

    if is_engine_compiled():
        return Check("engine", "ok", "compiled for this processor")
    found = "not compiled: the first run does it, in one to two minutes"
    return Check("engine", "absent", found, COMPILE)


def _tried(name: str, check: Callable[[], Check]) -> Check:
    """The check, or what kept it from being made: a library that is there and cannot be imported."""
    try:
        return check()
    except Exception as reason:
        found = f"{type(reason).__name__}: {reason}".split("\n")[0]
        return Check(name, "fault", found, "pip install --force-reinstall numba llvmlite numpy")
