"""Reading a file that somebody else made: a regular file, not larger than what it is for needs."""

from __future__ import annotations

import os
from pathlib import Path

from openwafer.diag import Diagnostic, DiagnosticError, Source, Span, error
from openwafer.files._regular import check_state, read_regular

MIB = 2**20
_BEGIN = 200
"""Characters around a byte that is not UTF-8 which its diagnostic shows."""


def read_bytes(path: str | Path, what: str, id: str, most_bytes: int) -> bytes:
    """All bytes of the regular file at `path`, a `what` such as "machine file".

    Pipes and devices are not opened, and at most `most_bytes` are read even of a file that grows meanwhile.
    Diagnostics: `id`.
    """
    try:
        return read_regular(path, most_bytes)
    except (OSError, ValueError) as reason:
        raise _unreadable(path, what, id, reason) from None


def check_regular(path: str | Path, what: str, id: str, most_bytes: int) -> int:
    """Refuses what is no regular file, or too large; the file's bytes. Diagnostics: `id`."""
    try:
        state = os.stat(path)
        check_state(state, most_bytes)
    except (OSError, ValueError) as reason:
        raise _unreadable(path, what, id, reason) from None
    return state.st_size


def _unreadable(path: str | Path, what: str, id: str, reason: OSError | ValueError) -> DiagnosticError:
    why = (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
    return error(id, f"cannot read {what} `{path}`: {why}")


def read_text(path: str | Path, what: str, id: str, most_bytes: int, not_text: str | None = None) -> str:
    """The text of a UTF-8 file, with `\\n` for every kind of line end.

    Diagnostics: `id`, and `not_text` (by default the same) where it is not UTF-8.
    """
    text = decode(read_bytes(path, what, id, most_bytes), str(path), not_text or id)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def decode(data: bytes, path: str, id: str) -> str:
    """UTF-8 as text. Diagnostics: `id`, with the place of the first byte that is none."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as reason:
        line = data.count(b"\n", 0, reason.start) + 1
        text = f"`{path}` is not UTF-8: byte {reason.start:,} (line {line:,}) is 0x{data[reason.start]:02x}"
        raise DiagnosticError([Diagnostic(id, text, _around(data, reason.start, path, line))]) from None


def _around(data: bytes, at: int, path: str, line: int) -> Span | None:
    """The byte in its line, shown as `\\xff`; none where the line is too far down to be worth a copy."""
    if line > _BEGIN:
        return None
    begin = data.rfind(b"\n", 0, at) + 1
    head = data[max(begin, at - _BEGIN) : at].decode("utf-8", "backslashreplace")
    tail = data[at : at + _BEGIN].split(b"\n", 1)[0].decode("utf-8", "backslashreplace")
    start = line - 1 + len(head)
    return Span(Source(path, "\n" * (line - 1) + head + tail), start, start + len("\\xff"))
