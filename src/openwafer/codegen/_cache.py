"""Caches of compiled code on disk. They are never trusted: what is not as written counts as absent.

An entry is a file: the SHA-256 of its content, then the content. Files are written to a temporary name
and renamed, so that processes can share a folder (`_folder`). A cache keeps a bounded number of entries
and bytes, those that were used last; a use is noted once a day.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from openwafer.codegen._folder import cache_folders

T = TypeVar("T", bound=msgspec.Struct)
DIGEST_BYTES = 32
DAY_S = 86_400.0
WRITES_BETWEEN = 200
"""Entries that a process may write before the bounds are looked at again."""


@dataclass(slots=True)
class Cache:
    """Entries of one kind, in a folder of this name."""

    kind: str
    most_entries: int
    most_bytes: int
    most_days: int = 90
    _writes: int = field(default=0, init=False)

    def read(self, key: str) -> bytes | None:
        """What was written under `key`; None if there is nothing that is whole."""
        found = (_read(folder / key, self.most_bytes) for folder in cache_folders(self.kind))
        return next((payload for payload in found if payload is not None), None)

    def write(self, key: str, payload: bytes) -> bool:
        """Stores an entry; False where it cannot be stored."""
        folders = cache_folders(self.kind)
        if not folders:
            return False
        folder = folders[-1]
        if self._writes % WRITES_BETWEEN == 0:
            self.prune(folder)
        self._writes += 1
        return _replace(folder / key, hashlib.sha256(payload).digest() + payload)

    def prune(self, folder: Path) -> None:
        """Removes what is too old, and what was not used for longest while there is too much."""
        entries = sorted(_entries(folder), reverse=True)
        oldest, total = time.time() - self.most_days * DAY_S, 0
        for number, (used, size, path) in enumerate(entries):
            total += size
            if number >= self.most_entries or total > self.most_bytes or used < oldest:
                with suppress(OSError):
                    os.unlink(path)


OBJECTS = Cache("objects", most_entries=4096, most_bytes=1 << 29)
"""Machine code of CSL programs."""
ENGINE = Cache("engine", most_entries=12, most_bytes=1 << 28)
"""What numba has compiled of OpenWafer itself."""


def read(key: str, type_: type[T]) -> T | None:
    """The object of `key`, or None if there is none that is whole."""
    payload = OBJECTS.read(key)
    try:
        return None if payload is None else msgspec.msgpack.decode(payload, type=type_)
    except msgspec.MsgspecError:
        return None


def write(key: str, value: msgspec.Struct) -> None:
    """Stores an object; does nothing where that is not possible."""
    OBJECTS.write(key, msgspec.msgpack.encode(value))


def _read(path: Path, most_bytes: int) -> bytes | None:
    """The content of an entry, if its digest is right."""
    try:
        with open(path, "rb") as file:
            content = file.read(most_bytes)
            _note_use(path, os.fstat(file.fileno()).st_mtime)
    except OSError:
        return None
    payload = content[DIGEST_BYTES:]
    return payload if hashlib.sha256(payload).digest() == content[:DIGEST_BYTES] else None


def _note_use(path: Path, noted: float) -> None:
    if time.time() - noted > DAY_S:
        with suppress(OSError):
            os.utime(path)


def _replace(path: Path, content: bytes) -> bool:
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        return False
    return True


def _entries(folder: Path) -> list[tuple[float, int, str]]:
    """(last use, bytes, path) of each file, those of processes that were killed included."""
    found: list[tuple[float, int, str]] = []
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            with suppress(OSError):
                status = file.stat(follow_symlinks=False)
                found.append((status.st_mtime, status.st_size, file.path))
    return found
