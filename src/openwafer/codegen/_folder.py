"""Folders of compiled code. What lies there is run, so only the user may be able to write it.

`OPENWAFER_CACHE`, else `openwafer` in the user's cache directory, is used if it belongs to the user (or
to root) and neither group nor others can write it, and if no folder above lets everyone rename it.
Otherwise, and where it cannot be made, a folder of the user among the temporary files takes its place,
which is told.
"""

from __future__ import annotations

import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from openwafer.diag import environment, warn_once

PRIVATE, OTHERS_WRITE = 0o700, 0o022
ROOT = 0
HELP = "set OPENWAFER_CACHE to a folder of yours, so that compiled code is kept"


def cache_folders(kind: str) -> tuple[Path, ...]:
    """The folders of one kind of entries, made if they are missing: all are read, the last is written to.
    None if there is no place for them at all.

    Warnings: cache-unsafe, cache-unusable."""
    return _folders(environment.CACHE.get(), environment.CACHE_TRUST.get() == "1", kind)


@cache
def _folders(given: Path | None, is_trusted: bool, kind: str) -> tuple[Path, ...]:
    base = given or _users_own()
    if base is None:
        warn_once("cache-unusable", "compiled code has no folder: no home directory is known", HELP)
        return _temporary(kind)
    folder = _usable(base / kind, is_trusted)
    if folder is not None and os.access(folder, os.W_OK | os.X_OK):
        return (folder,)
    if folder is not None:
        warn_once("cache-unusable", f"compiled code cannot be stored in `{folder}`: no permission", HELP)
    return (*([folder] if folder else []), *_temporary(kind))


def _users_own() -> Path | None:
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "openwafer"
    try:
        return Path.home() / ".cache" / "openwafer"
    except RuntimeError:
        return None


def _usable(folder: Path, is_trusted: bool) -> Path | None:
    """The folder if it is there or can be made, and safe; else None, with a warning."""
    try:
        make_private(folder)
        wrong = None if is_trusted else unsafe(folder)
    except OSError as reason:
        warn_once("cache-unusable", f"compiled code cannot lie in `{folder}`: {_why(reason)}", HELP)
        return None
    if wrong is not None:
        warn_once("cache-unsafe", f"compiled code in `{folder}` is not used: {wrong[0]}", wrong[1])
        return None
    return folder


def _why(reason: OSError) -> str:
    return (reason.strerror or str(reason)).lower()


def make_private(folder: Path) -> None:
    """Makes a folder and those above it that are missing, which only the user can read and write."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        path.mkdir(PRIVATE, exist_ok=True)


def unsafe(folder: Path) -> tuple[str, str] | None:
    """Why others could put entries into a folder, and what mends it; None if they cannot."""
    if not hasattr(os, "getuid"):
        return None
    here = folder.resolve()
    for path in (here, here.parent):
        found = path.stat()
        if found.st_uid not in (os.geteuid(), ROOT):
            return f"`{path}` belongs to another user", "set OPENWAFER_CACHE to a folder of yours"
        if found.st_mode & OTHERS_WRITE and not (path != here and found.st_mode & stat.S_ISVTX):
            return f"other users can write `{path}`", f"`chmod go-w {path}`"
    for path in here.parents:
        mode = path.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return f"everyone can rename what lies in `{path}`", f"`chmod o-w {path}`"
    return None


def _temporary(kind: str) -> tuple[Path, ...]:
    """A folder that the user's processes share until temporary files are removed."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"openwafer-{user}" / kind
    try:
        make_private(folder)
        return (folder if unsafe(folder) is None else Path(tempfile.mkdtemp(prefix="openwafer-")),)
    except OSError:
        return ()
