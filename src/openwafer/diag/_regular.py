"""Reading of files whose names come from elsewhere: only regular files, and only up to a size."""

from __future__ import annotations

import os
import stat


def read_regular(path: str | os.PathLike[str], most_bytes: int, *, follow: bool = True) -> bytes:
    """The content of a regular file of at most `most_bytes`; without `follow` it is no symbolic link.

    Raises OSError, also for devices, pipes, directories and larger files; it never waits for a writer."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
        if os.path.islink(path):
            raise OSError(0, "it is a symbolic link")
    descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is not a regular file")
        data = _read(descriptor, most_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > most_bytes:
        raise OSError(0, f"it is larger than {most_bytes:,} B")
    return data


def _read(descriptor: int, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    while most_bytes > 0 and (part := os.read(descriptor, min(most_bytes, 1 << 24))):
        parts.append(part)
        most_bytes -= len(part)
    return b"".join(parts)
