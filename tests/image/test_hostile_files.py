"""Image directories that somebody else has prepared: links, pipes, bombs, names of other files."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from image_samples import sample_layout

from openwafer.diag import DiagnosticError
from openwafer.files import read_regular
from openwafer.image import _arrays as arrays
from openwafer.image import build, read, write
from openwafer.image._files import ARRAYS, FILES, HEADER, MACHINE, MOST_BYTES, PROGRAMS, Header, checksum
from openwafer.machine import load_machine


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write(build(sample_layout(), "wse2"), tmp_path / "out")
    return tmp_path / "out"


def reseal(out: Path, name: str, data: bytes) -> None:
    """Puts other content into a file, with valid checksums."""
    header = msgspec.json.decode((out / HEADER).read_bytes(), type=Header)
    (out / name).write_bytes(data)
    changed = msgspec.structs.replace(header, files=header.files | {name: checksum(data)}, digest="")
    (out / HEADER).write_bytes(msgspec.json.encode(changed.sealed()))


def refused(out: Path) -> str:
    with pytest.raises(DiagnosticError) as caught:
        read(out)
    (found,) = caught.value.diagnostics
    assert found.id in ("image-not-found", "image-corrupt")
    return found.message


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def huge(path: Path) -> None:
    os.truncate(path, MOST_BYTES[path.name] + 1)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (link, "symbolic link"),
        (pipe, "no regular file"),
        (folder, "no regular file"),
        (huge, "allowed are"),
    ],
)
def test_only_plain_files_of_a_size_are_read(
    out: Path, name: str, change: Callable[[Path], None], said: str
) -> None:
    change(out / name)
    assert said in refused(out)


def test_a_writer_does_not_wait_for_a_pipe(out: Path) -> None:
    pipe(out / HEADER)
    with pytest.raises(DiagnosticError, match=r"output-(foreign|not-writable)"):
        (out / "notes").write_text("mine")
        write(build(sample_layout(), "wse2"), out)


def test_devices_are_no_machine_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe")):
        with pytest.raises(DiagnosticError, match=r"machine-unreadable: .*no regular file"):
            load_machine(path)
    (tmp_path / "long.toml").write_text("#" * (1 << 20) + "\n")
    with pytest.raises(DiagnosticError, match=r"machine-unreadable: .*allowed are"):
        load_machine(str(tmp_path / "long.toml"))


def test_a_file_of_the_greatest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert len(read_regular(tmp_path / "a", 100)) == 100
    with pytest.raises(OSError, match="allowed are"):
        read_regular(tmp_path / "a", 99)


@pytest.mark.parametrize("data", [b"\x91" * 100_000, b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b""])
def test_programs_that_are_nested_or_long_are_refused(out: Path, data: bytes) -> None:
    reseal(out, PROGRAMS, data)
    assert PROGRAMS in refused(out)


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"a":' * 100_000, b"[]", b"{}", b"null", b'{"memory": 3}']
)
def test_facts_that_are_none_are_refused(out: Path, data: bytes) -> None:
    reseal(out, MACHINE, data)
    assert MACHINE in refused(out)


def packed(**changes: bytes | None) -> bytes:
    """The arrays of the sample as an archive, some replaced (None: left out)."""
    layout = build(sample_layout(), "wse2").layout
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("program_of", "cells", "configs", "config_of"):
            plain = io.BytesIO()
            np.save(plain, getattr(layout, name))
            content = changes.get(name, plain.getvalue())
            if content is not None:
                archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def header_of(shape: str, type: str = "<i4") -> bytes:
    text = f"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        header_of("(2, 3)"),
        header_of("(9999999, 9999999)"),
        header_of("(-2, -3)") + bytes(24),
        header_of("(2, 3)", "|O") + bytes(48),
        header_of("(2, 3)", "<i8") + bytes(48),
        header_of("(" * 3000),
        header_of("(2, 3)") + bytes(25),
    ],
)
def test_headers_of_arrays_are_read_before_arrays(out: Path, content: bytes | None) -> None:
    reseal(out, ARRAYS, packed(program_of=content))
    assert ARRAYS in refused(out)


def test_a_bomb_is_not_unpacked(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shape must be that of the rectangle, so that only parameter cells and routes have room for one."""
    monkeypatch.setattr(arrays, "MOST_BYTES", 1 << 20)
    bomb = header_of("(2, 3, 100000)", "<u4") + bytes(2 * 3 * 100_000 * 4)
    data = packed(cells=bomb)
    assert len(data) < 20_000
    reseal(out, ARRAYS, data)
    assert "2,400,128 B" in refused(out)


@pytest.mark.parametrize("size", [(0, 2), (3, -1), (1 << 40, 1), (32_767, 32_767)])
def test_rectangles_have_a_limit(out: Path, size: tuple[int, int]) -> None:
    header = msgspec.json.decode((out / HEADER).read_bytes(), type=Header)
    changed = msgspec.structs.replace(header, size=size, digest="")
    (out / HEADER).write_bytes(msgspec.json.encode(changed.sealed()))
    assert "PEs" in refused(out)
