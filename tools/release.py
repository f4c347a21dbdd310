"""Gives OpenWafer a version, and gathers the changelog.

    make release VERSION=0.1.0    or    python tools/release.py 0.1.0

`0.1.0` moves the fragments of `changelog.d/` into a section of `CHANGELOG.md`; `0.2.0.dev0`, the version of
the states on the way to 0.2.0, leaves them. Both write the version into `pyproject.toml` and `CITATION.cff`.
Without an argument the section that a release would write is printed, and nothing is changed.
docs/releases.md has the rules.
"""

from __future__ import annotations

import datetime
import re
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("added", "changed", "fixed", "deprecated", "removed")
"""Kinds of fragments, in the order of their headings."""


VERSIONS = {
    "pyproject.toml": r'(?m)^(version = ")([^"]+)(")$',
    "CITATION.cff": r"(?m)^(version: )(\S+)()$",
}
"""Files that have the version, and where."""


def main() -> int:
    if len(sys.argv) == 1:
        print(section("Unreleased", ROOT / "changelog.d"), end="")
        return 0
    version = _checked(sys.argv[1])
    if not version.is_prerelease:
        gather(ROOT, str(version), datetime.date.today().isoformat())
    write_version(ROOT, str(version))
    return 0


def _checked(text: str) -> Version:
    """Three numbers, with `.devN` or without, above the version of now."""
    now = current_version(ROOT)
    try:
        version = Version(text)
    except InvalidVersion:
        raise SystemExit(f"{text!r} is not a version such as 0.1.0 or 0.2.0.dev0") from None
    if len(version.release) != 3 or version.is_prerelease != version.is_devrelease or version <= now:
        raise SystemExit(f"{text} is not a version such as 0.1.0 or 0.2.0.dev0, above {now}")
    return version


def current_version(root: Path) -> Version:
    match = re.search(VERSIONS["pyproject.toml"], (root / "pyproject.toml").read_text("utf-8"))
    assert match is not None
    return Version(match[2])


def write_version(root: Path, version: str) -> None:
    for name, pattern in VERSIONS.items():
        path = root / name
        text, count = re.subn(pattern, rf"\g<1>{version}\g<3>", path.read_text("utf-8"))
        if count != 1:
            raise SystemExit(f"{name} has {count} lines with a version")
        path.write_text(text, "utf-8")


def gather(root: Path, version: str, date: str) -> None:
    """Puts the fragments below the title of the changelog, and removes them."""
    changelog, folder = root / "CHANGELOG.md", root / "changelog.d"
    title, *before = re.split(r"^(?=## )", changelog.read_text("utf-8"), maxsplit=1, flags=re.MULTILINE)
    parts = [title, section(f"{version}, {date}", folder), *before]
    changelog.write_text("\n".join(f"{part.rstrip()}\n" for part in parts), "utf-8")
    for path in fragments(folder):
        path.unlink()


def section(title: str, folder: Path) -> str:
    """A section of the changelog: the fragments by kind, then by name."""
    lines = [f"## {title}"]
    for kind in KINDS:
        texts = [path.read_text("utf-8") for path in fragments(folder) if path.suffixes[-2] == f".{kind}"]
        if texts:
            lines += ["", f"### {kind.capitalize()}", "", *(f"- {' '.join(text.split())}" for text in texts)]
    return "\n".join(lines) + "\n"


def fragments(folder: Path) -> list[Path]:
    """The fragments by name. SystemExit if one has no known kind."""
    paths = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    for path in paths:
        if len(path.suffixes) != 2 or path.suffixes[0][1:] not in KINDS:
            raise SystemExit(f"{path.name}: its name must end in .KIND.md, KIND one of {', '.join(KINDS)}")
    return paths


if __name__ == "__main__":
    sys.exit(main())
