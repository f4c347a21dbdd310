"""Results on disk: a directory of parts while a sweep runs, one file when it has ended.

A part is there whole or not at all, so a sweep that was killed goes on where it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from openwafer.diag import error
from openwafer.estimate.sweep._grid import Grid, digest
from openwafer.estimate.sweep._solve import Form, as_csv, columns, load_arrow

POINTS = 1000
"""Of a part."""


def form_of(out: Path) -> Form:
    """Diagnostics: sweep-bad-output."""
    form = {".csv": "csv", ".parquet": "parquet"}.get(out.suffix)
    if form is None:
        raise error("sweep-bad-output", f"`{out}` ends neither in .csv nor in .parquet")
    if form == "parquet":
        load_arrow()
        return "parquet"
    return "csv"


@dataclass(frozen=True, slots=True)
class Store:
    """Parts of a sweep in `OUT.parts`; `manifest.json` in it says which sweep they are of."""

    grid: Grid
    out: Path
    form: Form

    @property
    def folder(self) -> Path:
        return self.out.with_name(f"{self.out.name}.parts")

    @property
    def parts(self) -> range:
        return range(-(-len(self.grid) // POINTS))

    def span(self, part: int) -> tuple[int, int]:
        """First point of a part, and the one after its last."""
        return part * POINTS, min((part + 1) * POINTS, len(self.grid))

    def open(self, overwrite: bool) -> None:
        """Makes the directory, or takes up the one that is there.

        Diagnostics: sweep-output-exists, sweep-parts-of-another, sweep-cannot-write.
        """
        if self.out.exists() and not overwrite:
            help = "remove it, name another, or give `--overwrite`"
            raise error("sweep-output-exists", f"`{self.out}` is there already", help=help)
        mine: dict[str, object] = {"sweep": digest(self.grid), "points": POINTS, "format": self.form}
        manifest = self.folder / "manifest.json"
        try:
            if overwrite and manifest.exists() and not _is(manifest, mine):
                shutil.rmtree(self.folder)
            self.folder.mkdir(exist_ok=True)
            if not manifest.exists():
                _write(manifest, json.dumps(mine).encode())
        except OSError as reason:
            raise error("sweep-cannot-write", f"cannot write `{self.folder}`: {reason.strerror}") from None
        if not _is(manifest, mine):
            text = f"`{self.folder}` holds parts of another sweep, or of another version"
            raise error("sweep-parts-of-another", text, help="remove it, or give `--overwrite`")

    def missing(self) -> list[int]:
        """Parts that are still to be done."""
        return [part for part in self.parts if not self._path(part).exists()]

    def put(self, part: int, data: bytes) -> None:
        """Diagnostics: sweep-cannot-write."""
        try:
            _write(self._path(part), data)
        except OSError as reason:
            raise error("sweep-cannot-write", f"cannot write `{self.folder}`: {reason.strerror}") from None

    def finish(self) -> None:
        """One file of all parts; the directory goes."""
        unfinished = self.out.with_name(f"{self.out.name}.unfinished")
        paths = [self._path(part) for part in self.parts]
        join = _join_csv if self.form == "csv" else _join_parquet
        join(self.grid, paths, unfinished)
        os.replace(unfinished, self.out)
        shutil.rmtree(self.folder)

    def _path(self, part: int) -> Path:
        return self.folder / f"{part:07}.{self.form}"


def _is(manifest: Path, mine: dict[str, object]) -> bool:
    try:
        return json.loads(manifest.read_text("utf-8")) == mine
    except (OSError, ValueError):
        return False


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)


def _join_csv(grid: Grid, paths: Iterable[Path], out: Path) -> None:
    with out.open("wb") as file:
        file.write(as_csv([], list(columns(grid)), header=True))
        for path in paths:
            file.write(path.read_bytes())


def _join_parquet(grid: Grid, paths: Iterable[Path], out: Path) -> None:
    """A row group a part."""
    _, parquet = load_arrow()
    writer = None
    for path in paths:
        table = parquet.read_table(path)
        writer = writer or parquet.ParquetWriter(out, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
