"""Reading of files whose names come from elsewhere: only regular files, and only up to a size."""

from __future__ import annotations

import os
import stat

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_PART_BYTES = 1 << 24


def read_regular(path: str | os.PathLike[str], most_bytes: int, *, follow: bool = True) -> bytes:
    """The content of a regular file of at most `most_bytes`; without `follow` it is no symbolic link.

    Raises OSError, also for devices, pipes, directories and larger files, and those that grow meanwhile.
    It opens no pipe and no device, and never waits for a writer."""
    check_state(os.stat(path) if follow else os.lstat(path), most_bytes)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags if follow else flags | getattr(os, "O_NOFOLLOW", 0))
    try:
        check_state(os.fstat(descriptor), most_bytes)
        data = _read(descriptor, most_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > most_bytes:
        raise OSError(0, f"it does not end, allowed are {most_bytes:,} bytes")
    return data


def check_state(state: os.stat_result, most_bytes: int) -> None:
    """Raises OSError for what is no regular file, or too large."""
    if stat.S_ISLNK(state.st_mode):
        raise OSError(0, "it is a symbolic link")
    kind = next((words for is_kind, words in _KINDS if is_kind(state.st_mode)), None)
    if kind is not None:
        raise OSError(0, f"it is {kind}, no regular file")
    if state.st_size > most_bytes:
        raise OSError(0, f"it has {state.st_size:,} bytes, allowed are {most_bytes:,}")


def _read(descriptor: int, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    while most_bytes > 0 and (part := os.read(descriptor, min(most_bytes, _PART_BYTES))):
        parts.append(part)
        most_bytes -= len(part)
    return b"".join(parts)
