"""One file of all parts."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterable
from typing import IO

from openwafer.estimate.sweep._grid import Grid
from openwafer.estimate.sweep._solve import Form, as_csv, columns, load_arrow


class Joining(io.RawIOBase):
    """Writes to `file` and computes the checksum of what is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def checksum(self) -> str:
        """SHA-256 of all that was written."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._hash.update(data)
        return self._file.write(data)

    def join(self, grid: Grid, form: Form, parts: Iterable[bytes]) -> None:
        """Writes the parts in their order."""
        join = self._join_csv if form == "csv" else self._join_parquet
        join(grid, parts)

    def _join_csv(self, grid: Grid, parts: Iterable[bytes]) -> None:
        self.write(as_csv([], list(columns(grid)), header=True))
        for part in parts:
            self.write(part)

    def _join_parquet(self, grid: Grid, parts: Iterable[bytes]) -> None:
        """A row group a part."""
        arrow, parquet = load_arrow()
        tables = (parquet.read_table(arrow.BufferReader(part)) for part in parts)
        first = next(tables)
        with parquet.ParquetWriter(self, first.schema) as writer:
            for table in itertools.chain([first], tables):
                writer.write_table(table)
