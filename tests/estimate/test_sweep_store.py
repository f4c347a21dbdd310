"""What lies on disk while a sweep runs: damage, a full disk, a second process, a kill at the end."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from openwafer.diag import DiagnosticError
from openwafer.estimate.sweep import _store as store
from openwafer.estimate.sweep import sweep
from patience import PATIENCE_S

AXES: dict[str, list[Any]] = {
    "model": ["llama-3.1-8b"], "on": ["b200", "cs3"], "users": [1, 2, 4, 8, 16],
}  # fmt: skip
FORMS = [
    "csv",
    pytest.param("parquet", marks=pytest.mark.skipif(not find_spec("pyarrow"), reason="needs pyarrow")),
]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "POINTS", 3)


class _Stop(Exception):
    pass


def begin(out: Path, parts: int = 3, **axes: Any) -> Path:
    """A sweep that ends after so many of its four parts; the folder of them."""

    def stop(done: int, total: int) -> None:
        if done >= min(3 * parts, total):
            raise _Stop

    with pytest.raises(_Stop):
        sweep(AXES | axes, out, workers=1, progress=stop)
    return out.with_name(f"{out.name}.parts")


def whole(tmp_path: Path, form: str = "csv") -> bytes:
    return sweep(AXES, tmp_path / f"whole.{form}", workers=1).read_bytes()


def failure(out: Path, **given: Any) -> Any:
    with pytest.raises(DiagnosticError) as caught:
        sweep(AXES, out, workers=1, **given)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def swap(path: Path) -> None:
    other = path.with_name(path.name.replace("0000001", "0000002"))
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


def link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def of_another_sweep(path: Path) -> None:
    folder = begin(path.parent.with_name(f"other{path.suffix}"), users=[1, 2, 4, 8, 17])
    shutil.copy(folder / path.name, path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda p: p.write_bytes(p.read_bytes()[:-5]),
    "empty": lambda p: p.write_bytes(b""),
    "other bytes": lambda p: p.write_bytes(bytes(range(256))),
    "one bit": lambda p: p.write_bytes(p.read_bytes()[:-2] + bytes([p.read_bytes()[-2] ^ 1]) + b"\n"),
    "a row more": lambda p: p.write_bytes(p.read_bytes() + p.read_bytes().splitlines(True)[-1]),
    "another part": swap,
    "another sweep": of_another_sweep,
    "a link to a file": lambda p: link(p, "manifest.json"),
    "a link to a device": lambda p: link(p, "/dev/zero"),
    "a link to nothing": lambda p: link(p, "nothing"),
    "a pipe": pipe,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_parts_are_computed_again(
    tmp_path: Path, name: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"r.{form}"
    part = begin(out) / f"0000001.{form}"
    DAMAGES[name](part)
    capsys.readouterr()
    assert sweep(AXES, out, workers=1).read_bytes() == whole(tmp_path, form)
    assert "warning[sweep-damaged-part]" in capsys.readouterr().err
    assert not part.parent.exists()


def test_whole_parts_are_kept_without_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r.csv"
    begin(out)
    seen: list[int] = []
    sweep(AXES, out, workers=1, progress=lambda done, total: seen.append(done))
    assert seen == [9, 10] and capsys.readouterr().err == ""


def test_a_directory_in_place_of_a_part(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    part = begin(out) / "0000001.csv"
    part.unlink()
    part.mkdir()
    found = failure(out)
    assert found.id == "sweep-damaged-part" and str(part) in found.message and found.help == "remove it"
    part.rmdir()
    assert sweep(AXES, out, workers=1).read_bytes() == whole(tmp_path)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{}", '{"sweep": NaN}', "\x00"])
def test_a_damaged_manifest(tmp_path: Path, text: str) -> None:
    out = tmp_path / "r.csv"
    manifest = begin(out) / "manifest.json"
    manifest.write_text(text, "utf-8")
    assert failure(out).id == "sweep-parts-of-another"
    manifest.unlink()
    manifest.mkdir()
    assert failure(out).id == "sweep-parts-of-another"
    assert sweep(AXES, out, workers=1, overwrite=True).read_bytes() == whole(tmp_path)
    assert not manifest.parent.exists()


def test_files_of_others_stay(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    folder = begin(out)
    (folder / "notes.txt").write_text("mine", "utf-8")
    sweep(AXES, out, workers=1)
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]
    out.unlink()
    assert failure(out).id == "sweep-parts-of-another"
    shutil.rmtree(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    assert failure(out).id == "sweep-cannot-write" and not list(elsewhere.iterdir())


def test_one_process_writes(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    folder = begin(out)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = failure(out)
        assert found.id == "sweep-busy" and str(folder) in found.message
    assert sweep(AXES, out, workers=1).read_bytes() == whole(tmp_path)


def test_killed_between_the_result_and_the_removal_of_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.csv"
    with monkeypatch.context() as patched:
        patched.setattr(store.Store, "clean_up", lambda self: (_ for _ in ()).throw(_Stop))
        with pytest.raises(_Stop):
            sweep(AXES, out, workers=1)
    assert out.read_bytes() == whole(tmp_path)
    assert sweep(AXES, out, workers=1) == out and not (tmp_path / "r.csv.parts").exists()
    assert failure(out).id == "sweep-output-exists"


def test_a_result_that_is_not_of_these_parts_is_not_taken(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    begin(out)
    out.write_text("older", "utf-8")
    assert failure(out).id == "sweep-output-exists"
    assert sweep(AXES, out, workers=1, overwrite=True).read_bytes() == whole(tmp_path)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of more than 1,200 bytes can be written, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1200, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    wanted, out = whole(tmp_path), tmp_path / "r.csv"
    begin(out, parts=4)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    request.getfixturevalue("small_files")
    joining = failure(out)
    computing = failure(tmp_path / "s.csv")
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    for found in (joining, computing):
        assert found.id == "sweep-cannot-write" and "File too large" in found.message
        assert found.help == "free some space, then give the same command again"
    assert not out.exists() and not list(tmp_path.glob("*/.*.unfinished"))
    assert sweep(AXES, out, workers=1).read_bytes() == wanted


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "d.csv").mkdir()
    assert failure(tmp_path / "d.csv", overwrite=True).id == "sweep-bad-output"
    found = failure(tmp_path / "none" / "r.csv")
    assert found.id == "sweep-cannot-write" and not (tmp_path / "none").exists()


INTERRUPTED = """
import os, signal, sys
from openwafer.estimate.sweep import _store, sweep
_store.POINTS = 3
axes, out = eval(sys.argv[1]), sys.argv[2]
def progress(done, total):
    if done >= 3:
        os.killpg(0, signal.SIGINT)
if __name__ == "__main__":
    try:
        sweep(axes, out, workers=2, progress=progress)
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_workers_say_nothing_of_a_ctrl_c(tmp_path: Path) -> None:
    """Of a terminal it reaches all processes of the group."""
    script, out = tmp_path / "interrupted.py", tmp_path / "r.csv"
    script.write_text(INTERRUPTED, "utf-8")
    done = subprocess.run(
        [sys.executable, str(script), repr(AXES), str(out)], start_new_session=True, timeout=PATIENCE_S,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("interrupted\n", "") and done.returncode == 0
    assert sweep(AXES, out, workers=1).read_bytes() == whole(tmp_path)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
