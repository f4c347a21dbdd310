"""Seals of parts: a first line that tells whole parts of a sweep from damaged, swapped and foreign ones."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from openwafer.diag import DiagnosticError
from openwafer.files import MIB, read_bytes

MOST_BYTES = 256 * MIB
"""Of a part."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Of the points `start` to `stop` of the sweep whose manifest has the checksum `sweep`."""

    sweep: str
    start: int
    stop: int

    def put_on(self, data: bytes) -> bytes:
        """The part as it lies on disk."""
        return self._line(data) + data

    def _line(self, data: bytes) -> bytes:
        checksum = hashlib.sha256(data).hexdigest()
        fields: dict[str, object] = {"sweep": self.sweep, "start": self.start, "stop": self.stop}
        return json.dumps(fields | {"bytes": len(data), "sha256": checksum}).encode() + b"\n"

    def open(self, path: Path) -> bytes | None:
        """The part's data; None where the file is not what was put there."""
        try:
            whole = read_bytes(path, "part", "sweep-damaged-part", MOST_BYTES)
        except DiagnosticError:
            return None
        data = whole[whole.find(b"\n") + 1 :]
        return data if whole == self.put_on(data) else None
