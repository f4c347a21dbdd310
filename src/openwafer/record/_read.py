"""Reading a record: whole, checked, whoever wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from openwafer.diag import DiagnosticError, error
from openwafer.record._schema import EVENTS, FORMAT, HEADER, VERSION, Mark, Record


def read(folder: str | os.PathLike[str]) -> Record:
    """The header of a record.

    Diagnostics: record-missing, record-damaged, record-version."""
    path = Path(folder, HEADER)
    text = _content(path)
    mark = _decoded(path, text, Mark)
    if mark.format != FORMAT:
        raise error("record-damaged", f"`{path}` is not a record of OpenWafer")
    if mark.version != VERSION:
        raise error(
            "record-version",
            f"`{path}` has version {mark.version} of the format, this OpenWafer reads version {VERSION}",
            help="run the command again, or read it with the OpenWafer named under `versions`",
        )
    return _decoded(path, text, Record)


def events(folder: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """The lines of a record, in their order. A last line that a killed process did not end is left out.

    Diagnostics: record-missing, record-damaged."""
    path = Path(folder, EVENTS)
    if not path.exists():
        return
    for number, line in enumerate(_content(path).split(b"\n")[:-1], 1):
        try:
            yield msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError as reason:
            raise error("record-damaged", f"`{path}`, line {number}: {reason}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as reason:
        raise error("record-missing", f"`{path}`: {reason.strerror}") from None


def _decoded(path: Path, text: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError) as reason:
        raise _damaged(path, reason) from None


def _damaged(path: Path, reason: Exception) -> DiagnosticError:
    return error("record-damaged", f"`{path}` cannot be read: {reason}")
