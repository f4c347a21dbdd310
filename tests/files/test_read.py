"""Files that somebody else made: what is no regular file, too large, no UTF-8, or nested without end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from openwafer.diag import Diagnostic, DiagnosticError, Source
from openwafer.files import inside, parse_json, parse_toml, read_bytes, read_text


def refused(call: object, *args: object) -> Diagnostic:
    with pytest.raises(DiagnosticError) as failure:
        call(*args)  # type: ignore[operator]
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.id == "bad-thing"
    return diagnostic


def test_a_file_of_the_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert read_bytes(path, "thing", "bad-thing", 5) == b"12345"
    found = refused(read_bytes, path, "thing", "bad-thing", 4)
    assert found.message == f"cannot read thing `{path}`: it has 5 bytes, allowed are 4"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: os.mkfifo(p), "a named pipe"),
        (lambda p: p.mkdir(), "a directory"),
        (lambda p: p.symlink_to("/dev/zero"), "a device"),
        (lambda p: p.symlink_to("nowhere"), "No such file"),
        (lambda p: p.symlink_to(p.name), "symbolic links"),
        (lambda p: None, "No such file"),
    ],
    ids=["pipe", "directory", "device", "broken link", "circle", "nothing"],
)  # fmt: skip
def test_what_is_no_file(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "f"
    make(path)  # type: ignore[operator]
    assert words in refused(read_bytes, path, "thing", "bad-thing", 100).message
    assert "null" in refused(read_bytes, "a\0b", "thing", "bad-thing", 100).message


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    """As those of /proc do, whose size is told as 0."""
    endless = Path("/proc/self/environ")
    if not endless.exists():
        pytest.skip("needs /proc")
    assert endless.stat().st_size == 0
    assert "does not end" in refused(read_bytes, endless, "thing", "bad-thing", 3).message


def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    reader = threading.Thread(
        target=refused, args=(read_bytes, tmp_path / "f", "thing", "bad-thing", 9), daemon=True
    )
    reader.start()
    reader.join(30)
    assert not reader.is_alive()


def test_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("ä1\nzwei \xffx\n".encode("latin-1").replace(b"\xe4", "ä".encode()))
    found = refused(read_text, path, "thing", "bad-thing", 100)
    assert found.message == f"`{path}` is not UTF-8: byte 9 (line 2) is 0xff"
    assert found.span is not None and str(found.span) == f"{path}:2:6"
    path.write_bytes(b"a\r\nb\rc\n")
    assert read_text(path, "thing", "bad-thing", 100) == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested more than 32 deep"),
        ('{"a":' * 40 + "1" + "}" * 40, "nested more than 32 deep"),
        ('{"a": ["\\ud800"]}', "half of a surrogate pair"),
        ("[1]", "expected a JSON object, found `[1]`"),
        ('{"a": 1' + "0" * 5000 + "}", "a number too long"),
        ('{"a": }', "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_json(text: str, words: str) -> None:
    found = refused(parse_json, Source("f.json", text), "bad-thing")
    assert words in found.message and found.span is not None


def test_json_with_whole_surrogate_pairs() -> None:
    assert parse_json(Source("f", '{"a": "\\ud83d\\ude00"}'), "bad-thing") == {"a": "\U0001f600"}


def test_json_up_to_the_depth_that_is_allowed() -> None:
    assert parse_json(Source("f", '{"a":' * 32 + "1" + "}" * 32), "bad-thing")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 100_000, "nested more than 32 deep"),
        ("a = " + "[" * 40 + "]" * 40, "nested more than 32 deep"),
        ("a = " + "{a = " * 5_000, "nested more than 32 deep"),
        ("a." * 100_000 + "a = 1", "more than 64 parts"),
        ("[" + '"x" . ' * 65 + "x]", "more than 64 parts"),
        ("a = 1" + "0" * 5000, "a number too long"),
        ("a = = 1", "not valid TOML: invalid value"),
    ],
)
def test_toml(text: str, words: str) -> None:
    found = refused(parse_toml, Source("f.toml", text), "bad-thing")
    assert words in found.message and found.span is not None


def test_toml_with_many_dots_that_are_no_key() -> None:
    numbers = ", ".join(f"{i}.5" for i in range(200))
    assert (
        len(parse_toml(Source("f", f"a = [{numbers}]\nb.c.d = '{'x y. ' * 200}'"), "bad-thing")["a"]) == 200
    )


def test_names_inside_a_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "model", tmp_path / "outside"
    folder.mkdir()
    (folder / "in").mkdir()
    outside.write_text("x")
    (folder / "link").symlink_to(outside)
    (folder / "within").symlink_to("in")
    for name in ("a", "in/b", "in/../a", "within"):
        assert inside(folder, name, "bad-thing") == folder / name
    for name in ("../outside", "/etc/passwd", "in/../../outside", "link", "", ".", "a\0b"):
        assert name in refused(inside, folder, name, "bad-thing").message
    assert f"it is {outside}" in refused(inside, folder, "link", "bad-thing").message


def test_a_folder_of_a_hugging_face_cache(tmp_path: Path) -> None:
    blobs, folder = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "rev"
    blobs.mkdir(parents=True)
    folder.mkdir(parents=True)
    (blobs / "1").write_text("x")
    (folder / "config.json").symlink_to("../../blobs/1")
    (folder / "tokenizer.json").symlink_to("../../../elsewhere")
    assert inside(folder, "config.json", "bad-thing").read_text() == "x"
    assert "tokenizer.json" in refused(inside, folder, "tokenizer.json", "bad-thing").message
