from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import fields
from pathlib import Path

import msgspec
import numpy as np
import pytest
from image_samples import sample_layout

from openwafer.diag import DiagnosticError
from openwafer.image import Image, build, read, write
from openwafer.image._files import ARRAYS, FILES, HEADER, MACHINE, PROGRAMS, Header

HERE = Path(__file__).parent


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write(build(sample_layout(), "wse2", {"colors": "c:3,d:4"}), tmp_path / "out")
    return tmp_path / "out"


def ids(error: pytest.ExceptionInfo[DiagnosticError]) -> list[str]:
    return [d.id for d in error.value.diagnostics]


def assert_same(a: Image, b: Image) -> None:
    assert (a.machine, a.metadata) == (b.machine, b.metadata)
    for field in fields(a.layout):
        x, y = getattr(a.layout, field.name), getattr(b.layout, field.name)
        if isinstance(x, np.ndarray):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)
        else:
            assert x == y


def test_round_trip(out: Path) -> None:
    assert_same(read(out), build(sample_layout(), "wse2", {"colors": "c:3,d:4"}))


def test_same_image_gives_the_same_bytes(out: Path, tmp_path: Path) -> None:
    write(read(out), tmp_path / "again")
    for name in FILES:
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_host_scripts_find_params_and_colors_as_text(out: Path) -> None:
    data = json.loads((out / HEADER).read_text("utf-8"))
    assert data["params"] == {"M": "4", "name": "ü"}
    assert data["colors"] == {"c": "3", "d": "4"}
    assert data["arch"] == "wse2"
    assert data["size"] == [3, 2]
    assert data["fabric_offsets"] == [4, 1]


def test_directory_has_the_usual_permissions(out: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert out.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_nothing_else_is_left_beside_it(out: Path) -> None:
    write(read(out), out)
    assert os.listdir(out.parent) == ["out"]


def test_replacing_keeps_files_of_others(out: Path) -> None:
    (out / "results.csv").write_text("1,2")
    write(build(sample_layout(1, 1), "wse2"), out)
    assert read(out).layout.width == 1
    assert (out / "results.csv").read_text() == "1,2"


def test_an_empty_directory_and_a_damaged_image_are_replaced(tmp_path: Path) -> None:
    image = build(sample_layout(), "wse2")
    (tmp_path / "empty").mkdir()
    write(image, tmp_path / "empty")
    assert_same(read(tmp_path / "empty"), image)
    (tmp_path / "empty" / HEADER).write_bytes(b"")
    write(image, tmp_path / "empty")
    assert_same(read(tmp_path / "empty"), image)


def test_a_directory_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("mine", "file", "."):
        with pytest.raises(DiagnosticError) as caught:
            write(build(sample_layout(), "wse2"), tmp_path / name)
        assert ids(caught) == ["output-foreign"]
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"


def test_a_parent_that_is_a_file_is_a_diagnostic(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiagnosticError) as caught:
        write(build(sample_layout(), "wse2"), tmp_path / "file" / "out")
    assert ids(caught) == ["output-not-writable"]


def test_missing_and_foreign_directories(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / HEADER).write_text('{"params": {"M": "4"}}')
    for name in ("nowhere", "empty", "file", "other"):
        with pytest.raises(DiagnosticError) as caught:
            read(tmp_path / name)
        assert ids(caught) == ["image-not-found"]


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_found(out: Path, name: str) -> None:
    data = (out / name).read_bytes()
    for length in {0, 1, len(data) // 2, len(data) - 2}:
        (out / name).write_bytes(data[:length])
        with pytest.raises(DiagnosticError) as caught:
            read(out)
        assert ids(caught) == ["image-corrupt"]


@pytest.mark.parametrize("name", FILES)
def test_every_changed_byte_is_found_or_harmless(out: Path, name: str) -> None:
    whole, data = read(out), (out / name).read_bytes()
    for place in range(0, len(data), max(1, len(data) // 150)):
        changed = bytearray(data)
        changed[place] ^= 0x15
        (out / name).write_bytes(changed)
        try:
            assert_same(read(out), whole)
        except DiagnosticError as failure:
            assert {d.id for d in failure.diagnostics} <= {
                "image-corrupt",
                "image-not-found",
                "image-version",
            }


@pytest.mark.parametrize("name", [PROGRAMS, ARRAYS, MACHINE])
def test_a_missing_file_is_a_diagnostic(out: Path, name: str) -> None:
    (out / name).unlink()
    with pytest.raises(DiagnosticError) as caught:
        read(out)
    assert ids(caught) == ["image-not-found"]
    assert name in caught.value.diagnostics[0].message


def test_another_version_is_told_apart(out: Path) -> None:
    data = json.loads((out / HEADER).read_text("utf-8"))
    (out / HEADER).write_text(json.dumps(data | {"version": 99, "files": 3}))
    with pytest.raises(DiagnosticError) as caught:
        read(out)
    assert ids(caught) == ["image-version"]
    assert "99" in caught.value.diagnostics[0].message


def damaged(layout_changes: dict[str, object], out: Path) -> str:
    """Message of reading an image whose checksums are right and whose content is not."""
    image = build(sample_layout(), "wse2")
    values = {f.name: getattr(image.layout, f.name) for f in fields(image.layout)} | layout_changes
    write(Image(type(image.layout)(**values), image.machine, {}), out)
    with pytest.raises(DiagnosticError) as caught:
        read(out)
    assert ids(caught) == ["image-corrupt"]
    return caught.value.diagnostics[0].message


def test_shapes_and_indices_are_checked(out: Path) -> None:
    layout = read(out).layout
    program = layout.programs[0]
    replace = msgspec.structs.replace
    assert "program_of" in damaged({"program_of": layout.program_of + np.int32(1)}, out)
    assert "config_of" in damaged({"config_of": np.full((2, 3, 24), -2, np.int16)}, out)
    assert "cells" in damaged({"cells": np.zeros((3, 2, 1), np.uint32)}, out)
    assert "configs is int32[1, 4]" in damaged({"configs": np.zeros((1, 4), np.int32)}, out)
    assert "parameter cells" in damaged({"cells": np.zeros((2, 3, 0), np.uint32)}, out)
    assert "`compute`: Activate.loc" in damaged({"programs": (replace(program, locations=()),)}, out)


def test_bodies_of_functions_are_checked(out: Path) -> None:
    program = read(out).layout.programs[0]
    replace = msgspec.structs.replace
    short = replace(program, symbols=program.symbols[:1], exports=())
    assert "`compute`: Addr.symbol is 1" in damaged({"programs": (short,)}, out)


def test_machine_and_architecture_must_agree(out: Path) -> None:
    header = msgspec.json.decode((out / HEADER).read_bytes(), type=Header)
    wrong = msgspec.structs.replace(header, arch="wse3", digest="").sealed()
    (out / HEADER).write_bytes(msgspec.json.encode(wrong))
    with pytest.raises(DiagnosticError) as caught:
        read(out)
    assert ids(caught) == ["image-corrupt"]


WRITER = """
    import sys
    sys.path.insert(0, {here!r})
    from image_samples import sample_layout
    from openwafer.image import build, write
    image = build(sample_layout(40, 40), "wse2")
    print("ready", flush=True)
    while True:
        write(image, {out!r})
"""


def test_a_killed_writer_leaves_no_half_written_directory(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = textwrap.dedent(WRITER.format(here=str(HERE), out=str(out)))
    for delay_ms in (0, 2, 5, 9, 14, 20):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(delay_ms / 1000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if out.exists():
            assert read(out).layout.width == 40
    for left in tmp_path.glob(".openwafer-*"):
        os.utime(left, (0, 0))
    write(build(sample_layout(), "wse2"), out)
    assert os.listdir(tmp_path) == ["out"]
