"""Folders of compiled code: who may write them, what stands in for them, and how much lies in them."""

from __future__ import annotations

import os
import pickle
import stat
import time
from pathlib import Path

import pytest

from openwafer.codegen import _cache, _folder
from openwafer.codegen._cache import Cache
from openwafer.diag import _warn
from openwafer.sim.fast._numba_cache import Kept

NEEDS_OWNERS = pytest.mark.skipif(not hasattr(os, "getuid"), reason="a system without owners of files")


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known or told yet; temporary files lie in a folder of the test."""
    for variable in ("OPENWAFER_CACHE", "OPENWAFER_CACHE_TRUST", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "temporary").mkdir(0o700)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    _folder._folders.cache_clear()  # pyright: ignore[reportPrivateUsage]
    _warn.warn_once.cache_clear()


def chosen(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[Path, ...]:
    monkeypatch.setenv("OPENWAFER_CACHE", str(folder))
    return _folder.cache_folders("objects")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_temporary(folders: tuple[Path, ...], tmp_path: Path) -> bool:
    return len(folders) == 1 and tmp_path / "temporary" in folders[0].parents and mode(folders[0]) == 0o700


def test_new_folders_are_private(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = os.umask(0)
    try:
        (folder,) = _folder.cache_folders("engine")
    finally:
        os.umask(old)
    assert folder == tmp_path / "home" / ".cache" / "openwafer" / "engine"
    assert [mode(path) for path in (folder, folder.parent, folder.parents[1])] == [0o700] * 3
    assert capsys.readouterr().err == ""


@NEEDS_OWNERS
@pytest.mark.parametrize("writable", [0o775, 0o777, 0o707 | 0o020])
@pytest.mark.parametrize("which", ["objects", ""])
def test_a_folder_that_others_can_write_is_not_used(
    which: str,
    writable: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = tmp_path / "cache"
    (base / "objects").mkdir(0o700, parents=True)
    (base / which).chmod(writable)
    assert is_temporary(chosen(monkeypatch, base), tmp_path)
    told = capsys.readouterr().err
    assert "cache-unsafe" in told and str(base) in told and f"chmod go-w {base / which}" in told
    _folder.cache_folders("objects")
    assert capsys.readouterr().err == "", "told once"
    (base / which).chmod(0o755)
    _folder._folders.cache_clear()  # pyright: ignore[reportPrivateUsage]
    assert chosen(monkeypatch, base) == (base / "objects",)


@NEEDS_OWNERS
def test_a_folder_that_everyone_can_rename_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open" / "mine").mkdir(parents=True)
    (tmp_path / "open" / "mine").chmod(0o700)
    (tmp_path / "open").chmod(0o777)
    assert is_temporary(chosen(monkeypatch, tmp_path / "open" / "mine"), tmp_path)
    (tmp_path / "open").chmod(0o1777)
    _folder._folders.cache_clear()  # pyright: ignore[reportPrivateUsage]
    assert chosen(monkeypatch, tmp_path / "open" / "mine") == (tmp_path / "open" / "mine" / "objects",)


@NEEDS_OWNERS
def test_a_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.geteuid()
    monkeypatch.setattr(_folder, "ROOT", -1)
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert _folder.unsafe(tmp_path) == (
        f"`{tmp_path}` belongs to another user",
        "set OPENWAFER_CACHE to a folder of yours",
    )


@NEEDS_OWNERS
def test_trust_is_an_explicit_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "cache"
    (base / "objects").mkdir(parents=True)
    (base / "objects").chmod(0o777)
    monkeypatch.setenv("OPENWAFER_CACHE_TRUST", "1")
    assert chosen(monkeypatch, base) == (base / "objects",)


def test_without_a_home_a_temporary_folder_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    folders = _folder.cache_folders("objects")
    assert is_temporary(folders, tmp_path) and folders == _folder.cache_folders("objects")
    assert "no home directory is known" in capsys.readouterr().err


def test_a_home_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").write_text("a file")
    assert is_temporary(_folder.cache_folders("objects"), tmp_path)
    assert "cache-unusable" in capsys.readouterr().err


def test_a_folder_that_can_only_be_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that are there are used; new ones go to the temporary folder, and are found there."""
    cache, base = Cache("objects", 9, 1 << 20), tmp_path / "cache"
    chosen(monkeypatch, base)
    assert cache.write("old", b"1")
    _folder._folders.cache_clear()  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(os, "access", lambda path, how: base not in Path(path).parents)
    assert len(chosen(monkeypatch, base)) == 2
    assert cache.write("new", b"2") and not (base / "objects" / "new").exists()
    assert (cache.read("old"), cache.read("new")) == (b"1", b"2")


@NEEDS_OWNERS
def test_a_temporary_folder_that_another_made_ready_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "temporary" / f"openwafer-{os.getuid()}"
    trap.mkdir()
    trap.chmod(0o777)
    (tmp_path / "home").write_text("a file")
    (folder,) = _folder.cache_folders("objects")
    assert trap not in (folder, *folder.parents) and mode(folder) == 0o700


def test_no_place_at_all_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing" / "\0"))
    monkeypatch.setattr(_folder, "make_private", lambda folder: (_ for _ in ()).throw(OSError("full")))
    assert _folder.cache_folders("objects") == ()
    cache = Cache("objects", 9, 1 << 20)
    assert not cache.write("key", b"1") and cache.read("key") is None


def test_a_system_without_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("getuid", "geteuid"):
        monkeypatch.delattr(os, name, raising=False)
    assert chosen(monkeypatch, tmp_path / "cache") == (tmp_path / "cache" / "objects",)
    (tmp_path / "home").write_text("a file")
    assert _folder._temporary("objects")  # pyright: ignore[reportPrivateUsage]


# --- bounds --------------------------------------------------------------------------------


def filled(cache: Cache, folder: Path, n: int, size: int = 1) -> None:
    """Entries 0 … n − 1, of which the first was used longest ago."""
    for i in range(n):
        assert cache.write(f"{i}", bytes(size))
        os.utime(folder / f"{i}", (time.time() - 1000 + i,) * 2)


@pytest.mark.parametrize(("entries", "size"), [(5, 1 << 20), (99, 5 * (100 + _cache.DIGEST_BYTES))])
def test_what_was_not_used_for_longest_goes(
    entries: int, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = chosen(monkeypatch, tmp_path / "cache")
    cache = Cache("objects", entries, size)
    filled(cache, folder, 12, 100)
    cache.prune(folder)
    assert sorted(int(path.name) for path in folder.iterdir()) == [7, 8, 9, 10, 11]


def test_what_is_old_goes_and_what_is_used_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = chosen(monkeypatch, tmp_path / "cache")
    cache = Cache("objects", 99, 1 << 20, most_days=10)
    filled(cache, folder, 3)
    for name in ("0", "1", "2"):
        os.utime(folder / name, (time.time() - 11 * _cache.DAY_S,) * 2)
    assert cache.read("1") is not None, "a use is noted"
    cache.prune(folder)
    assert [path.name for path in folder.iterdir()] == ["1"]


def test_bounds_are_looked_at_while_a_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = chosen(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(_cache, "WRITES_BETWEEN", 10)
    filled(Cache("objects", 5, 1 << 20), folder, 100)
    assert len(list(folder.iterdir())) <= 5 + 10


# --- what numba compiles -------------------------------------------------------------------


def product(a: int, b: int) -> int:
    return a * b


def kept() -> tuple[int, list[Path]]:
    """The compiled function's answer, and the files that hold it."""
    (folder,) = _folder.cache_folders("engine")
    function = Kept(product, "int64(int64, int64)", "openwafer.sim.fast.memory._half")
    return function.as_function()(6, 7), list(folder.iterdir())


def test_what_numba_compiles_lies_in_the_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen(monkeypatch, tmp_path / "cache")
    answer, files = kept()
    assert answer == 42 and len(files) == 1
    before = files[0].stat().st_mtime_ns
    assert kept() == (42, files) and files[0].stat().st_mtime_ns == before, "it was read, not made again"


@pytest.mark.parametrize("payload", [b"", b"no pickle", pickle.dumps(("a", "tuple"))])
def test_what_numba_cannot_read_is_compiled_again(
    payload: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen(monkeypatch, tmp_path / "cache")
    _, (path,) = kept()
    size = path.stat().st_size
    _cache.ENGINE.write(path.name, payload)
    assert kept()[0] == 42 and abs(path.stat().st_size - size) < size / 10, "it was made again"
