"""Files that are there whole or not at all, and folders with one writer."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from openwafer.diag import Diagnostic, DiagnosticError
from openwafer.files import one_writer, replacing, write_bytes


def refused(path: Path, data: bytes = b"new") -> Diagnostic:
    with pytest.raises(DiagnosticError) as failure:
        write_bytes(path, data, "bad-write")
    return failure.value.diagnostics[0]


def test_an_old_file_is_replaced_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_bytes(path, b"old", "bad-write")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["f"]
    write_bytes(path, b"new", "bad-write")
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        found = refused(path, b"x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found.id == "bad-write" and found.message == f"cannot write `{path}`: File too large"
    assert found.help == "free some space, then give the same command again"
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["f"]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none" / "f").message
    (tmp_path / "d").mkdir()
    assert "Is a directory" in refused(tmp_path / "d").message
    assert os.listdir(tmp_path) == ["d"]


HOLDER = """
import sys
from pathlib import Path
from openwafer.files import one_writer
with one_writer(Path(sys.argv[1]), "busy", "cannot"):
    print("held", flush=True)
    sys.stdin.read()
"""


def busy(folder: Path) -> str | None:
    """The id with which the folder is refused; None where it is free."""
    try:
        with one_writer(folder, "busy", "cannot"):
            return None
    except DiagnosticError as failure:
        return failure.diagnostics[0].id


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert busy(folder) == "busy" and folder.exists()
        holder.kill()
    assert os.listdir(folder) == [".lock"]
    assert busy(folder) is None and not folder.exists()


def test_what_is_in_the_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    with one_writer(folder, "busy", "cannot"):
        assert busy(folder) == "busy"
        (folder / "result").write_text("x")
    assert os.listdir(folder) == ["result"]


def test_places_that_are_no_folder(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    assert busy(tmp_path / "f") == "cannot" and busy(tmp_path / "f" / "g") == "cannot"
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / ".lock").symlink_to("/dev/null")
    assert busy(tmp_path / "g") == "cannot"
