"""Every reader of a file that somebody else made: pipes, devices, files without end, what is no text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from openwafer.cli.sweep import _read as read_sweep
from openwafer.csl import CompileOptions, compile_layout
from openwafer.csl.syntax._files import FileLoader
from openwafer.diag import DiagnosticError
from openwafer.estimate import load_model
from openwafer.estimate.validation._cases import load_rows
from openwafer.machine import load_machine
from openwafer.machine.systems import load_system
from openwafer.nn.text import read_text

READERS: dict[str, tuple[Callable[[str], object], str, tuple[str, ...]]] = {
    "machine": (load_machine, "m.toml", ("machine-unreadable",)),
    "system": (load_system, "s.toml", ("system-unreadable",)),
    "sweep": (read_sweep, "s.toml", ("sweep-unreadable",)),
    "model": (load_model, "m.json", ("model-unreadable",)),
    "table": (load_rows, "t.csv", ("rows-unreadable",)),
    "text": (lambda path: read_text(Path(path)), "t.txt", ("text-unreadable", "text-encoding")),
    "source": (
        lambda path: FileLoader().load(path, None, None),
        "a.csl",
        ("file-not-readable", "not-utf8", "file-not-found"),
    ),
}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Callable[[], str]]:
    """A path, and what reading it is told."""
    read, name, ids = READERS[request.param]
    path = tmp_path / name

    def told() -> str:
        with pytest.raises(DiagnosticError) as failure:
            read(str(path))
        (diagnostic,) = failure.value.diagnostics
        assert diagnostic.id in ids
        return diagnostic.message

    return path, told


def test_devices(reader: tuple[Path, Callable[[], str]]) -> None:
    path, told = reader
    path.symlink_to("/dev/zero")
    assert told()


def test_pipes(reader: tuple[Path, Callable[[], str]]) -> None:
    path, told = reader
    os.mkfifo(path)
    assert told()


def test_files_without_end(reader: tuple[Path, Callable[[], str]]) -> None:
    path, told = reader
    path.touch()
    os.truncate(path, 2**40)
    assert "it has 1,099,511,627,776 bytes, allowed are " in told()


def test_bytes_that_are_no_text(reader: tuple[Path, Callable[[], str]]) -> None:
    path, told = reader
    path.write_bytes(b"ab\n\xff")
    assert f"`{path}` is not UTF-8: byte 3 (line 2) is 0xff" in told()


@pytest.mark.parametrize("content", [None, "[" * 100_000, "{"])
def test_json_that_a_program_imports(tmp_path: Path, content: str | None) -> None:
    data = tmp_path / "data.json"
    data.symlink_to("/dev/zero") if content is None else data.write_text(content)
    layout = tmp_path / "layout.csl"
    text = 'layout { const data = @import_comptime_value(comptime_struct, "data.json"); }'
    layout.write_text(text)
    with pytest.raises(DiagnosticError) as failure:
        compile_layout(str(layout), CompileOptions(arch="wse3"))
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == "bad-json" and str(diagnostic.span).endswith(
        f"layout.csl:1:{text.index(chr(34)) + 1}"
    )
