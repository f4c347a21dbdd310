"""Files that are there whole or not at all, after a kill and after a loss of power."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import IO

from openwafer.diag import DiagnosticError, error

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ROOM = "free some space, then give the same command again"


@contextlib.contextmanager
def writing(path: Path, id: str) -> Generator[None]:
    """What goes wrong on disk inside the block is told of `path`. Diagnostics: `id`."""
    try:
        yield
    except OSError as reason:
        raise unwritable(path, id, reason) from None


def unwritable(path: Path, id: str, reason: OSError) -> DiagnosticError:
    """Of an attempt to write `path`."""
    help = _ROOM if reason.errno in _FULL else None
    return error(id, f"cannot write `{path}`: {reason.strerror or reason}", help=help)


@contextlib.contextmanager
def replacing(path: Path, *, folder: Path | None = None, flush: bool = True) -> Generator[IO[bytes]]:
    """A new file that takes the name `path` at the end of the block; on any exception it goes.

    It is made in `folder`, which is on the same disk; by default that of `path`. Without `flush` it is whole
    after a kill, not after a loss of power.
    """
    handle, name = tempfile.mkstemp(dir=folder or path.parent, prefix=f".{path.name}.", suffix=".unfinished")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if flush:
                os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    if flush:
        flush_folder(path.parent)


def write_bytes(path: Path, data: bytes, id: str) -> None:
    """Diagnostics: `id`."""
    with writing(path, id), replacing(path) as file:
        file.write(data)


def flush_folder(path: Path) -> None:
    """Names in a folder survive a loss of power; nothing where the file system has no such thing."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
