"""Writing a record: the header at the start and at the end, events in between."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from openwafer.diag import DiagnosticError, error
from openwafer.record._schema import EVENTS, HEADER, Kind, MachineMark, Record


class Recorder:
    """An open record; without a folder it takes everything and writes nothing."""

    def __init__(self, folder: Path | None, record: Record) -> None:
        """Diagnostics: record-exists, record-not-written."""
        self._folder, self._record = folder, record
        self._start = time.monotonic()
        self._events: BinaryIO | None = None
        if folder is not None:
            _make(folder)
            self._write_header()

    @property
    def is_kept(self) -> bool:
        """Whether it has a folder."""
        return self._folder is not None

    def machine(self, name: str, arch: str, hash: str) -> None:
        """Notes the machine that the command works with."""
        self._record = msgspec.structs.replace(self._record, machine=MachineMark(name, arch, hash))

    def event(self, **values: Any) -> None:
        """Appends a line: JSON values by name. Diagnostics: record-not-written."""
        if self._folder is None:
            return
        try:
            if self._events is None:
                self._events = open(self._folder / EVENTS, "ab", buffering=0)  # noqa: SIM115
            self._events.write(msgspec.json.encode(values, enc_hook=_plain) + b"\n")
        except OSError as reason:
            raise _not_written(self._folder, reason) from None

    def result(self, **values: Any) -> None:
        """Adds to what the command has found: JSON values by name."""
        found = {**(self._record.result or {}), **values}
        self._record = msgspec.structs.replace(self._record, result=found)

    def close(self, outcome: str) -> None:
        """Writes the header a last time. Diagnostics: record-not-written."""
        seconds = round(time.monotonic() - self._start, 3)
        self._record = msgspec.structs.replace(self._record, outcome=outcome, seconds=seconds)
        if self._events is not None:
            self._events.close()
        if self._folder is not None:
            self._write_header()

    def _write_header(self) -> None:
        assert self._folder is not None
        aside = self._folder / f".{HEADER}.{os.getpid()}"
        try:
            aside.write_bytes(
                msgspec.json.format(msgspec.json.encode(self._record, enc_hook=_plain), indent=2) + b"\n"
            )
            aside.replace(self._folder / HEADER)
        except OSError as reason:
            aside.unlink(missing_ok=True)
            raise _not_written(self._folder, reason) from None


@contextmanager
def recording(
    folder: str | os.PathLike[str] | None,
    kind: Kind,
    command: Sequence[str],
    versions: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
) -> Generator[Recorder]:
    """A record of what happens inside the block; `folder` None: nothing is written.

    Its outcome is `done`, or the ids of the diagnostics, or the name of the exception that ends the block.
    Diagnostics: record-exists, record-not-written."""
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record = Record(kind, tuple(command), created, dict(versions), dict(options or {}))
    recorder = Recorder(None if folder is None else Path(folder), record)
    try:
        yield recorder
    except DiagnosticError as failure:
        recorder.close(", ".join(d.id for d in failure.diagnostics))
        raise
    except BaseException as failure:
        recorder.close(type(failure).__name__)
        raise
    recorder.close("done")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise _not_written(folder, reason) from None
    if (folder / HEADER).exists():
        raise error("record-exists", f"`{folder}` holds a record already", help="give another folder")


def _not_written(folder: Path, reason: OSError) -> DiagnosticError:
    return error("record-not-written", f"`{folder}`: {reason.strerror}")


def _plain(value: Any) -> Any:
    """JSON values of NumPy's numbers and arrays, and of paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    raise TypeError(f"{type(value).__name__} in a record")
