"""Where each key and value stands in a TOML text that `tomllib` has accepted.

`tomllib` gives no positions. This scanner follows the grammar only as far as finding them needs.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]
Range: TypeAlias = tuple[int, int]

_SKIP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_KEY_PART = re.compile(r'[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\r\n]*")


@dataclass(frozen=True, slots=True)
class Place:
    """Offsets of the last part of a key, and of its value (a header has its own range for both)."""

    key: Range
    value: Range


def places(text: str) -> dict[Path, Place]:
    """The place of every table and key by its path; the first one where a table is opened twice."""
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, Place] = {}

    def document(self) -> dict[Path, Place]:
        prefix: Path = ()
        self._skip()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                prefix = self._header()
            else:
                self._pair(prefix)
            self._skip()
        return self.found

    def _skip(self, pattern: re.Pattern[str] = _SKIP) -> None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()

    def _header(self) -> Path:
        start = self.at
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        path, _ = self._key()
        self.at += brackets
        self.found.setdefault(path, Place((start, self.at), (start, self.at)))
        return path

    def _key(self) -> tuple[Path, Range]:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            match = _KEY_PART.match(self.text, self.at)
            assert match is not None, "tomllib accepted the text"
            parts.append(_unquote(match.group()))
            last, self.at = match.span(), match.end()
            self._skip(_BLANK)
            if self.text[self.at] != ".":
                return tuple(parts), last
            self.at += 1

    def _pair(self, prefix: Path) -> None:
        key, key_range = self._key()
        self.at += 1
        self._skip(_BLANK)
        path, start = prefix + key, self.at
        self._value(path)
        place = Place(key_range, (start, self.at))
        for depth in range(len(prefix) + 1, len(path)):
            self.found.setdefault(path[:depth], place)
        self.found.setdefault(path, place)

    def _value(self, path: Path) -> None:
        match self.text[self.at]:
            case '"' | "'":
                self._skip(_STRING)
            case "[":
                self._items("]", path)
            case "{":
                self._items("}", path)
            case _:
                match = _SCALAR.match(self.text, self.at)
                self.at += len(match.group().rstrip()) if match else 0

    def _items(self, close: str, path: Path) -> None:
        self.at += 1
        self._skip()
        while self.text[self.at] != close:
            if close == "}":
                self._pair(path)
            else:
                self._value(path)
            self._skip()
            if self.text[self.at] == ",":
                self.at += 1
                self._skip()
        self.at += 1


def _unquote(part: str) -> str:
    if part[0] not in "\"'":
        return part
    return next(iter(tomllib.loads(f"{part} = 0")))
