"""A folder that one process writes at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from openwafer.diag import error
from openwafer.files._write import unwritable

LOCK = ".lock"


@contextlib.contextmanager
def one_writer(folder: Path, id: str, cannot_write: str) -> Generator[None]:
    """Makes the folder and holds it; at the end it goes if nothing is in it.

    The lock ends with the process, however that ends. Diagnostics: `id` where another process holds it, and
    `cannot_write`.
    """
    lock = folder / LOCK
    try:
        handle = _lock(lock)
    except BlockingIOError:
        help = "wait for its end, or name another"
        raise error(id, f"another process writes `{folder}`", help=help) from None
    except OSError as reason:
        raise unwritable(folder, cannot_write, reason) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
            folder.rmdir()
        if handle is not None:
            os.close(handle)


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock of the file that has this name now, not of one just removed."""
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False
