"""Requirements of OpenWafer and of what they bring, on every system that is supported."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")


@dataclass(frozen=True, slots=True)
class Platform:
    """A system: the platform tags of its wheels, newest first, and what markers see of it."""

    name: str
    tags: tuple[str, ...]
    markers: dict[str, str]


def _markers(platform: str, system: str, machine: str) -> dict[str, str]:
    os_name = "nt" if platform == "win32" else "posix"
    return {
        "sys_platform": platform,
        "platform_system": system,
        "platform_machine": machine,
        "os_name": os_name,
    }


def _manylinux(machine: str) -> tuple[str, ...]:
    return (f"manylinux_2_28_{machine}", f"manylinux_2_27_{machine}", f"manylinux2014_{machine}")


PLATFORMS = (
    Platform("Linux x86-64", _manylinux("x86_64"), _markers("linux", "Linux", "x86_64")),
    Platform("Linux arm64", _manylinux("aarch64"), _markers("linux", "Linux", "aarch64")),
    Platform("macOS arm64", ("macosx_14_0_arm64",), _markers("darwin", "Darwin", "arm64")),
    Platform("Windows", ("win_amd64",), _markers("win32", "Windows", "AMD64")),
)


def project() -> dict[str, Any]:
    """The table `project` of `pyproject.toml`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def requirements(extras: Iterable[str]) -> list[str]:
    """The dependencies, and those of some extras."""
    table = project()
    return [*table["dependencies"], *(r for extra in extras for r in table["optional-dependencies"][extra])]


def every_extra() -> list[str]:
    return list(project()["optional-dependencies"])


def pins() -> dict[str, str]:
    """Name → version of `constraints.txt`."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def resolve(wanted: Sequence[str], *options: str) -> list[dict[str, Any]]:
    """The metadata of what pip would install. Nothing is installed; SystemExit with pip's words if it
    cannot."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--disable-pip-version-check", "--report", "-", *options, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit("".join(f"{line}\n" for line in done.stderr.splitlines() if "WARNING" not in line))
    return [
        item["metadata"] | {"url": item["download_info"]["url"]}
        for item in json.loads(done.stdout)["install"]
    ]


def reached(wanted: Iterable[str], found: dict[str, dict[str, Any]], environment: dict[str, str]) -> set[str]:
    """Names of all that `wanted` needs in an environment, as the metadata in `found` say; canonical names."""
    names: set[str] = set()
    asked: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(text) for text in wanted]
    while waiting:
        one = waiting.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras)
        if (name, extras) in asked:
            continue
        asked.add((name, extras))
        names.add(name)
        texts = found.get(name, {}).get("requires_dist", [])
        waiting += [r for r in map(Requirement, texts) if _applies(r, extras, environment)]
    return names


def _applies(requirement: Requirement, extras: frozenset[str], environment: dict[str, str]) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate(environment | {"extra": extra}) for extra in (*extras, ""))


def environments() -> list[dict[str, str]]:
    """What markers see on every supported system and Python."""
    return [environment(platform, python) for platform in PLATFORMS for python in PYTHONS]


def environment(platform: Platform, python: str) -> dict[str, str]:
    """What markers see on one."""
    return platform.markers | {"python_version": python, "python_full_version": f"{python}.0"}


def by_name(resolved: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Metadata by canonical name."""
    return {canonicalize_name(one["name"]): one for one in resolved}
