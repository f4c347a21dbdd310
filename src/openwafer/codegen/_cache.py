"""A cache of msgpack structs on disk. It is never trusted: what is not as written counts as absent.

Directory: `OPENWAFER_CACHE`, or `openwafer/objects` in the user's cache directory. Files are written to a
temporary name and renamed, so that processes can share it. An entry is the SHA-256 of its content, then the
content.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)
DIGEST_BYTES = 32


def directory() -> Path:
    """Where entries lie."""
    if given := os.environ.get("OPENWAFER_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "openwafer" / "objects"


def read(key: str, type_: type[T]) -> T | None:
    """The entry of `key`, or None if there is none that is whole."""
    try:
        content = (directory() / key).read_bytes()
    except OSError:
        return None
    payload = content[DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != content[:DIGEST_BYTES]:
        return None
    try:
        return msgspec.msgpack.decode(payload, type=type_)
    except msgspec.MsgspecError:
        return None


def write(key: str, value: msgspec.Struct) -> None:
    """Stores `value`; does nothing where the directory cannot be written."""
    payload = msgspec.msgpack.encode(value)
    try:
        directory().mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=directory(), prefix=".tmp-")
    except OSError:
        return
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(payload).digest() + payload)
        os.replace(temporary, directory() / key)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


@cache
def source_digest() -> str:
    """A digest of the sources that decide what code is made, so that a changed compiler misses the cache."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    tables = [package.parent / "csl" / name for name in ("_tir.py", "_dsd_ops.py")]
    for path in (*sorted(package.glob("*.py")), *tables):
        digest.update(path.read_bytes())
    return digest.hexdigest()
