"""The object cache, and the facade."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from _driver import Pe, function, machine, program

from openwafer import tir
from openwafer.codegen import _cache
from openwafer.codegen._abi import Status
from openwafer.codegen._compile import compile_program, emit_llvm

SOURCE = program(function(tir.Store(tir.Const("u16", 0), tir.Const("u16", 42))))


@pytest.fixture(autouse=True)
def cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENWAFER_CACHE", str(tmp_path))
    return tmp_path / "objects"


def works(source: tir.Program = SOURCE) -> bool:
    """Whether it gives 42; returns whether it came from the cache."""
    pe = Pe(source, use_cache=True)
    assert pe.run().status == Status.DONE
    assert pe.load(0, "H") == 42
    return pe.compiled.is_cached


def test_the_second_compilation_is_a_hit(cache_directory: Path):
    assert [works(), works()] == [False, True]
    assert len(list(cache_directory.iterdir())) == 1


def test_another_program_or_machine_is_a_miss():
    assert not works()
    renamed = msgspec.structs.replace(SOURCE, name="other")
    assert not works(renamed)


@pytest.mark.parametrize("damage", ["empty", "truncated", "flipped", "text", "other struct"])
def test_a_damaged_entry_is_compiled_again(cache_directory: Path, damage: str):
    works()
    (path,) = cache_directory.iterdir()
    whole = path.read_bytes()
    if damage == "other struct":
        _cache.write(path.name, tir.Const("u16", 1))
    else:
        flipped = whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]
        path.write_bytes(
            {"empty": b"", "truncated": whole[:-9], "flipped": flipped, "text": b"x" * 999}[damage]
        )
    assert [works(), works()] == [False, True]
    assert path.read_bytes() == whole


def test_a_directory_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("OPENWAFER_CACHE", str(tmp_path / "file"))
    assert [works(), works()] == [False, True]
    assert capsys.readouterr().err.count("cache-unusable") == 1


def test_without_the_cache_nothing_is_written(cache_directory: Path):
    compile_program(SOURCE, machine(), use_cache=False)
    assert not cache_directory.exists()


def test_code_lives_as_long_as_its_program():
    programs = [Pe(SOURCE) for _ in range(3)]
    del programs[0], programs[0]
    assert programs[0].run().status == Status.DONE


def test_no_float_operation_is_fast():
    body = tir.Store(
        tir.Const("u16", 0),
        tir.Binary("mul", "f16", tir.Load("f16", tir.Const("u16", 2)), tir.Const("f16", 3.0)),
    )
    text = emit_llvm(program(function(body)), machine())
    assert "fmul" in text
    assert not any(word in text for word in ("fast", "contract", "fmuladd", "half", "nnan"))
