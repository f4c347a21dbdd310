"""Writes `constraints.txt`: the one version of every package that `make` installs.

    make lock        or    python tools/lock.py [--check]

All extras and all that they bring are in it, those packages included that only another system or another
Python needs. What is in the file already keeps its version while it fits (`--upgrade` takes the newest).
`--check` writes nothing; its exit code is 1 if something is missing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from requirements import ROOT, by_name, environments, every_extra, pins, reached, requirements, resolve

LOCK = ROOT / "constraints.txt"
HEADER = """\
# Exact versions of all that `make` installs, for every supported system and Python: `python tools/lock.py`.
# PyTorch itself names the exact versions of what it brings for GPUs.
"""
FOR_GPUS = ("cuda", "nvidia-", "triton")
"""Beginnings of the names of what PyTorch brings for GPUs, which its build for processors does not."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--upgrade", action="store_true")
    options = parser.parse_args()
    wanted = requirements(every_extra())
    if options.check:
        return _report(list(faults(wanted, pins())))
    found = lock(wanted, {} if options.upgrade or not LOCK.exists() else pins())
    lines = [f"{name}=={version}\n" for name, version in sorted(found.items())]
    LOCK.write_text(HEADER + "".join(lines), "utf-8")
    print(f"{LOCK.name}: {len(found)} packages")
    return 0


def _report(wrong: list[str]) -> int:
    for line in wrong:
        print(line, file=sys.stderr)
    return int(bool(wrong))


def faults(wanted: Sequence[str], pinned: dict[str, str]) -> Iterator[str]:
    """Requirements that are not pinned, or to a version outside their range."""
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None:
            yield f"`{requirement.name}` is not pinned"
        elif not requirement.specifier.contains(version):
            yield f"`{requirement}` is pinned to {version}"


def lock(wanted: Sequence[str], kept: dict[str, str]) -> dict[str, str]:
    """Name → version of all that is needed anywhere: what other systems need is added, too."""
    others: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "kept.txt")
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in kept.items()), "utf-8")
        while True:
            found = by_name(resolve([*wanted, *others], "--constraint", str(constraints)))
            missing = _missing(wanted, found)
            if not missing:
                return {name: _public(one["version"]) for name, one in found.items()}
            others += missing


def _missing(wanted: Sequence[str], found: dict[str, dict[str, Any]]) -> list[str]:
    names = set[str]().union(*(reached(wanted, found, one) for one in environments()))
    return sorted(name for name in names - set(found) if not name.startswith(FOR_GPUS))


def _public(version: str) -> str:
    """Without the mark of a build (`+cpu`)."""
    return version.partition("+")[0]


if __name__ == "__main__":
    sys.exit(main())
