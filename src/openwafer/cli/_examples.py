"""Folders with `commands*.sh`: finding them, and copying one so that its scripts can run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

_UP = re.compile(rb"(?:\.\./)+")
_ARCH_FLAG = re.compile(r"--arch[= ]\s*(wse\d+)")
_TEXT_SUFFIXES = frozenset({".sh", ".py", ".csl", ".json", ".txt"})
_DEFAULT_ARCH = "wse2"


@dataclass(frozen=True, slots=True)
class Example:
    """One run: `name` is its folder below the root that was searched.

    It is a script of the folder or, from a list, a command line; `expect` is "pass", or what the reason of an
    expected failure contains."""

    name: str
    arch: str
    folder: Path
    script: str
    command: str = ""
    expect: str = "pass"

    @property
    def title(self) -> str:
        return f"{self.name} [{self.arch}]"


def find_examples(root: Path, arch: str | None = None, only: str | None = None) -> list[Example]:
    """The examples below `root`, by name; `only` is matched with the name and with its last part."""
    scripts = sorted(script for script in root.rglob("commands*.sh") if script.is_file())
    return [example for script in scripts if is_wanted(example := _example(root, script), arch, only)]


def _example(root: Path, script: Path) -> Example:
    name = script.parent.relative_to(root).as_posix()
    name = root.resolve().name if name == "." else name
    _, _, named = script.stem.partition("_")
    flag = None if named else _ARCH_FLAG.search(script.read_text("utf-8", errors="replace"))
    arch = named or (flag.group(1) if flag else _DEFAULT_ARCH)
    return Example(name, arch, script.parent, script.name)


def is_wanted(example: Example, arch: str | None, only: str | None) -> bool:
    if arch is not None and example.arch != arch:
        return False
    last = example.name.rsplit("/", 1)[-1]
    return only is None or fnmatch(example.name, only) or fnmatch(last, only)


def copy_example(folder: Path, into: Path) -> Path:
    """Copies a folder to below `into` and returns the copy.

    For paths with `../` that leave the folder, its parents are there too, their other entries as links."""
    folder = folder.resolve()
    levels = min(_levels_above(folder), len(folder.parts) - 1)
    parents = [folder, *folder.parents][: levels + 1]
    place = into
    for parent, child in zip(reversed(parents[1:]), reversed(parents[:-1]), strict=True):
        place = place / parent.name if parent.name else place / "root"
        place.mkdir()
        for entry in parent.iterdir():
            if entry.name != child.name:
                (place / entry.name).symlink_to(entry)
    copy = place / folder.name
    shutil.copytree(folder, copy, symlinks=False)
    return copy


def _levels_above(folder: Path) -> int:
    """How many levels above the folder its files refer to with `../`."""
    return max((level for file in _text_files(folder) for level in _levels_of(folder, file)), default=0)


def _levels_of(folder: Path, file: Path) -> Iterator[int]:
    depth = len(file.relative_to(folder).parts) - 1
    for match in _UP.finditer(file.read_bytes()):
        yield max(0, len(match.group()) // 3 - depth)


def _text_files(folder: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(folder):
        for name in names:
            if Path(name).suffix in _TEXT_SUFFIXES:
                yield Path(directory, name)
