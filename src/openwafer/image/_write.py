"""An image as a directory, put in place in one step."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import msgspec
import numpy as np

from openwafer.diag import error
from openwafer.files import read_regular
from openwafer.image._exchange import exchange
from openwafer.image._files import (
    ARRAY_NAMES,
    ARRAYS,
    FILES,
    FORMAT,
    HEADER,
    MACHINE,
    MOST_BYTES,
    PROGRAMS,
    VERSION,
    Body,
    Exported,
    Header,
    Mark,
    checksum,
    parse_pairs,
)
from openwafer.image._image import Image
from openwafer.machine import to_document

_SCRATCH = ".openwafer-"
_SETTLED_S = 5.0
"""A scratch directory younger than this may belong to a writer that has not locked it yet."""


def write(image: Image, path: str | os.PathLike[str]) -> None:
    """Writes the image as directory `path`, whole or not at all: it is made beside it and then renamed.

    A directory that this made before is replaced; files that others put into it are kept.
    Diagnostics: output-foreign (something else is there), output-not-writable."""
    target = Path(os.path.realpath(path))
    _check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(target)
        with _scratch(target) as scratch:
            for name, data in _contents(image).items():
                (scratch / name).write_bytes(data)
            scratch.chmod(0o777 & ~_umask())
            _put_in_place(scratch, target)
    except OSError as reason:
        raise error("output-not-writable", f"cannot write `{path}`: {reason.strerror}") from None


def is_image_directory(path: Path) -> bool:
    """Whether a directory was made by `write`, intact or not."""
    names = {entry.name for entry in path.iterdir()}
    try:
        mark = msgspec.json.decode(read_regular(path / HEADER, MOST_BYTES[HEADER]), type=Mark)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return bool(names) and names <= set(FILES)
    return mark.format == FORMAT


def _contents(image: Image) -> dict[str, bytes]:
    layout = image.layout
    body = Body(layout.programs, tuple(Exported.of(e) for e in layout.exports), layout.sources)
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **{name: getattr(layout, name) for name in ARRAY_NAMES})
    files = {PROGRAMS: msgspec.msgpack.encode(body), ARRAYS: arrays.getvalue(), MACHINE: _facts(image)}
    header = Header(
        params=layout.params,
        colors=parse_pairs(image.metadata.get("colors", "")),
        format=FORMAT,
        version=VERSION,
        arch=layout.arch,
        machine=image.machine.origin,
        machine_hash=image.machine.hash(),
        size=(layout.width, layout.height),
        fabric_dims=layout.fabric_dims,
        fabric_offsets=layout.fabric_offsets,
        metadata=image.metadata,
        files={name: checksum(data) for name, data in files.items()},
    )
    text = msgspec.json.format(msgspec.json.encode(header.sealed()), indent=2)
    return files | {HEADER: text + b"\n"}


def _facts(image: Image) -> bytes:
    document = msgspec.json.encode(to_document(image.machine))
    return msgspec.json.format(document, indent=1) + b"\n"


def _check_target(target: Path) -> None:
    try:
        if not target.exists():
            return
        if not target.is_dir():
            raise error("output-foreign", f"`{target}` is a file, not a directory")
        if any(target.iterdir()) and not is_image_directory(target):
            raise error(
                "output-foreign",
                f"directory `{target}` holds other files and will not be replaced",
                help="name another directory with `-o`, or remove this one",
            )
    except OSError as reason:
        raise error("output-not-writable", f"cannot read `{target}`: {reason.strerror}") from None


@contextlib.contextmanager
def _scratch(target: Path) -> Generator[Path]:
    """A new directory beside the target, locked while it is in use and gone afterwards."""
    scratch = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{target.name}-", dir=target.parent))
    lock = _lock(scratch)
    try:
        yield scratch
    finally:
        _discard(scratch, target)
        if lock is not None:
            os.close(lock)


def _put_in_place(scratch: Path, target: Path) -> None:
    """Puts the scratch directory in the target's place, in one step on Linux.

    Elsewhere a kill between two renames leaves no target, an interruption the old one."""
    if not target.exists():
        os.rename(scratch, target)
    elif not exchange(scratch, target):
        with _scratch(target) as old:
            os.rename(target, old)
            try:
                os.rename(scratch, target)
            except BaseException:
                os.rename(old, target)
                raise


def _discard(scratch: Path, target: Path) -> None:
    """Removes a scratch directory; what others put into the image that it was goes to the new one."""
    with contextlib.suppress(OSError):
        for entry in [e for e in scratch.iterdir() if e.name not in FILES]:
            os.rename(entry, target / entry.name)
    shutil.rmtree(scratch, ignore_errors=True)


def _lock(directory: Path) -> int | None:
    """A descriptor that holds the directory's lock until the process ends; None if it is taken."""
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_stale(target: Path) -> None:
    """Removes scratch directories of writers that were killed."""
    for directory in target.parent.glob(f"{_SCRATCH}{target.name}-*"):
        with contextlib.suppress(OSError):
            if time.time() - directory.stat().st_mtime < _SETTLED_S:
                continue
            lock = _lock(directory)
            if lock is not None:
                _discard(directory, target)
                os.close(lock)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
