"""`SHA256SUMS` of a directory, as `sha256sum --check` reads it: whether its files are those that were
written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from openwafer.diag import error
from openwafer.files import MIB, check_regular, inside, read_text

SUMS_FILE = "SHA256SUMS"
MOST_BYTES = 2**23 * MIB
_LINE = re.compile(r"([0-9a-f]{64})  ([\w.]+)")


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """The text of `SHA256SUMS` for these files."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()).encode()


def check_sums(directory: Path, names: tuple[str, ...], id: str) -> None:
    """Diagnoses a file that changed or went since, and one of `names` that was never there.

    Diagnostics: `id`.
    """
    text = read_text(directory / SUMS_FILE, "checksums", id, MIB)
    lines = [_LINE.fullmatch(line) for line in text.splitlines()]
    sums = {line[2]: line[1] for line in lines if line is not None}
    absent = [name for name in names if name not in sums]
    if None in lines or absent:
        what = f"names no `{absent[0]}`" if absent else "is not a list of checksums"
        raise error(id, f"{directory}: {SUMS_FILE} {what}")
    for name, wanted in sums.items():
        path = inside(directory, name, id)
        check_regular(path, "file", id, MOST_BYTES)
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                raise error(id, f"{path} is not the file that was written: its checksum differs")
