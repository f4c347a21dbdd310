"""Results on disk: a directory of parts while a sweep runs, one file when it has ended.

A part counts when its seal is right, so a sweep that was killed, or whose parts were damaged, goes on with
what is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from openwafer.diag import DiagnosticError, error, warn
from openwafer.estimate.sweep._grid import Grid, digest
from openwafer.estimate.sweep._join import Joining
from openwafer.estimate.sweep._seal import Seal
from openwafer.estimate.sweep._solve import Form, columns, load_arrow
from openwafer.files import LOCK, MIB, one_writer, read_bytes, replacing, write_bytes, writing

POINTS = 1000
"""Of a part."""
CANNOT_WRITE = "sweep-cannot-write"
MANIFEST, JOINED = "manifest.json", "joined"
_OURS = re.compile(rf"\d{{7,}}\.(csv|parquet)|{MANIFEST}|{JOINED}|{re.escape(LOCK)}|\..*\.unfinished")


def form_of(out: Path) -> Form:
    """Diagnostics: sweep-bad-output."""
    form = {".csv": "csv", ".parquet": "parquet"}.get(out.suffix)
    if form is None:
        raise error("sweep-bad-output", f"`{out}` ends neither in .csv nor in .parquet")
    if form == "parquet":
        load_arrow()
        return "parquet"
    return "csv"


@dataclass(frozen=True)
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

    @contextlib.contextmanager
    def opened(self, overwrite: bool) -> Generator[None]:
        """Makes the directory, or takes up the one that is there, and holds it against other processes.

        Diagnostics: sweep-output-exists, sweep-bad-output, sweep-parts-of-another, sweep-busy,
        sweep-cannot-write.
        """
        self._check_places(overwrite)
        with one_writer(self.folder, "sweep-busy", CANNOT_WRITE):
            if self.out.exists() and not overwrite and not self.has_ended:
                raise self._exists()
            self._take_up(overwrite)
            yield

    def _check_places(self, overwrite: bool) -> None:
        if self.out.is_dir():
            raise error("sweep-bad-output", f"`{self.out}` is a directory")
        if self.folder.is_symlink():
            raise error(CANNOT_WRITE, f"`{self.folder}` is a link, no directory of parts")
        if self.out.exists() and not overwrite and not self.folder.exists():
            raise self._exists()
        if not self.out.parent.is_dir():
            raise error(CANNOT_WRITE, f"cannot write `{self.out}`: `{self.out.parent}` is no directory")

    def _exists(self) -> DiagnosticError:
        help = "remove it, name another, or give `--overwrite`"
        return error("sweep-output-exists", f"`{self.out}` is there already", help=help)

    def _take_up(self, overwrite: bool) -> None:
        manifest = self.folder / MANIFEST
        with writing(self.folder, CANNOT_WRITE):
            entries = os.listdir(self.folder)
        is_there = MANIFEST in entries
        mine = self._holds(manifest) if is_there else all(map(_OURS.fullmatch, entries))
        if not mine and not overwrite:
            text = f"`{self.folder}` holds parts of another sweep, or of another version"
            raise error("sweep-parts-of-another", text, help="remove it, or give `--overwrite`")
        if not mine:
            self._clear(directories=True)
        if not mine or not is_there:
            write_bytes(manifest, self._manifest, CANNOT_WRITE)

    @cached_property
    def _manifest(self) -> bytes:
        fields: dict[str, Any] = {"sweep": digest(self.grid), "points": POINTS, "format": self.form}
        return json.dumps(fields | {"columns": list(columns(self.grid))}, indent=1).encode()

    def _holds(self, manifest: Path) -> bool:
        with contextlib.suppress(DiagnosticError):
            return read_bytes(manifest, "manifest", CANNOT_WRITE, MIB) == self._manifest
        return False

    @property
    def has_ended(self) -> bool:
        """Whether the parts are those that `out` was joined from, and only they are left to be removed."""
        joined = self.folder / JOINED
        if not joined.exists() or not self._holds(self.folder / MANIFEST):
            return False
        with writing(self.out, CANNOT_WRITE), self.out.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            return read_bytes(joined, "checksum", CANNOT_WRITE, MIB) == found.encode()

    def missing(self) -> list[int]:
        """Parts that are still to be done, damaged ones among them. Diagnostics: sweep-damaged-part."""
        missing = [part for part in self.parts if self._open(part) is None]
        damaged = [self._path(part) for part in missing if os.path.lexists(self._path(part))]
        for path in damaged:
            if path.is_dir() and not path.is_symlink():
                raise error("sweep-damaged-part", f"`{path}` is a directory, no part", help="remove it")
        if damaged:
            text = f"computes damaged parts again: {len(damaged)} of {len(self.parts)}, `{damaged[0]}`"
            warn("sweep-damaged-part", text + (" among them" if len(damaged) > 1 else ""))
        return missing

    def put(self, part: int, data: bytes) -> None:
        """Its seal tells whether it is whole, so that it need not be flushed to the disk.

        Diagnostics: sweep-cannot-write.
        """
        path = self._path(part)
        with writing(path, CANNOT_WRITE), replacing(path, flush=False) as file:
            file.write(self._seal(part).put_on(data))

    def finish(self) -> None:
        """One file of all parts; the directory goes. Diagnostics: sweep-damaged-part, sweep-cannot-write."""
        with writing(self.out, CANNOT_WRITE), replacing(self.out, folder=self.folder) as file:
            joining = Joining(file)
            joining.join(self.grid, self.form, self._whole())
            write_bytes(self.folder / JOINED, joining.checksum.encode(), CANNOT_WRITE)
        self.clean_up()

    def _whole(self) -> Iterator[bytes]:
        for part in self.parts:
            data = self._open(part)
            if data is None:
                text = f"`{self._path(part)}` was damaged while the parts were joined"
                raise error("sweep-damaged-part", text, help="give the same command again")
            yield data

    def clean_up(self) -> None:
        """Removes what a sweep puts into its directory, the manifest last; what else is there stays."""
        with contextlib.suppress(OSError):
            self._clear()

    def _clear(self, *, directories: bool = False) -> None:
        with writing(self.folder, CANNOT_WRITE):
            entries = [name for name in os.listdir(self.folder) if _OURS.fullmatch(name) and name != LOCK]
            for name in sorted(entries, key=lambda name: name in (MANIFEST, JOINED)):
                path = self.folder / name
                if path.is_symlink() or not path.is_dir():
                    path.unlink()
                elif directories:
                    shutil.rmtree(path)

    def _open(self, part: int) -> bytes | None:
        return self._seal(part).open(self._path(part))

    def _seal(self, part: int) -> Seal:
        return Seal(self._name, *self.span(part))

    @cached_property
    def _name(self) -> str:
        return hashlib.sha256(self._manifest).hexdigest()

    def _path(self, part: int) -> Path:
        return self.folder / f"{part:07}.{self.form}"
