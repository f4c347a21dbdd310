"""Writes `THIRD_PARTY_LICENSES`: which packages OpenWafer is installed with, and their licences.

    make licences    or    python tools/licences.py

Names and texts are those of the metadata of the packages that are installed here, which must be the versions
of `constraints.txt`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.utils import canonicalize_name

from requirements import PLATFORMS, PYTHONS, ROOT, environment, every_extra, pins, reached, requirements

FILE = ROOT / "THIRD_PARTY_LICENSES"
HEADER = """\
Third-party licences
====================

OpenWafer contains no code of others. It is installed with the packages below, each under its own licence,
which it brings along. Made from their metadata by `python tools/licences.py`.
"""
KINDS = ("licen", "copying", "notice")
"""What the names of files with licences begin with."""


def main() -> int:
    FILE.write_text(render(), "utf-8")
    print(f"{FILE.name}: {len(FILE.read_text('utf-8').splitlines()):,} lines")
    return 0


def render() -> str:
    """The whole file: a list for what is always installed and for each extra, then the texts of the first."""
    always = _closure(())
    parts = [HEADER, _section("Always installed", always)]
    for extra in every_extra():
        if extra != "dev":
            parts.append(_section(f"With the extra `{extra}`, besides", _closure((extra,)) - always))
    parts += [text for name in sorted(always) for text in _texts(name)]
    return "\n".join(parts)


def _closure(extras: tuple[str, ...]) -> set[str]:
    """Names of all that is installed with some extras on Linux."""
    wanted = requirements(extras)
    found = {name: {"requires_dist": _requires(name)} for name in pins()}
    return {name for name in reached(wanted, found, environment(PLATFORMS[0], PYTHONS[0])) if name in pins()}


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


def _section(title: str, names: set[str]) -> str:
    return "\n".join([title, "-" * len(title), "", *(_line(name) for name in sorted(names)), ""])


def _line(name: str) -> str:
    one = metadata.metadata(name)
    version = one["Version"].partition("+")[0]
    if version != pins()[canonicalize_name(name)]:
        raise SystemExit(f"{name} {version} is installed, constraints.txt has {pins()[name]}")
    return f"{name} {version}: {_licence(one)}"


def _licence(one: metadata.PackageMetadata) -> str:
    """The expression, else the classifiers, else the first line of the text."""
    classes = [c.rpartition(" :: ")[2] for c in one.get_all("Classifier") or [] if c.startswith("License")]
    return one.get("License-Expression") or ", ".join(classes) or (one.get("License") or "?").splitlines()[0]


def _texts(name: str) -> Iterator[str]:
    """The texts of a package, each below its name."""
    one = metadata.distribution(name)
    for file in sorted(one.files or [], key=str):
        if ".dist-info" in file.parts[0] and file.name.lower().startswith(KINDS):
            title = f"{name} {one.version}: {'/'.join(file.parts[1:])}"
            text = "\n".join(line.rstrip() for line in file.read_text("utf-8").splitlines())
            yield "\n".join([title, "-" * len(title), "", text.strip("\n"), ""])


if __name__ == "__main__":
    sys.exit(main())
