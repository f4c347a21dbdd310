"""Whether `pip` finds wheels for all that is needed, on every supported system and Python.

    make wheels      or    python tools/check_wheels.py [--extra NAME …]

Nothing is installed, and no wheel is downloaded whose metadata the index offers apart. The packages are the
dependencies of OpenWafer, by their ranges, in the versions of `constraints.txt`. `--extra torch` looks for
PyTorch too. The exit code is 1 if a system lacks a wheel.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from requirements import (
    PLATFORMS,
    PYTHONS,
    ROOT,
    Platform,
    by_name,
    environment,
    reached,
    requirements,
    resolve,
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extra", action="append", default=[])
    wanted = requirements(parser.parse_args().extra)
    lacking = 0
    for platform in PLATFORMS:
        for python in PYTHONS:
            wrong = lacks(wanted, platform, python)
            lacking += bool(wrong)
            print(f"{platform.name:13} Python {python}: {wrong or 'all wheels'}", flush=True)
    return int(lacking > 0)


def lacks(wanted: Sequence[str], platform: Platform, python: str) -> str:
    """What pip says is missing; "" if nothing is.

    pip applies markers as on this system, so what only the other one needs is asked for apart."""
    tags = [option for tag in platform.tags for option in ("--platform", tag)]
    options = ["--only-binary=:all:", "--python-version", python, "--target", "unused", *tags]
    options += ["--constraint", str(ROOT / "constraints.txt")]
    try:
        found = by_name(resolve(wanted, *options))
        others = reached(wanted, found, environment(platform, python)) - set(found)
        if others:
            resolve([*wanted, *sorted(others)], *options)
    except SystemExit as reason:
        return str(reason).strip().splitlines()[-1]
    return ""


if __name__ == "__main__":
    sys.exit(main())
